package controller

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// survey returns the workloads of many Placements at once.
func (c *Controller) survey(ctx context.Context, workspace multicluster.ClusterName, known []*v1alpha1.Placement) map[Key][]placement.Workload {
	found := map[Key][]placement.Workload{}
	c.eachCovered(ctx, workspace, known, func(p *v1alpha1.Placement, _ *unstructured.Unstructured, w *placement.Workload) {
		k := keyIn(workspace, p.Namespace, p.Name)
		found[k] = append(found[k], *w)
	})
	return found
}

// growing returns, for many Placements at once, the workloads that ask for more
// replicas than their status says they have, each with what it lacks.
func (c *Controller) growing(ctx context.Context, workspace multicluster.ClusterName, known []*v1alpha1.Placement) map[Key][]placement.Workload {
	found := map[Key][]placement.Workload{}
	c.eachCovered(ctx, workspace, known, func(p *v1alpha1.Placement, obj *unstructured.Unstructured, w *placement.Workload) {
		if lacking := lackingOf(obj, *w, p.Status.Targets); lacking != nil {
			k := keyIn(workspace, p.Namespace, p.Name)
			found[k] = append(found[k], *lacking)
		}
	})
	return found
}

// lackingOf returns the workload with the replicas that it lacks; nil if it lacks
// none, or does not say how many it has.
func lackingOf(obj *unstructured.Unstructured, w placement.Workload, targets []v1alpha1.Target) *placement.Workload {
	have, ok := number(at(obj.Object, "status")["replicas"])
	if !ok || w.Replicas == nil || *w.Replicas == 0 {
		return nil
	}
	copies := replicasOn([]placement.Workload{w}, targets) / int64(*w.Replicas) // one, where they are divided
	if copies == 0 {
		return nil
	}
	lacks := int64(*w.Replicas) - int64(have)/copies
	if lacks <= 0 {
		return nil
	}
	w.Replicas = new(int32(lacks))
	return &w
}

// eachCovered calls fn for every object that one of the Placements covers and
// that is not being deleted.
func (c *Controller) eachCovered(ctx context.Context, workspace multicluster.ClusterName, known []*v1alpha1.Placement, fn func(*v1alpha1.Placement, *unstructured.Unstructured, *placement.Workload)) {
	byNamespace := map[string][]*v1alpha1.Placement{}
	for _, p := range known {
		byNamespace[p.Namespace] = append(byNamespace[p.Namespace], p)
	}
	covers := map[string]*coverage{}
	for namespace, list := range byNamespace {
		covers[namespace] = newCoverage(list)
	}
	for _, kind := range c.resources() {
		objects, err := c.list(ctx, workspace, kind, "")
		if err != nil {
			continue
		}
		for i := range objects {
			obj := &objects[i]
			in := covers[obj.GetNamespace()]
			if in == nil || obj.GetDeletionTimestamp() != nil {
				continue
			}
			p := in.of(obj)
			if p == nil {
				continue
			}
			if w, err := memoized(c.memo, workspace, obj, workloadOf); err == nil {
				fn(p, obj, &within([]placement.Workload{w}, p.Status.Granted)[0])
			}
		}
	}
}
