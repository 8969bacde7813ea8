package transform

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var podSpecPaths = map[schema.GroupKind][]string{
	{Kind: "Pod"}:                        {"spec"},
	{Kind: "PodTemplate"}:                {"template", "spec"},
	{Kind: "ReplicationController"}:      {"spec", "template", "spec"},
	{Group: "apps", Kind: "Deployment"}:  {"spec", "template", "spec"},
	{Group: "apps", Kind: "StatefulSet"}: {"spec", "template", "spec"},
	{Group: "apps", Kind: "DaemonSet"}:   {"spec", "template", "spec"},
	{Group: "apps", Kind: "ReplicaSet"}:  {"spec", "template", "spec"},
	{Group: "batch", Kind: "Job"}:        {"spec", "template", "spec"},
	{Group: "batch", Kind: "CronJob"}:    {"spec", "jobTemplate", "spec", "template", "spec"},
}

// PodSpec returns the pod spec within an object of a kind of Kubernetes, to read
// or to change in place; nil where there is none.
func PodSpec(obj *unstructured.Unstructured) map[string]any {
	path, ok := podSpecPath(obj)
	if !ok {
		return nil
	}
	m := obj.Object
	for _, field := range path {
		m, _ = m[field].(map[string]any)
	}
	return m
}

func podSpecPath(obj *unstructured.Unstructured) ([]string, bool) {
	path, ok := podSpecPaths[groupKind(obj)]
	return path, ok
}

// groupKind is obj.GroupVersionKind().GroupKind() without its allocations.
func groupKind(obj *unstructured.Unstructured) schema.GroupKind {
	apiVersion, _ := obj.Object["apiVersion"].(string)
	kind, _ := obj.Object["kind"].(string)
	return schema.GroupKind{Group: group(apiVersion), Kind: kind}
}

// group of an apiVersion; empty for the core group.
func group(apiVersion string) string {
	name, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return name
}
