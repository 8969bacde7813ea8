package controller

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Supposition is what might be in a workspace.
type Supposition struct {
	// Workspace is the name, never the path, of the logical cluster.
	Workspace multicluster.ClusterName
	// Placements and, without a namespace, ClusterPlacements that are new, or take
	// the place of those of the same name, as the workspace would have them.
	Placements []*v1alpha1.Placement
	// Objects that are new, or take the place of those of the same kind, namespace
	// and name. Those of kinds that this controller does not place count for nothing.
	Objects []*unstructured.Unstructured
}

// Foreseen is how the decision of a Placement would be if something were so.
type Foreseen struct {
	// Before is the Placement as it is; nil for one that is new.
	Before *v1alpha1.Placement
	// After is the Placement with the status that would be recorded.
	After *v1alpha1.Placement
}

// Foresee says what would be decided if what is supposed were so, for the Placements
// that are supposed and those that cover what is; for objects that none covers, what
// the default would be. It asks the engine as Reconcile does, within the layers, quotas
// and reservations that there are. It records nothing, and nobody reckons with it: of
// several that would take the same room, each is told that it gets it. Nor does it ask
// limiters: what moves may have to wait for its turn. A ClusterPlacement that is to give
// the defaults of a workspace gives them only when it is there.
//
// It returns an error that wraps workspaces.ErrNotSynced, or multicluster.ErrClusterNotFound,
// where the workspace is not known to this replica.
func (c *Controller) Foresee(ctx context.Context, s Supposition) ([]Foreseen, error) {
	namespaces := map[string]bool{}
	for _, p := range s.Placements {
		namespaces[p.Namespace] = true
	}
	for _, o := range s.Objects {
		if slices.Contains(c.resources(), o.GroupVersionKind()) {
			namespaces[o.GetNamespace()] = true
		}
	}
	var all []Foreseen
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		list, err := c.foreseeIn(ctx, s, namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// foreseeIn is Foresee for one namespace.
func (c *Controller) foreseeIn(ctx context.Context, s Supposition, namespace string) ([]Foreseen, error) {
	there, err := c.placements(ctx, s.Workspace, namespace)
	if err != nil {
		return nil, fmt.Errorf("foresee: Placements of workspace %s: %w", s.Workspace, err)
	}
	before := map[string]*v1alpha1.Placement{}
	for _, p := range there {
		before[p.Name] = p
	}
	known, concerned := slices.Clone(there), map[string]bool{}
	for _, p := range s.Placements {
		if p.Namespace == namespace {
			known = slices.DeleteFunc(known, func(o *v1alpha1.Placement) bool { return o.Name == p.Name })
			known = append(known, p)
			concerned[p.Name] = true
		}
	}
	known, err = c.withDefault(ctx, s, namespace, known)
	if err != nil {
		return nil, err
	}
	old, now := newCoverage(there), newCoverage(known)
	for _, o := range s.Objects {
		if o.GetNamespace() != namespace {
			continue
		}
		for _, p := range []*v1alpha1.Placement{old.of(o), now.of(o)} {
			if p != nil {
				concerned[p.Name] = true
			}
		}
	}
	var list []Foreseen
	for _, p := range known {
		if !concerned[p.Name] {
			continue
		}
		after, err := c.foresee(ctx, s, p, known)
		if err != nil {
			return nil, err
		}
		list = append(list, Foreseen{Before: before[p.Name], After: after})
	}
	slices.SortFunc(list, func(a, b Foreseen) int { return cmp.Compare(a.After.Name, b.After.Name) })
	return list, nil
}

// withDefault adds the default that would be made for what is supposed and nobody
// covers.
func (c *Controller) withDefault(ctx context.Context, s Supposition, namespace string, known []*v1alpha1.Placement) ([]*v1alpha1.Placement, error) {
	covers := newCoverage(known)
	taken := slices.ContainsFunc(known, func(p *v1alpha1.Placement) bool { return p.Name == v1alpha1.DefaultName })
	uncovered := slices.ContainsFunc(s.Objects, func(o *unstructured.Unstructured) bool {
		return o.GetNamespace() == namespace && slices.Contains(c.resources(), o.GroupVersionKind()) && covers.of(o) == nil
	})
	if taken || !uncovered {
		return known, nil
	}
	spec, err := c.opts.defaults(ctx, s.Workspace, namespace)
	if err != nil {
		return nil, fmt.Errorf("foresee: default of namespace %s: %w", namespace, err)
	}
	if spec == nil {
		spec = &v1alpha1.PlacementSpec{}
	}
	p := &v1alpha1.Placement{Spec: *spec.DeepCopy()}
	p.Namespace, p.Name, p.Generation = namespace, v1alpha1.DefaultName, 1
	p.Labels = map[string]string{ManagedByLabel: ManagedBy}
	p.SetGroupVersionKind(kindIn(namespace))
	return append(known, p), nil
}

// foresee decides for one Placement, and keeps nothing.
func (c *Controller) foresee(ctx context.Context, s Supposition, p *v1alpha1.Placement, known []*v1alpha1.Placement) (*v1alpha1.Placement, error) {
	k := keyIn(s.Workspace, p.Namespace, p.Name)
	v, err := c.gather(ctx, k, known, func(ctx context.Context, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
		items, err := c.list(ctx, s.Workspace, kind, p.Namespace)
		if err != nil {
			return nil, err
		}
		return s.among(items, kind, p.Namespace), nil
	})
	if err != nil {
		return nil, err
	}
	policies, err := c.policies(ctx, k)
	if err != nil {
		return nil, err
	}
	q := &question{
		policies: policies, workspace: s.Workspace, placement: p, workloads: v.workloads, dry: true,
		fleet: c.fleet.Snapshot(), now: c.opts.now(), settle: c.opts.settle,
		retired: c.retired(ctx, k, p), gainSince: c.recent.of(k).gainSince,
	}
	q.evicted = c.preemptions.of(k, q.now)
	if q.scheduled, err = c.scheduledFor(ctx, k, p); err != nil {
		return nil, err
	}
	a := &answer{status: *p.Status.DeepCopy()}
	switch {
	case p.Spec.Suspend:
		a.suspend(q)
	case p.Spec.DryRun:
		a.status.Targets = a.keep(q, a.status.Targets, c.poll)
	case len(q.workloads) == 0:
		q.settle = 0 // it is not waited for what may be applied with it
		a.idle(q, c.poll)
	default:
		if err := c.place(ctx, q, a); err != nil {
			return nil, err
		}
	}
	a.status.Rollout = rolloutUnder(&p.Spec, policies)
	a.status.Summary = summarize(a.status.Targets)
	after := p.DeepCopy()
	after.Status = a.status
	return after, nil
}

// among returns the objects of a kind and a namespace with what is supposed in place.
func (s *Supposition) among(items []unstructured.Unstructured, kind schema.GroupVersionKind, namespace string) []unstructured.Unstructured {
	in := map[types.NamespacedName]*unstructured.Unstructured{}
	for _, o := range s.Objects {
		if o.GroupVersionKind() == kind && o.GetNamespace() == namespace {
			o = o.DeepCopy()
			o.SetResourceVersion("") // none that anything may be remembered by
			in[types.NamespacedName{Namespace: namespace, Name: o.GetName()}] = o
		}
	}
	if len(in) == 0 {
		return items
	}
	list := make([]unstructured.Unstructured, 0, len(items)+len(in))
	for i := range items {
		if in[types.NamespacedName{Namespace: items[i].GetNamespace(), Name: items[i].GetName()}] == nil {
			list = append(list, items[i])
		}
	}
	for _, o := range in {
		list = append(list, *o)
	}
	slices.SortFunc(list, func(a, b unstructured.Unstructured) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return list
}
