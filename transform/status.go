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
	// Behind says that the copy is not what the original asks for by now: what
	// the cluster observed is then not the original's newest generation.
	Behind bool
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
	dropped  map[schema.GroupKind][]Path
	health   map[schema.GroupKind]HealthFunc
}

// StatusOption configures StatusRules.
type StatusOption func(*StatusRules)

// Aggregate has the objects of a kind aggregated by a.
func Aggregate(kind schema.GroupKind, a Aggregator) StatusOption {
	return func(r *StatusRules) { r.byKind[kind] = a }
}

// NewStatusRules returns the rules for the kinds that the SDK knows, and for
// all others AgreedStatus, changed by the options. It knows Deployment,
// StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob, Service,
// Ingress, Gateway, PersistentVolumeClaim, HorizontalPodAutoscaler and PodDisruptionBudget.
func NewStatusRules(opts ...StatusOption) *StatusRules {
	r := &StatusRules{byKind: make(map[schema.GroupKind]Aggregator, len(kinds)), fallback: AgreedStatus{}, dropped: map[schema.GroupKind][]Path{}, health: map[schema.GroupKind]HealthFunc{}}
	for kind, fields := range kinds {
		r.byKind[kind] = fields
	}
	for _, opt := range opts {
		opt(r)
	}
	return r
}

// For returns the aggregator for a kind, never nil. What it returns shows no
// tenant where copies stand: the copy's namespace, and the name of a
// cluster-scoped copy, become those of the original, wherever a text mentions
// them. An aggregator that panics is an error.
func (r *StatusRules) For(kind schema.GroupVersionKind) Aggregator {
	a, ok := r.byKind[kind.GroupKind()]
	if !ok || a == nil {
		a = r.fallback
	}
	return redacted{Aggregator: a, dropped: r.dropped[kind.GroupKind()]}
}

func statusOf(copied *unstructured.Unstructured) map[string]any {
	if copied == nil {
		return nil
	}
	s, _ := copied.Object["status"].(map[string]any)
	return s
}
