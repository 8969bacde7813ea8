package controller

import (
	"context"

	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Layer is a level of policy above the Placements of tenants: of the platform,
// of an export, of a workspace. A Placement narrows what the layers above it
// allow; it can't widen it.
type Layer interface {
	// Name of the layer, as explanations give it: "platform".
	Name() string
	// Policy of the layer for a Placement; nil for none. It is shared and not
	// changed; a layer returns the same pointer while its policy is the same.
	Policy(ctx context.Context, scope *Scope) (*Policy, error)
}

// LayerNotifier is implemented by a Layer whose policy changes. A Layer that is a
// multicluster.Aware, too, is engaged with each workspace that is decided for.
type LayerNotifier interface {
	// NotifyChanged has fn called when the policy for a workspace changed, or
	// with an empty name, for all of them. fn is quick and safe for concurrent
	// use.
	NotifyChanged(fn func(workspace multicluster.ClusterName))
}

// Scope says which Placement a policy is for.
type Scope struct {
	// Workspace of the Placement.
	Workspace multicluster.ClusterName
	// Namespace of the Placement; empty for a ClusterPlacement.
	Namespace string
	// Name of the Placement.
	Name string
}

// Policy is what one layer says.
type Policy struct {
	// Clusters beyond which no Placement reaches. Nil: all.
	Clusters *v1alpha1.ClusterSelector
	// MaxClusters that a Placement may have. Zero: no bound.
	MaxClusters int32
	// Tolerable taints: a Placement tolerates no other taint than one that a
	// toleration in this list tolerates. Nil: any; empty: none.
	Tolerable []v1alpha1.Toleration
	// Spread that every Placement has at least. A Placement may be stricter.
	Spread []v1alpha1.Spread
	// ReservePercent of every cluster that stays free beside the work. A Placement
	// may keep more free, and so may the engine (placement.WithCapacityReserve).
	ReservePercent int32
	// MaxPriority that a Placement may have. Nil: any.
	MaxPriority *int32
	// NoPreemption says that no Placement pushes out others.
	NoPreemption bool
	// Quota bounds what all Placements of a workspace may use together.
	Quota *Quota
	// Rollout that every changed template goes by. A Placement may be stricter:
	// fewer unavailable clusters, a longer soak, paused; its own waves count where
	// the layer has none. Nil: as the Placement says.
	Rollout *v1alpha1.Rollout
	// Defaults stand in for what a Placement leaves out: clusters,
	// tolerations, preferred, scoring, affinity, antiAffinity, priority,
	// preemptionPolicy, count, spread, division, reservePercent, rollout and
	// moves.rebalance, each as a whole.
	// The layer nearest to the Placement goes first.
	Defaults *v1alpha1.PlacementSpec
}

// NewLayer returns a layer with the same policy for everyone.
func NewLayer(name string, policy Policy) Layer { return &fixedLayer{name, policy} }

type fixedLayer struct {
	name   string
	policy Policy
}

var _ Layer = (*fixedLayer)(nil)

func (l *fixedLayer) Name() string                                    { return l.name }
func (l *fixedLayer) Policy(context.Context, *Scope) (*Policy, error) { return &l.policy, nil }
