package placement

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Request asks for a decision. It is a value: neither the engine nor a plugin
// changes it.
type Request struct {
	// Workspace, Namespace and Name say whose decision it is, for messages
	// and for plugins.
	Workspace, Namespace, Name string
	// Spec is what was asked for. Nil is the zero spec; plugins never see nil.
	Spec *v1alpha1.PlacementSpec
	// Workloads that land together.
	Workloads []Workload
	// Current is where the work is now, leaving targets included.
	Current []v1alpha1.Target
	// Now is the time to reckon tolerations and ages by.
	Now time.Time
}

// Workload is one object that a decision is for.
type Workload struct {
	// Kind of the object, which a cluster must serve.
	Kind schema.GroupVersionKind
	// Name of the object.
	Name string
	// Replicas that the object asks for; nil for a kind without replicas.
	Replicas *int32
	// Requests of one replica.
	Requests cluster.Resources
}

// On says whether work of the request is on a cluster and not leaving it.
func (r *Request) On(cluster string) bool { return r.target(cluster) != nil }

// target returns the current target on a cluster; nil if there is none that
// stays.
func (r *Request) target(cluster string) *v1alpha1.Target {
	// The engine hands on a list that is sorted: what is there is found fast.
	at, ok := slices.BinarySearchFunc(r.Current, cluster, func(t v1alpha1.Target, name string) int { return cmp.Compare(t.Cluster, name) })
	if ok && !r.Current[at].Leaving {
		return &r.Current[at]
	}
	for i := range r.Current {
		if t := &r.Current[i]; t.Cluster == cluster && !t.Leaving {
			return t
		}
	}
	return nil
}

// prepare returns a copy for the engine and its plugins, with a spec and with
// sorted targets.
func (r *Request) prepare() *Request {
	p := *r
	if p.Spec == nil {
		p.Spec = &v1alpha1.PlacementSpec{}
	}
	byCluster := func(a, b v1alpha1.Target) int {
		stays := func(t v1alpha1.Target) int { // before one of the same name that leaves
			if t.Leaving {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(stays(a), stays(b)))
	}
	if !slices.IsSortedFunc(p.Current, byCluster) {
		p.Current = slices.Clone(p.Current)
		slices.SortStableFunc(p.Current, byCluster)
	}
	return &p
}
