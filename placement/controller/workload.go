package controller

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/placement"
)

// workloadOf reads what an object asks of a cluster.
func workloadOf(obj *unstructured.Unstructured) (placement.Workload, error) {
	w := placement.Workload{Kind: obj.GroupVersionKind(), Name: obj.GetName()}
	replicas, divisible := number(at(obj.Object, "spec")["replicas"])
	if divisible {
		w.Replicas = &replicas
	}
	if pod := podSpecOf(obj.Object); pod != nil {
		w.Requests = podRequests(pod)
	}
	return w, nil
}

// podSpecOf returns the spec of the pods that an object makes, wherever the
// workload APIs keep it: in a template, in a template's template, or, for a
// pod, in the object itself. Nil if it makes none.
func podSpecOf(obj map[string]any) map[string]any {
	for _, path := range [][]string{{"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}, {"spec"}} {
		if spec := at(obj, path...); isList(spec["containers"]) {
			return spec
		}
	}
	return nil
}

// at walks down maps; nil where there is none.
func at(m map[string]any, path ...string) map[string]any {
	for _, field := range path {
		m, _ = m[field].(map[string]any)
	}
	return m
}

func number(value any) (int32, bool) {
	switch n := value.(type) {
	case int64:
		return int32(min(max(n, 0), 1<<31-1)), true
	case float64:
		return int32(min(max(n, 0), 1<<31-1)), true
	}
	return 0, false
}

func isList(value any) bool {
	_, ok := value.([]any)
	return ok
}
