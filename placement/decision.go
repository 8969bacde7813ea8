package placement

import (
	"cmp"
	"slices"
	"time"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Decision is what the engine made of a Request. It refers to the request and
// the snapshot, to explain itself on demand: keep it no longer than needed.
type Decision struct {
	// Targets, sorted by cluster; none of them is leaving. Empty if no choice
	// satisfies the request.
	Targets []v1alpha1.Target
	// Reason is empty for a complete decision, or one of the reasons of
	// v1alpha1.ConditionPlaced.
	Reason string
	// Message says what to do about Reason.
	Message string
	// Rejected clusters, grouped, the largest group first, bounded in size.
	Rejected []v1alpha1.Rejection
	// Recheck is when the decision may change by the passing of time alone: a
	// toleration that runs out. Zero: never.
	Recheck time.Time

	choice  choice
	engine  *Engine
	request *Request
	fleet   *facts.Snapshot
}

func sortTargets(targets []v1alpha1.Target) {
	slices.SortFunc(targets, func(a, b v1alpha1.Target) int { return cmp.Compare(a.Cluster, b.Cluster) })
}
