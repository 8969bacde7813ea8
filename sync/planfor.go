package syncer

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// ErrUnknown is returned by Plan and PlanFor while what they would have to look at is
// not known: the caches are filling, the workspace is not engaged, or it is another
// replica's.
var ErrUnknown = errUnknown

// Supposition is what might be in a workspace.
type Supposition struct {
	// Workspace is the name, never the path, of the logical cluster.
	Workspace multicluster.ClusterName
	// Originals that are new, or take the place of those of the same kind,
	// namespace and name, as the workspace would have them: with its defaults.
	Originals []*unstructured.Unstructured
	// Placements and, without a namespace, ClusterPlacements that are new, or
	// take the place of those of the same name. Their status has the decision.
	Placements []*v1alpha1.Placement
}

// unborn is the UID of an original that there is not yet.
const unborn = "00000000-0000-0000-0000-000000000000"

// whenMade stands for what is not known before an original is made.
const whenMade = "(known when the original is made)"

// PlanFor tells what the loop would write to clusters and delete from them if what
// is supposed were so, beside what it would do anyway: Plan tells that. It looks at
// the namespaces of what is supposed, and at what is mentioned there, with the
// loop's own pipeline, strategies and rules, from its caches alone: no server is
// called, nothing is changed, whether the loop is suspended or not. What comes only
// after something else, as a copy that goes when others are healthy, is among the
// steps and waits.
//
// It returns ErrUnknown where the workspace or the copies are not known, and another
// error for a kind that the loop does not follow.
func (l *Loop) PlanFor(ctx context.Context, s Supposition) (*Plan, error) {
	if l.opts.decider != nil {
		return nil, fmt.Errorf("plan: Placements don't decide here, %s does: ask the controller that places", l.opts.decider.Name())
	}
	for _, o := range s.Originals {
		if kind := o.GroupVersionKind(); !slices.Contains(l.kinds(), kind) {
			return nil, fmt.Errorf("plan: %s %s/%s: the kind %s is not synced: list it among the resources or the related kinds, in the version that is synced", o.GetKind(), o.GetNamespace(), o.GetName(), kind)
		}
	}
	for _, kind := range l.kinds() {
		if !l.watcher.Synced(s.Workspace, kind) {
			return nil, fmt.Errorf("plan: %s of workspace %s: %w", kind.Kind, s.Workspace, errUnknown)
		}
	}
	would, err := l.supposing(ctx, s)
	if err != nil {
		return nil, err
	}
	p, now := &Plan{}, &Plan{}
	for _, lane := range l.allLanes() {
		if !lane.knowsAll() || !lane.covers(s.Workspace) {
			return nil, fmt.Errorf("plan: copies on cluster %s: %w", lane.name, errUnknown)
		}
		for _, key := range would.concerned(ctx, s) {
			would.planFor(ctx, p, lane, key)
			l.planFor(ctx, now, lane, key)
		}
	}
	p.Steps = slices.DeleteFunc(p.Steps, func(step Step) bool {
		return slices.ContainsFunc(now.Steps, func(other Step) bool { return reflect.DeepEqual(step, other) })
	})
	p.Refused = slices.DeleteFunc(p.Refused, func(r Refused) bool { return slices.Contains(now.Refused, r) })
	for i := range p.Steps {
		for j := range p.Steps[i].Differences {
			d := &p.Steps[i].Differences[j]
			d.Becomes = strings.ReplaceAll(d.Becomes, unborn, whenMade)
		}
	}
	p.sort()
	return p, nil
}

func (p *Plan) sort() {
	slices.SortFunc(p.Refused, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Original.String(), b.Original.String()))
	})
	slices.SortFunc(p.Steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Original.String(), b.Original.String()))
	})
}

