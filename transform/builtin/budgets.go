package builtin

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// DisruptionBudgets divides PodDisruptionBudgets that count pods by the target's
// Division, where it has one: a cluster that has a part of the pods and must keep
// the whole's minimum could never be drained. A part of minAvailable may be none; of
// maxUnavailable it is at least one, as else a cluster with few pods could not be
// drained either, so that with more clusters than pods their sum exceeds the whole.
// Percentages stay. Have it once in a pipeline.
func DisruptionBudgets() transform.Transformer {
	return &built{name: "DisruptionBudgets", kinds: []schema.GroupKind{budgetKind}, fn: func(t *transform.Target, obj *unstructured.Unstructured) error {
		spec, ok := obj.Object["spec"].(object)
		if !ok || t.Division == nil {
			return nil
		}
		if whole, is := spec["minAvailable"].(int64); is && whole > 0 {
			spec["minAvailable"] = t.Division.Of(whole)
		}
		if whole, is := spec["maxUnavailable"].(int64); is && whole > 0 {
			spec["maxUnavailable"] = max(t.Division.Of(whole), 1)
		}
		return nil
	}}
}
