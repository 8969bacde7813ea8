package transform

import (
	"maps"
	"slices"
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

// WithPodSpecs says where the objects of a kind have pod specs, as a CRD does
// that makes pods: all transformers of pods find them there.
//
//	transform.WithPodSpecs(schema.GroupKind{Group: "ml.example", Kind: "TrainingJob"},
//		transform.MustPath("spec.leader.template.spec"), transform.MustPath("spec.workers[*].template.spec"))
func WithPodSpecs(kind schema.GroupKind, paths ...Path) Option {
	return func(p *Pipeline) {
		p.pods = maps.Clone(p.pods)
		if p.pods == nil {
			p.pods = map[schema.GroupKind][]Path{}
		}
		p.pods[kind] = slices.Clone(paths)
	}
}

// DeclaredPodSpecs returns the pod specs within an object of a kind that the
// pipeline was told of by WithPodSpecs, to read. They are shared with the object.
func (p *Pipeline) DeclaredPodSpecs(obj *unstructured.Unstructured) (pods []map[string]any) {
	for _, path := range p.pods[groupKind(obj)] {
		path.Visit(obj.Object, func(value any) {
			if pod, ok := value.(map[string]any); ok && pod != nil {
				pods = append(pods, pod)
			}
		})
	}
	return pods
}

// DeclaresPods says whether the pipeline was told of pod specs of a kind.
func (p *Pipeline) DeclaresPods(kind schema.GroupKind) bool { return len(p.pods[kind]) > 0 }

// KindsWithPods returns the kinds that the pipeline was told of by WithPodSpecs,
// sorted.
func (p *Pipeline) KindsWithPods() []schema.GroupKind {
	return slices.SortedFunc(maps.Keys(p.pods), func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
}

// PodSpecs returns the pod specs within an object, to read or to change in place:
// that of a kind of Kubernetes, or those that the pipeline was told of by
// WithPodSpecs.
func (t *Target) PodSpecs(obj *unstructured.Unstructured) (pods []map[string]any) {
	if k := t.known; k == nil {
		if pod := PodSpec(obj); pod != nil {
			pods = []map[string]any{pod}
		}
	} else if k.podPath != nil {
		if k.room[0] = walk(obj.Object, k.podPath); k.room[0] != nil {
			pods = k.room[:1:1]
		}
	}
	if len(t.pods) == 0 {
		return pods
	}
	for _, p := range t.pods[groupKind(obj)] {
		_ = p.Update(obj.Object, func(value any) (any, error) { // it fails for nothing
			if pod, ok := value.(map[string]any); ok && pod != nil {
				pods = append(pods, pod)
			}
			return value, nil
		})
	}
	return pods
}

// PodSpec returns the pod spec within an object of a kind of Kubernetes, to read
// or to change in place; nil where there is none. Transformers use
// Target.PodSpecs, which knows of other kinds as well.
func PodSpec(obj *unstructured.Unstructured) map[string]any {
	path, ok := podSpecPaths[groupKind(obj)]
	if !ok {
		return nil
	}
	return walk(obj.Object, path)
}

// walk goes down through maps; nil where there is another thing.
func walk(m map[string]any, path []string) map[string]any {
	for _, field := range path {
		m, _ = m[field].(map[string]any)
	}
	return m
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