// supposing returns a loop that sees what is supposed, and shares the rest: the
// clusters, their copies, what is remembered of them. Nothing drives it.
func (l *Loop) supposing(ctx context.Context, s Supposition) (*Loop, error) {
	would := &Loop{
		fleet: l.fleet, provider: l.provider, pipeline: l.pipeline, rules: l.rules, opts: l.opts,
		// What is supposed has the version of what is there: it is kept apart.
		renderings:   transform.NewCache(l.pipeline, mostRenderings, transform.Finish(seal)),
		templates:    transform.NewCache(l.pipeline, mostRenderings, transform.Finish(sealTemplate(l.pipeline))),
		installation: l.installation, manager: l.manager, finalizer: l.finalizer,
		world: l.world, metrics: l.metrics, tracing: l.tracing, logger: l.logger,
		lanes: map[string]*lane{}, records: map[Key]*record{},
	}
	would.set.Store(l.set.Load())
	would.suspended.Store(l.Suspended())
	for _, lane := range l.allLanes() {
		would.lanes[lane.name] = lane
	}
	would.decisions = l.decisions.supposing(s)
	seen := &supposed{originals: l.watcher, workspace: s.Workspace, objects: map[Key]*unstructured.Unstructured{}}
	for _, o := range s.Originals {
		key := keyFor(s.Workspace, o)
		there, err := l.original(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("plan: %s: %w", key, err)
		}
		o = o.DeepCopy()
		if there == nil {
			o.SetUID(unborn)
		}
		seen.objects[key] = o
	}
	would.watcher = seen
	return would, nil
}

// supposing returns the decisions of a workspace with others among them.
func (d *decisions) supposing(s Supposition) *decisions {
	would := newDecisions()
	d.mu.RLock()
	for ns, known := range d.byNamespace {
		if ns.workspace == s.Workspace {
			would.byNamespace[ns] = slices.Clone(known)
		}
	}
	d.mu.RUnlock()
	for _, p := range s.Placements {
		ns := namespaceKey{s.Workspace, p.Namespace}
		known := slices.DeleteFunc(would.byNamespace[ns], func(other *v1alpha1.Placement) bool { return other.Name == p.Name })
		would.byNamespace[ns] = append(known, p)
	}
	return would
}

// concerned returns the originals on which what is supposed may bear, each once.
func (l *Loop) concerned(ctx context.Context, s Supposition) []Key {
	namespaces := map[string]bool{}
	for _, o := range s.Originals {
		namespaces[o.GetNamespace()] = true
	}
	for _, p := range s.Placements {
		namespaces[p.Namespace] = true
	}
	var keys []Key
	for _, kind := range l.kinds() {
		for namespace := range namespaces {
			items, err := l.watcher.List(ctx, s.Workspace, kind, namespace)
			if err != nil {
				continue
			}
			for i := range items {
				if items[i].GetNamespace() == namespace {
					keys = append(keys, keyFor(s.Workspace, &items[i]))
				}
			}
		}
	}
	return sortedKeys(keys)
}

// supposed are originals with others in their place.
type supposed struct {
	originals

	workspace multicluster.ClusterName
	objects   map[Key]*unstructured.Unstructured
}

// Get implements originals.
func (s *supposed) Get(ctx context.Context, ws multicluster.ClusterName, kind schema.GroupVersionKind, key client.ObjectKey) (*unstructured.Unstructured, error) {
	if o, ok := s.objects[Key{Kind: kind, Workspace: ws, Namespace: key.Namespace, Name: key.Name}]; ok {
		return o, nil
	}
	return s.originals.Get(ctx, ws, kind, key)
}

// List implements originals.
func (s *supposed) List(ctx context.Context, ws multicluster.ClusterName, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error) {
	items, err := s.originals.List(ctx, ws, kind, namespace)
	if err != nil || ws != s.workspace {
		return items, err
	}
	list := make([]unstructured.Unstructured, 0, len(items)+len(s.objects))
	for i := range items {
		if _, ok := s.objects[keyFor(ws, &items[i])]; !ok {
			list = append(list, items[i])
		}
	}
	for key, o := range s.objects {
		if key.Kind == kind && (namespace == "" || key.Namespace == namespace) {
			list = append(list, *o)
		}
	}
	return list, nil
}
