package controller

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
		if !divisible {
			w.Requests = multiply(w.Requests, parallelism(obj.Object))
		}
		return w, nil
	}
	w.Templates = podTemplates("", at(obj.Object, "spec"), 1, mostNesting)
	return w, nil
}

// parallelism is how many pods of a Job, or of one run of a CronJob, run at once.
func parallelism(obj map[string]any) int64 {
	for _, path := range [][]string{{"spec"}, {"spec", "jobTemplate", "spec"}} {
		if n, ok := number(at(obj, path...)["parallelism"]); ok {
			return int64(max(1, n))
		}
	}
	return 1
}

// Bounds of the search for templates.
const (
	mostNesting   = 6
	mostTemplates = 32
)

// podTemplates returns the templates of a workload of several kinds of pods,
// wherever its API keeps them: a JobSet, a LeaderWorkerSet, a RayCluster, a
// training job. Whatever holds a template of pods says beside it how many of them
// there are, as replicas or parallelism, and so does what holds that.
func podTemplates(name string, fields map[string]any, count int64, depth int) (found []placement.PodTemplate) {
	if depth == 0 {
		return nil
	}
	if depth < mostNesting { // the replicas of the workload itself are divided
		for _, field := range []string{"replicas", "parallelism"} {
			if n, ok := number(fields[field]); ok {
				count = min(count*int64(n), 1<<31)
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		count := count * inGroup(fields, field)
		below := name + "." + field
		switch value := fields[field].(type) {
		case map[string]any:
			if pod := at(value, "spec"); isList(pod["containers"]) {
				found = append(found, placement.PodTemplate{Name: strings.TrimPrefix(below, "."), Count: count, Requests: podRequests(pod)})
				continue
			}
			found = append(found, podTemplates(below, value, count, depth-1)...)
		case []any:
			for i, item := range value {
				if part, ok := item.(map[string]any); ok {
					found = append(found, podTemplates(fmt.Sprintf("%s[%d]", below, i), part, count, depth-1)...)
				}
			}
		}
		if len(found) >= mostTemplates {
			return found[:mostTemplates]
		}
	}
	return found
}

// inGroup is how many pods of a template there are in a group: a LeaderWorkerSet
// says the size of a group, its leader counted in, which without a template of its
// own is another worker.
func inGroup(fields map[string]any, template string) int64 {
	size, ok := number(fields["size"])
	if !ok || template != "workerTemplate" {
		return 1
	}
	if at(fields, "leaderTemplate", "spec") != nil {
		size--
	}
	return int64(max(0, size))
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
