package builtin

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// Must returns the transformer, or panics: for rules that are written in code.
func Must(t transform.Transformer, err error) transform.Transformer {
	if err != nil {
		panic(err)
	}
	return t
}

// object is a JSON object.
type object = map[string]any

// built is every transformer of this package.
type built struct {
	name        string
	kinds       []schema.GroupKind // empty: all
	independent bool               // of the target
	fn          func(t *transform.Target, obj *unstructured.Unstructured) error
	problem     error // with the rules, of those that return none
}

var (
	_ transform.Transformer       = (*built)(nil)
	_ transform.Matcher           = (*built)(nil)
	_ transform.TargetIndependent = (*built)(nil)
	_ transform.JSONOnly          = (*built)(nil)
	_ transform.Validator         = (*built)(nil)
)

// Name implements transform.Transformer.
func (b *built) Name() string { return b.name }

// Matches implements transform.Matcher.
func (b *built) Matches(_ *transform.Target, obj *unstructured.Unstructured) bool {
	return len(b.kinds) == 0 || slices.Contains(b.kinds, kindOf(obj))
}

// TargetIndependent implements transform.TargetIndependent.
func (b *built) TargetIndependent() bool { return b.independent }

// JSONOnly implements transform.JSONOnly.
func (b *built) JSONOnly() bool { return true }

// Validate implements transform.Validator.
func (b *built) Validate() error { return b.problem }

// or notes what is wrong with the rules.
func (b *built) or(problem error) *built {
	b.problem = problem
	return b
}

// Transform implements transform.Transformer.
func (b *built) Transform(_ context.Context, t *transform.Target, obj *unstructured.Unstructured) error {
	if b.problem != nil {
		return b.problem
	}
	if len(b.kinds) > 0 && !slices.Contains(b.kinds, kindOf(obj)) {
		return nil
	}
	return b.fn(t, obj)
}

// kindOf is obj.GroupVersionKind().GroupKind() without its allocations.
func kindOf(obj *unstructured.Unstructured) schema.GroupKind {
	version, _ := obj.Object["apiVersion"].(string)
	kind, _ := obj.Object["kind"].(string)
	group, _, grouped := strings.Cut(version, "/")
	if !grouped {
		group = ""
	}
	return schema.GroupKind{Group: group, Kind: kind}
}

// ofPods is a transformer of pod specs, wherever they are.
func ofPods(name string, fn func(t *transform.Target, pod object) error) *built {
	return &built{name: name, independent: true, fn: func(t *transform.Target, obj *unstructured.Unstructured) error {
		for _, pod := range t.PodSpecs(obj) {
			if err := fn(t, pod); err != nil {
				return err
			}
		}
		return nil
	}}
}

// ofKinds is a transformer of the spec of some kinds.
func ofKinds(name string, fn func(spec object) error, kinds ...schema.GroupKind) *built {
	return &built{name: name, independent: true, kinds: kinds, fn: func(_ *transform.Target, obj *unstructured.Unstructured) error {
		spec, ok := obj.Object["spec"].(object)
		if !ok {
			return nil
		}
		return fn(spec)
	}}
}

// containers calls fn with every container of a pod.
func containers(pod object, fn func(container object) error) error {
	for _, list := range [...]string{"initContainers", "containers", "ephemeralContainers"} {
		items, _ := pod[list].([]any)
		for _, item := range items {
			if container, ok := item.(object); ok {
				if err := fn(container); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// objectAt returns the object in a field, made where there is none; nil where
// something else stands there.
func objectAt(m object, field string) object {
	value, has := m[field]
	inner, ok := value.(object)
	switch {
	case ok && inner != nil:
		return inner
	case has && value != nil:
		return nil
	}
	inner = object{}
	m[field] = inner
	return inner
}

// appendMissing appends those elements that the list has none the same as. A
// list of another shape stays.
func appendMissing(m object, field string, same func(a, b any) bool, items []any) {
	value, has := m[field]
	list, ok := value.([]any)
	if has && value != nil && !ok {
		return
	}
	for _, item := range items {
		if !slices.ContainsFunc(list, func(there any) bool { return same(there, item) }) {
			list = append(list, runtime.DeepCopyJSONValue(item))
		}
	}
	if len(list) > 0 {
		m[field] = list
	}
}

func name(item any) string {
	m, _ := item.(object)
	text, _ := m["name"].(string)
	return text
}

func sameName(a, b any) bool { return name(a) == name(b) }

func whole(a, b any) bool { return reflect.DeepEqual(a, b) }

// jsonOf returns a typed value as JSON.
func jsonOf(typed any) (object, error) {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, fmt.Errorf("builtin: write %T: %w", typed, err)
	}
	return m, nil
}

// jsonList returns typed values as JSON.
func jsonList[T any](typed []T) ([]any, error) {
	list := make([]any, 0, len(typed))
	for i := range typed {
		m, err := jsonOf(&typed[i])
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}
