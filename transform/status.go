package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Observed is a copy as it is seen on one cluster.
type Observed struct {
	// Cluster that the copy is on.
	Cluster string
	// Copy as it is in a cache; nil if there is none. It must not be changed.
	Copy *unstructured.Unstructured
	// Replicas of the original on this cluster; nil if they are not divided.
	Replicas *int32
}

// Aggregator makes one status of those of the copies. It is pure and safe for
// concurrent use.
type Aggregator interface {
	// Name of the aggregator.
	Name() string
	// Aggregate returns the status that the original should have; it may share
	// nothing with the copies. Copies come sorted by cluster; the result must
	// not depend on their order otherwise.
	Aggregate(original *unstructured.Unstructured, copies []Observed) (map[string]any, error)
}

// StatusRules say which aggregator serves which kind.
type StatusRules struct {
	byKind   map[schema.GroupKind]Aggregator
	fallback Aggregator
}

// StatusOption configures StatusRules.
type StatusOption func(*StatusRules)

// Aggregate has the objects of a kind aggregated by a.
func Aggregate(kind schema.GroupKind, a Aggregator) StatusOption {
	return func(r *StatusRules) { r.byKind[kind] = a }
}

// NewStatusRules returns the rules for the kinds that the SDK knows, and for
// all others AgreedStatus, changed by the options.
func NewStatusRules(opts ...StatusOption) *StatusRules {
	r := &StatusRules{
		byKind:   map[schema.GroupKind]Aggregator{{Group: "apps", Kind: "Deployment"}: DeploymentStatus{}},
		fallback: AgreedStatus{},
	}
	for _, opt := range opts {
		opt(r)
	}
	return r
}

// For returns the aggregator for a kind, never nil.
func (r *StatusRules) For(kind schema.GroupVersionKind) Aggregator {
	if a, ok := r.byKind[kind.GroupKind()]; ok {
		return a
	}
	return r.fallback
}

// statuses returns the status of every copy that has one, shared with it.
func statuses(copies []Observed) []map[string]any {
	list := make([]map[string]any, 0, len(copies))
	for _, c := range copies {
		if s := statusOf(c.Copy); s != nil {
			list = append(list, s)
		}
	}
	return list
}

func statusOf(copied *unstructured.Unstructured) map[string]any {
	if copied == nil {
		return nil
	}
	s, _ := copied.Object["status"].(map[string]any)
	return s
}

// observed returns the generation of the original that a status speaks of: the
// original's own if every copy is there and its controllers have seen its
// newest generation, else what the original's status said before.
func observed(original *unstructured.Unstructured, copies []Observed) (int64, bool) {
	before, _ := statusOf(original)["observedGeneration"].(int64)
	for _, c := range copies {
		seen, ok := statusOf(c.Copy)["observedGeneration"].(int64)
		if !ok || seen < c.Copy.GetGeneration() {
			return before, before != 0
		}
	}
	return original.GetGeneration(), len(copies) > 0
}
