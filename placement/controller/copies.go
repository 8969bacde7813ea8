package controller

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Copies knows what was carried out of decisions. The sync loop does.
type Copies interface {
	// Remaining returns the number of copies that are left on a cluster of
	// the objects that a Placement covers; with an empty namespace, that a
	// ClusterPlacement covers. An error means that it is not known, and then
	// the cluster stays on record.
	Remaining(ctx context.Context, workspace multicluster.ClusterName, placement types.NamespacedName, cluster string) (int, error)
}

// CopiesNotifier is implemented by Copies that tell when the last copies of a
// Placement are gone from a cluster. Without it the controller asks now and
// then.
type CopiesNotifier interface {
	// NotifyRetired has fn called when the last copies on a cluster that work
	// was leaving are gone. fn is quick and safe for concurrent use.
	NotifyRetired(fn func(workspace multicluster.ClusterName, placement types.NamespacedName, cluster string))
}

// SpecValidator is implemented by Copies that have rules of their own for what
// a Placement may say, as about overrides. What it refuses is told in the
// condition Placed, for the reason Invalid, and the decision stays.
type SpecValidator interface {
	// ValidateSpec returns what makes no sense; nil if there is nothing.
	ValidateSpec(spec *v1alpha1.PlacementSpec) error
}

// CopiesFunc is a Copies that is one function.
type CopiesFunc func(ctx context.Context, workspace multicluster.ClusterName, placement types.NamespacedName, cluster string) (int, error)

var _ Copies = CopiesFunc(nil)

// Remaining implements Copies.
func (f CopiesFunc) Remaining(ctx context.Context, workspace multicluster.ClusterName, placement types.NamespacedName, cluster string) (int, error) {
	return f(ctx, workspace, placement, cluster)
}
