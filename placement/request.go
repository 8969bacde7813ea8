package placement

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/facts"
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

	// Labels of the Placement, by which affinity of others selects it.
	Labels map[string]string
	// Neighbours are the other Placements that affinity looks at: those of the
	// workspace that are placed.
	Neighbours []Neighbour
	// Reserved is what counts as used by cluster, though the cluster does not
	// report it yet: see Reservations. It includes what the request's own work
	// has reserved.
	Reserved map[string]facts.Resources
	// Evicted are the clusters that the work was made to leave and does not
	// return to for a while.
	Evicted []Eviction
	// Scores from outside, each by cluster. Leave out what is too old.
	Scores []ExternalScores
	// Layers says which field of Spec, by its name in JSON, a layer above the
	// Placement has set; explanations say so.
	Layers map[string]string
}

// Neighbour is another Placement of the workspace.
type Neighbour struct {
	// Namespace and Name of the Placement.
	Namespace, Name string
	// Labels of the Placement.
	Labels map[string]string
	// Clusters that its work is on, or is meant to be on.
	Clusters []string
	// AntiAffinity has its required terms of anti-affinity: what it keeps
	// away from, keeps away from it.
	AntiAffinity []v1alpha1.AffinityTerm
}

// Eviction is a cluster that work was made to leave.
type Eviction struct {
	// Cluster that the work does not return to.
	Cluster string
	// Until when; zero for as long as the request says so.
	Until time.Time
}

// ExternalScores are scores of clusters that somebody else gives.
type ExternalScores struct {
	// Name of who gives them, as spec.scoring.external names it.
	Name string
	// Clusters by name, each 0 to 100.
	Clusters map[string]int64
}

// Workload is one object that a decision is for.
type Workload struct {
	// Kind of the object, which a cluster must serve.
	Kind schema.GroupVersionKind
	// ServedAs are what copies of the object may be on a cluster, of which it must
	// serve one. Default: Kind.
	ServedAs []schema.GroupVersionKind
	// Name of the object.
	Name string
	// Replicas that the object asks for; nil for a kind without replicas.
	Replicas *int32
	// Requests of one replica, or of the whole workload where Replicas is nil.
	Requests facts.Resources
	// Templates of a workload whose replicas each consist of several kinds of
	// pods, which land together: what they request adds to Requests.
	Templates []PodTemplate
	// Placed is the number of replicas that the current targets hold by now,
	// where it differs from what the shares of Current sum to: after the
	// workload was scaled, say. Nil: it does not differ.
	Placed *int32
}

// PodTemplate is one of several kinds of pods of a workload.
type PodTemplate struct {
	// Name of the template, for messages.
	Name string
	// Count of pods of the template in one replica of the workload.
	Count int64
	// Requests of one of the pods.
	Requests facts.Resources
}

// On says whether work of the request is on a cluster and not leaving it.
func (r *Request) On(cluster string) bool { return r.target(cluster) != nil }

// target returns the current target on a cluster; nil if there is none that
// stays.
func (r *Request) target(cluster string) *v1alpha1.Target {
	if at := r.targetAt(cluster); at >= 0 {
		return &r.Current[at]
	}
	return nil
}

// targetAt returns the place of the current target on a cluster, or -1.
func (r *Request) targetAt(cluster string) int {
	if len(r.Current) == 0 {
		return -1
	}
	// The engine hands on a list that is sorted: what is there is found fast.
	at, ok := slices.BinarySearchFunc(r.Current, cluster, func(t v1alpha1.Target, name string) int { return cmp.Compare(t.Cluster, name) })
	if ok && !r.Current[at].Leaving {
		return at
	}
	for i := range r.Current {
		if t := &r.Current[i]; t.Cluster == cluster && !t.Leaving {
			return i
		}
	}
	return -1
}

// field names a field of the spec, and the layer that set it.
func (r *Request) field(name string) string {
	if layer := r.Layers[name]; layer != "" {
		return fmt.Sprintf("spec.%s (of layer %q)", name, layer)
	}
	return "spec." + name
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
	if !slices.IsSortedFunc(p.Scores, byScorer) {
		p.Scores = slices.Clone(p.Scores)
		slices.SortStableFunc(p.Scores, byScorer)
	}
	return &p
}
