package builtin

import (
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// withTemplates has fn change the metadata of every pod as well: what stands beside
// its spec.
func (b *built) withTemplates(fn func(metadata object)) *built {
	ofSpec := b.fn
	b.fn = func(t *transform.Target, obj *unstructured.Unstructured) error {
		if err := ofSpec(t, obj); err != nil {
			return err
		}
		for _, pod := range t.PodSpecs(obj) {
			if metadata, ok := besides(obj.Object, pod)["metadata"].(object); ok {
				fn(metadata)
			}
		}
		return nil
	}
	return b
}

// templatePaths are where the kinds of Kubernetes have what has a pod's spec.
var templatePaths = [...][]string{{}, {"template"}, {"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}}

// besides returns the object that has a pod as its spec.
func besides(root, pod object) object {
	for _, path := range templatePaths {
		holder := root
		for _, field := range path {
			holder, _ = holder[field].(object)
		}
		if isSpecOf(holder, pod) {
			return holder
		}
	}
	return search(root, pod)
}

func isSpecOf(holder, pod object) bool {
	spec, ok := holder["spec"].(object)
	return ok && reflect.ValueOf(spec).UnsafePointer() == reflect.ValueOf(pod).UnsafePointer()
}

// search looks through the whole of an object of another kind.
func search(value any, pod object) object {
	switch v := value.(type) {
	case object:
		if isSpecOf(v, pod) {
			return v
		}
		for _, inner := range v {
			if found := search(inner, pod); found != nil {
				return found
			}
		}
	case []any:
		for _, inner := range v {
			if found := search(inner, pod); found != nil {
				return found
			}
		}
	}
	return nil
}
