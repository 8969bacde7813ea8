package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// DeploymentStatus aggregates the status of Deployments: with one copy its
// status as it is; with several the counts are summed and the conditions merged
// by type, where one that is bad on any cluster is bad. observedGeneration is
// the original's once every cluster has seen its newest copy.
type DeploymentStatus struct{}

var _ Aggregator = DeploymentStatus{}

// Name implements Aggregator.
func (DeploymentStatus) Name() string { return "Deployment" }

// deploymentCounts are the fields that are summed.
var deploymentCounts = []string{"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas", "terminatingReplicas"}

// Aggregate implements Aggregator.
func (DeploymentStatus) Aggregate(original *unstructured.Unstructured, copies []Observed) (map[string]any, error) {
	list := statuses(copies)
	out := map[string]any{}
	if len(list) == 1 {
		out = runtime.DeepCopyJSON(list[0])
	} else {
		for _, field := range deploymentCounts {
			if sum, ok := sumOf(list, field); ok {
				out[field] = sum
			}
		}
		if conditions := mergeConditions(copies); len(conditions) > 0 {
			out["conditions"] = conditions
		}
	}
	delete(out, "observedGeneration")
	if generation, ok := observed(original, copies); ok {
		out["observedGeneration"] = generation
	}
	return out, nil
}

// sumOf sums an integer field over those that have it.
func sumOf(list []map[string]any, field string) (sum int64, ok bool) {
	for _, s := range list {
		if n, isNumber := s[field].(int64); isNumber {
			sum, ok = sum+n, true
		}
	}
	return sum, ok
}
