package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lastApplied is kubectl's record of what it applied in the workspace.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// bare returns the object without what belongs to its place in the workspace:
// status, and all metadata but labels and annotations that are the tenant's.
// The original is not changed; the result shares nothing with it.
func bare(original *unstructured.Unstructured) *unstructured.Unstructured {
	shallow := make(map[string]any, len(original.Object))
	for field, value := range original.Object {
		if field != "metadata" && field != "status" {
			shallow[field] = value
		}
	}
	obj := (&unstructured.Unstructured{Object: shallow}).DeepCopy()
	metadata := map[string]any{}
	if kept := tenants(original.GetLabels()); len(kept) > 0 {
		metadata["labels"] = kept
	}
	if kept := tenants(original.GetAnnotations()); len(kept) > 0 {
		metadata["annotations"] = kept
	}
	obj.Object["metadata"] = metadata
	return obj
}

// tenants keeps of labels or annotations those that are the tenant's own.
func tenants(m map[string]string) map[string]any {
	kept := make(map[string]any, len(m))
	for key, value := range m {
		if !reserved(key) && key != lastApplied {
			kept[key] = value
		}
	}
	return kept
}
