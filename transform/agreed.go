package transform

import (
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// AgreedStatus aggregates the status of kinds that nothing is known of: with
// one copy its status as it is; with several the fields on which all clusters
// agree, and the conditions merged by type, where one that is bad on any
// cluster is bad. It never invents a value.
type AgreedStatus struct{}

var _ Aggregator = AgreedStatus{}

// Name implements Aggregator.
func (AgreedStatus) Name() string { return "Agreed" }

// Aggregate implements Aggregator.
func (AgreedStatus) Aggregate(original *unstructured.Unstructured, copies []Observed) (map[string]any, error) {
	list := statuses(copies)
	if len(list) == 0 {
		return map[string]any{}, nil
	}
	out := runtime.DeepCopyJSON(list[0])
	for _, other := range list[1:] {
		for field, value := range out {
			if !reflect.DeepEqual(value, other[field]) {
				delete(out, field)
			}
		}
	}
	if len(list) > 1 {
		delete(out, "conditions")
		if conditions := mergeConditions(copies); len(conditions) > 0 {
			out["conditions"] = conditions
		}
	}
	if _, has := list[0]["observedGeneration"]; has {
		delete(out, "observedGeneration")
		if generation, ok := observed(original, copies); ok {
			out["observedGeneration"] = generation
		}
	}
	return out, nil
}
