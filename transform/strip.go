package transform

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ownedAbove are labels and annotations that a client or a controller keeps for
// the object in the workspace. On a copy they would be wrong, or be fought for with
// the cluster's own controllers; and an applier that runs on the cluster, too, would
// take a copy with its marks for its own, and prune it.
var ownedAbove = map[string]bool{
	"kubectl.kubernetes.io/last-applied-configuration": true,
	"deployment.kubernetes.io/revision":                true,
	"deprecated.daemonset.template.generation":         true,
	"pv.kubernetes.io/bind-completed":                  true,
	"pv.kubernetes.io/bound-by-controller":             true,
	"volume.kubernetes.io/selected-node":               true,
	"volume.kubernetes.io/storage-provisioner":         true,
	"volume.beta.kubernetes.io/storage-provisioner":    true,
	"argocd.argoproj.io/tracking-id":                   true,
	"argocd.argoproj.io/installation-id":               true,
	"argocd.argoproj.io/instance":                      true,
	"kustomize.toolkit.fluxcd.io/name":                 true,
	"kustomize.toolkit.fluxcd.io/namespace":            true,
	"helm.toolkit.fluxcd.io/name":                      true,
	"helm.toolkit.fluxcd.io/namespace":                 true,
}

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
		if reserved(key) || ownedAbove[key] {
			continue
		}
		kept[key] = value
	}
	return kept, nil
}

// stripMetadata removes reserved labels and annotations from metadata within an
// object, as of a template: what a controller of the cluster makes of it would
// bear marks, and pass for somebody's copy.
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

// forges says whether metadata within a value bears reserved labels or
// annotations.
func forges(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for field, inner := range v {
			if field == "metadata" && hasReserved(inner) || forges(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, forges)
	}
	return false
}

func hasReserved(value any) bool {
	metadata, _ := value.(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		m, _ := metadata[field].(map[string]any)
		for key := range m {
			if reserved(key) {
				return true
			}
		}
	}
	return false
}
