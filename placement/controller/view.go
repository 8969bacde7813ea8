package controller

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// view is what a decision is made from, as the caches have it.
type view struct {
	// placement to decide for, nil if there is none of that name. Shared.
	placement *v1alpha1.Placement
	// workloads that it covers and that are not being deleted.
	workloads []placement.Workload
	// uncovered objects that no Placement covers, the first ones only; looked
	// for only if the name is that of the default.
	uncovered []*unstructured.Unstructured
}

// maxUncovered is how many objects without a Placement are of interest.
const maxUncovered = 1

// look gathers what a decision is made from.
func (c *Controller) look(ctx context.Context, k Key) (*view, error) {
	known, err := c.placements(ctx, k.Workspace, k.Namespace)
	if err != nil {
		return nil, err
	}
	return c.gather(ctx, k, known, func(ctx context.Context, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
		return c.list(ctx, k.Workspace, kind, k.Namespace)
	})
}

// gather is look among the Placements that are given, with the objects of each kind
// as list has them.
func (c *Controller) gather(ctx context.Context, k Key, known []*v1alpha1.Placement, list func(context.Context, schema.GroupVersionKind) ([]unstructured.Unstructured, error)) (*view, error) {
	v := &view{}
	covers := newCoverage(known)
	for _, p := range known {
		if p.Name == k.Name {
			v.placement = p
		}
	}
	if v.placement == nil && k.Name != v1alpha1.DefaultName {
		return v, nil
	}
	for _, kind := range c.resources() {
		objects, err := list(ctx, kind)
		if errors.Is(err, workspaces.ErrNotSynced) {
			continue // the gate waited for it long enough
		}
		if err != nil {
			return nil, err
		}
		if len(objects) > 0 && (objects[0].GetNamespace() == "") != (k.Namespace == "") {
			continue // the kind has the other scope
		}
		for i := range objects {
			if err := c.sort(k, &objects[i], covers, v); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// sort puts an object where it belongs in the view.
func (c *Controller) sort(k Key, obj *unstructured.Unstructured, covers *coverage, v *view) error {
	if obj.GetDeletionTimestamp() != nil {
		return nil // it needs no place any more, and keeps the one it has
	}
	switch p := covers.of(obj); {
	case p == nil:
		if k.Name == v1alpha1.DefaultName && len(v.uncovered) < maxUncovered {
			v.uncovered = append(v.uncovered, obj)
		}
	case v.placement != nil && p.Name == v.placement.Name:
		w, err := memoized(c.memo, k.Workspace, obj, workloadOf)
		if err != nil {
			return err
		}
		if c.opts.servedAs != nil {
			w.ServedAs = c.opts.servedAs(w.Kind)
		}
		v.workloads = append(v.workloads, w)
	}
	return nil
}
