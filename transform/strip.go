package transform

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lastApplied is kubectl's record of what it applied in the workspace.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// bare returns the object without what belongs to its place in the workspace:
// status, and all metadata but labels and annotations that are the tenant's.
// The original is not changed; the result shares nothing with it.
func bare(original *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	fields, err := copyMap(original.Object, "metadata", "status")
	if err != nil {
		return nil, err
	}
	from, _ := original.Object["metadata"].(map[string]any)
	metadata := make(map[string]any, 4)
	for _, field := range []string{"labels", "annotations"} {
		kept, err := tenants(from[field])
		if err != nil {
			return nil, fmt.Errorf("metadata.%s: %w", field, err)
		}
		if len(kept) > 0 {
			metadata[field] = kept
		}
	}
	fields["metadata"] = metadata
	obj := &unstructured.Unstructured{Object: fields}
	stripTemplates(obj)
	stripJob(obj)
	return obj, nil
}

// tenants keeps of labels or annotations those that are the tenant's own.
func tenants(value any) (map[string]any, error) {
	m, ok := value.(map[string]any)
	if !ok {
		if value == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("it is a %T and not a map", value)
	}
	kept := make(map[string]any, len(m))
	for key, value := range m {
		if _, ok := value.(string); !ok {
			return nil, fmt.Errorf("%s is not a string", key)
		}
		if reserved(key) || key == lastApplied {
			continue
		}
		kept[key] = value
	}
	return kept, nil
}

// stripTemplates removes reserved labels and annotations from the templates of
// pods and claims: what a controller of the cluster makes of them would bear
// marks, and pass for somebody's copy.
func stripTemplates(obj *unstructured.Unstructured) {
	path, ok := podSpecPath(obj)
	if !ok {
		return
	}
	m := obj.Object
	for i, field := range path {
		if i > 0 {
			stripMetadata(m["metadata"])
		}
		m, _ = m[field].(map[string]any)
	}
	spec, _ := obj.Object["spec"].(map[string]any)
	claims, _ := spec["volumeClaimTemplates"].([]any)
	for _, claim := range claims {
		claim, _ := claim.(map[string]any)
		stripMetadata(claim["metadata"])
	}
}

func stripMetadata(value any) {
	metadata, _ := value.(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		m, _ := metadata[field].(map[string]any)
		for key := range m {
			if reserved(key) {
				delete(m, key)
			}
		}
	}
}
