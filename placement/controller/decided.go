package controller

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Decided is a decision that was recorded in the status of a Placement.
type Decided struct {
	// Workspace and Placement it is for; a ClusterPlacement has no namespace.
	Workspace multicluster.ClusterName
	Placement types.NamespacedName
	// UID of the Placement.
	UID types.UID
	// Before and After are the targets on record, leaving ones included.
	Before, After []v1alpha1.Target
	// Placed says that the decision is complete; else Reason and Message say
	// what is missing.
	Placed          bool
	Reason, Message string
}

// OnDecision has fn called after each decision that was recorded: for an audit
// log, or for whoever wants to know of moves. It may be given several times; fn
// must be quick and safe for concurrent use.
func OnDecision(fn func(ctx context.Context, d Decided)) Option {
	return func(o *options) { o.decided = append(o.decided, fn) }
}

// tellDecided tells of a status that was written.
func (c *Controller) tellDecided(ctx context.Context, k Key, p *v1alpha1.Placement, now *v1alpha1.PlacementStatus) {
	if len(c.opts.decided) == 0 {
		return
	}
	d := decidedOf(k, p, now)
	for _, fn := range c.opts.decided {
		fn(ctx, d)
	}
}

func decidedOf(k Key, p *v1alpha1.Placement, now *v1alpha1.PlacementStatus) Decided {
	d := Decided{
		Workspace: k.Workspace, Placement: k.NamespacedName, UID: p.UID,
		Before: slices.Clone(p.Status.Targets), After: slices.Clone(now.Targets),
	}
	if c := placed(now); c != nil {
		d.Placed, d.Reason, d.Message = c.Status == metav1.ConditionTrue, c.Reason, c.Message
	}
	return d
}
