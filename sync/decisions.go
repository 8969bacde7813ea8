package syncer

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// decisions indexes the Placements of all workspaces by namespace, decoded
// once. ClusterPlacements are those of the empty namespace.
type decisions struct {
	mu          sync.RWMutex
	byNamespace map[namespaceKey][]*v1alpha1.Placement
	byCluster   map[string]map[namespaceKey]int // number of Placements that name the cluster
}

func newDecisions() *decisions {
	return &decisions{byNamespace: map[namespaceKey][]*v1alpha1.Placement{}, byCluster: map[string]map[namespaceKey]int{}}
}

// decode reads a Placement or a ClusterPlacement; the two differ only in what
// they cover.
func decode(obj *unstructured.Unstructured) (*v1alpha1.Placement, error) {
	p := &v1alpha1.Placement{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, p); err != nil {
		return nil, fmt.Errorf("decode %s %s/%s: %w", obj.GetKind(), obj.GetNamespace(), obj.GetName(), err)
	}
	return p, nil
}

// observe takes in an event; it returns whether anything changed that matters
// to what is synced.
func (d *decisions) observe(e workspaces.Event) bool {
	ns := namespaceKey{e.Cluster, e.Object().GetNamespace()}
	var now *v1alpha1.Placement
	if e.New != nil {
		p, err := decode(e.New)
		if err != nil {
			return false // the schema forbids it; what was known stays
		}
		p.ManagedFields = nil
		now = p
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.byNamespace[ns]
	i := slices.IndexFunc(known, func(p *v1alpha1.Placement) bool { return p.Name == e.Object().GetName() })
	var before *v1alpha1.Placement
	if i >= 0 {
		before = known[i]
		known = slices.Delete(slices.Clone(known), i, i+1)
	}
	if now != nil {
		known = append(slices.Clip(known), now)
	}
	if len(known) == 0 {
		delete(d.byNamespace, ns)
	} else {
		d.byNamespace[ns] = known
	}
	d.count(ns, before, -1)
	d.count(ns, now, +1)
	return matters(before, now)
}

// matters says whether two states of a Placement differ in more than what
// only people read.
func matters(a, b *v1alpha1.Placement) bool {
	if a == nil || b == nil {
		return a != b
	}
	return a.UID != b.UID ||
		a.Status.ObservedGeneration != b.Status.ObservedGeneration ||
		!reflect.DeepEqual(a.Status.Targets, b.Status.Targets) ||
		!reflect.DeepEqual(a.Status.Conditions, b.Status.Conditions) ||
		!reflect.DeepEqual(a.Status.Rollout, b.Status.Rollout) ||
		!reflect.DeepEqual(a.Status.Granted, b.Status.Granted) ||
		suspends(a.Annotations) != suspends(b.Annotations) ||
		!reflect.DeepEqual(a.Spec, b.Spec)
}

func (d *decisions) count(ns namespaceKey, p *v1alpha1.Placement, n int) {
	if p == nil {
		return
	}
	for _, t := range p.Status.Targets {
		counts := d.byCluster[t.Cluster]
		if counts == nil {
			counts = map[namespaceKey]int{}
			d.byCluster[t.Cluster] = counts
		}
		if counts[ns] += n; counts[ns] == 0 {
			delete(counts, ns)
		}
		if len(counts) == 0 {
			delete(d.byCluster, t.Cluster)
		}
	}
}

// drop forgets a workspace.
func (d *decisions) drop(workspace multicluster.ClusterName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ns, known := range d.byNamespace {
		if ns.workspace != workspace {
			continue
		}
		for _, p := range known {
			d.count(ns, p, -1)
		}
		delete(d.byNamespace, ns)
	}
}

// namespacesOn returns the namespaces with a Placement that names a cluster.
func (d *decisions) namespacesOn(cluster string) []namespaceKey {
	d.mu.RLock()
	defer d.mu.RUnlock()
	namespaces := make([]namespaceKey, 0, len(d.byCluster[cluster]))
	for ns := range d.byCluster[cluster] {
		namespaces = append(namespaces, ns)
	}
	return namespaces
}

// namespaces returns all namespaces with a Placement.
func (d *decisions) namespaces() []namespaceKey {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Collect(maps.Keys(d.byNamespace))
}

// first returns the first Placement of a namespace by name, nil if there is none. It
// is shared and must not be changed.
func (d *decisions) first(ns namespaceKey) (first *v1alpha1.Placement) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, p := range d.byNamespace[ns] {
		if first == nil || p.Name < first.Name {
			first = p
		}
	}
	return first
}

// covering returns the Placement that an object belongs to, nil if none. It is
// shared and must not be changed.
func (d *decisions) covering(ns namespaceKey, obj *unstructured.Unstructured) *v1alpha1.Placement {
	d.mu.RLock()
	known := d.byNamespace[ns]
	d.mu.RUnlock()
	return placement.Covering(placement.ObjectOf(obj), known)
}
