package controller

import (
	"context"
	"time"

	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/cluster"
)

// Cause is why work leaves a cluster. The set is closed.
type Cause string

// Causes of a move.
const (
	// CauseRequested: the owner of the Placement changed it.
	CauseRequested Cause = "Requested"
	// CauseLost: the cluster does not answer.
	CauseLost Cause = "Lost"
	// CauseDrained: the cluster is being drained.
	CauseDrained Cause = "Drained"
	// CauseRemoved: the cluster left the fleet.
	CauseRemoved Cause = "Removed"
	// CauseRebalanced: nothing is wrong where the work is, and it is so much
	// better elsewhere that its policy has it moved.
	CauseRebalanced Cause = "Rebalanced"
	// CausePreempted: work of greater priority takes its place.
	CausePreempted Cause = "Preempted"
	// CausePolicy: anything else: a taint, a label, a rule of the platform.
	CausePolicy Cause = "Policy"
)

// Move is one cluster that a decision no longer names.
type Move struct {
	// Cluster that the work leaves, and its region, if known.
	Cluster, Region string
	// Cause of the move.
	Cause Cause
}

// Moves are those of one Placement, which happen together or not at all.
type Moves struct {
	// Workspace and Placement whose work would move.
	Workspace multicluster.ClusterName
	Placement types.NamespacedName
	// Moves asked for, at least one.
	Moves []Move
	// Fleet on which the decision rests.
	Fleet *cluster.Snapshot
	// Now is the time at which the question is asked.
	Now time.Time
}

// Verdict answers whether moves may happen.
type Verdict struct {
	// Reason in CamelCase why they may not happen now; empty if they may.
	Reason string
	// RetryAfter is when to ask again.
	RetryAfter time.Duration
}

// Allowed says that the moves may happen.
func (v Verdict) Allowed() bool { return v.Reason == "" }

// Reasons for which a Budget puts moves off.
const (
	// ReasonPartialOutage: so much of the fleet seems lost at once that the
	// fault is likelier on our side.
	ReasonPartialOutage = "PartialOutage"
	// ReasonRegionOutage: so much of a region that work is to leave seems lost
	// at once that it may soon be back.
	ReasonRegionOutage = "RegionOutage"
	// ReasonOverBudget: as much moved lately as may move.
	ReasonOverBudget = "OverBudget"
)

// Limiter bounds the blast radius of whatever moves work. It must be safe for
// concurrent use.
type Limiter interface {
	// Name of the limiter, for logs.
	Name() string
	// Limit allows all moves or none. What it allows is taken as done.
	Limit(ctx context.Context, moves *Moves) Verdict
}

// LimiterStarter is implemented by a Limiter that must know when its controller
// begins to decide: when the process starts, or takes over from another one. What
// moved before is not known to it then.
type LimiterStarter interface {
	Limiter
	// Started tells that deciding begins.
	Started(now time.Time)
}

// LimiterFunc is a Limiter that is one function.
type LimiterFunc func(ctx context.Context, moves *Moves) Verdict

var _ Limiter = LimiterFunc(nil)

// Name implements Limiter.
func (LimiterFunc) Name() string { return "LimiterFunc" }

// Limit implements Limiter.
func (f LimiterFunc) Limit(ctx context.Context, moves *Moves) Verdict { return f(ctx, moves) }
