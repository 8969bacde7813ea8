package view

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster"
)

// View holds the counts. It is safe for concurrent use.
type View struct {
	mu      sync.RWMutex
	tenants map[string]*tenant
	total   Counts
	fleet   func() *cluster.Snapshot
}

// tenant is one workspace.
type tenant struct {
	objects map[key]entry
	counts  Counts
	stale   time.Time
	// round counts engagements; objects of earlier rounds may be gone.
	round int
}

type entry struct {
	Object
	round int
}

// New returns an empty view.
func New() *View {
	return &View{tenants: map[string]*tenant{}, fleet: func() *cluster.Snapshot { return cluster.NewSnapshot() }}
}

// Tenant is the summary of one workspace.
type Tenant struct {
	// Name of its logical cluster.
	Name string `json:"name"`
	// StaleSince is when the workspace could no longer be seen; nil while it
	// can.
	StaleSince *time.Time `json:"staleSince,omitempty"`
	Counts
}

// Fleet is the summary of everything.
type Fleet struct {
	// Tenants there are, and how many of them are stale.
	Tenants int `json:"tenants"`
	Stale   int `json:"stale,omitempty"`
	Counts
	// Clusters of the fleet.
	Clusters Clusters `json:"clusters"`
}

// Clusters summarises the physical clusters.
type Clusters struct {
	Total       int `json:"total"`
	Ready       int `json:"ready"`
	Schedulable int `json:"schedulable"`
	// NotReady counts clusters that are not ready by reason, Concerns those
	// that have a concern.
	NotReady  map[string]int `json:"notReady,omitempty"`
	Concerns  map[string]int `json:"concerns,omitempty"`
	ByVersion map[string]int `json:"byVersion,omitempty"`
	ByRegion  map[string]int `json:"byRegion,omitempty"`
	// Allocatable and Allocated are sums over the clusters whose capacity is
	// known.
	Allocatable Amounts `json:"allocatable"`
	Allocated   Amounts `json:"allocated"`
}

// Amounts of resources, as numbers that can be compared.
type Amounts struct {
	MilliCPU int64 `json:"milliCPU"`
	Memory   int64 `json:"memory"`
	Pods     int64 `json:"pods"`
}

// Set notes an object of a tenant, new or changed.
func (v *View) Set(name string, o Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.tenantLocked(name)
	v.dropLocked(t, o.key())
	t.objects[o.key()] = entry{o, t.round}
	t.counts.add(&o, 1)
	v.total.add(&o, 1)
}

// Delete notes that an object of a tenant is gone.
func (v *View) Delete(name string, o Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := v.tenants[name]; t != nil {
		v.dropLocked(t, o.key())
	}
}

// dropKinds drops the objects of some kinds of all tenants.
func (v *View) dropKinds(kinds []schema.GroupVersionKind) {
	if len(kinds) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range v.tenants {
		for k := range t.objects {
			if slices.Contains(kinds, k.kind) {
				v.dropLocked(t, k)
			}
		}
	}
}

// Forget drops a tenant and all its objects.
func (v *View) Forget(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := v.tenants[name]; t != nil {
		v.total.merge(&t.counts, -1)
		delete(v.tenants, name)
	}
}

func (v *View) tenantLocked(name string) *tenant {
	t := v.tenants[name]
	if t == nil {
		t = &tenant{objects: map[key]entry{}}
		v.tenants[name] = t
	}
	return t
}

func (v *View) dropLocked(t *tenant, k key) {
	if old, ok := t.objects[k]; ok {
		delete(t.objects, k)
		t.counts.add(&old.Object, -1)
		v.total.add(&old.Object, -1)
	}
}

// seen notes that a tenant can be seen, from now on. It returns the number of
// the engagement.
func (v *View) seen(name string) (round int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := v.tenantLocked(name)
	t.stale = time.Time{}
	t.round++
	return t.round
}

// unseen notes that a tenant can no longer be seen, unless it was engaged again
// meanwhile.
func (v *View) unseen(name string, round int, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := v.tenants[name]; t != nil && t.round == round {
		t.stale = now
	}
}

// leftovers are the objects of a tenant that were not told of since it was
// seen again.
func (v *View) leftovers(name string) (all []Object) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if t := v.tenants[name]; t != nil {
		for _, e := range t.objects {
			if e.round != t.round {
				all = append(all, e.Object)
			}
		}
	}
	return all
}

// Tenant returns the summary of one workspace; false if it is not known.
func (v *View) Tenant(name string) (Tenant, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	t, ok := v.tenants[name]
	if !ok {
		return Tenant{}, false
	}
	return t.summary(name), true
}

func (t *tenant) summary(name string) Tenant {
	s := Tenant{Name: name, Counts: t.counts.clone()}
	if !t.stale.IsZero() {
		s.StaleSince = new(t.stale)
	}
	return s
}

// Tenants returns the summaries of all workspaces, by name.
func (v *View) Tenants() []Tenant {
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := make([]Tenant, 0, len(v.tenants))
	for _, name := range slices.Sorted(maps.Keys(v.tenants)) {
		all = append(all, v.tenants[name].summary(name))
	}
	return all
}

// Objects returns the objects of a workspace, by kind, namespace and name.
func (v *View) Objects(name string) []Object {
	v.mu.RLock()
	defer v.mu.RUnlock()
	t := v.tenants[name]
	if t == nil {
		return nil
	}
	all := make([]Object, 0, len(t.objects))
	for _, e := range t.objects {
		all = append(all, e.Object)
	}
	slices.SortFunc(all, compareObjects)
	return all
}

func compareObjects(a, b Object) int {
	return cmp.Or(cmp.Compare(a.KindName, b.KindName), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind.Version, b.Kind.Version))
}

// Fleet returns the summary of everything.
func (v *View) Fleet() Fleet {
	v.mu.RLock()
	defer v.mu.RUnlock()
	f := Fleet{Tenants: len(v.tenants), Counts: v.total.clone()}
	for _, t := range v.tenants {
		if !t.stale.IsZero() {
			f.Stale++
		}
	}
	for st := range v.fleet().All() {
		f.Clusters.add(st)
	}
	return f
}

func (c *Clusters) add(st *cluster.State) {
	c.Total++
	if st.Ready {
		c.Ready++
		if !st.Unschedulable {
			c.Schedulable++
		}
	} else {
		change(&c.NotReady, st.Reason, 1)
	}
	for _, concern := range st.Concerns {
		change(&c.Concerns, concern.Reason, 1)
	}
	if st.Version != "" {
		change(&c.ByVersion, st.Version, 1)
	}
	if st.Region != "" {
		change(&c.ByRegion, st.Region, 1)
	}
	if st.CapacityKnown {
		c.Allocatable.add(&st.Allocatable)
		c.Allocated.add(&st.Allocated)
	}
}

func (a *Amounts) add(r *cluster.Resources) {
	a.MilliCPU += r.MilliCPU
	a.Memory += r.Memory
	a.Pods += r.Pods
}
