package transform

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// For makes a transformer of a function on a typed object, for objects of one
// kind; others it leaves alone:
//
//	transform.For("Paused", appsv1.SchemeGroupVersion.WithKind("Deployment"),
//		func(ctx context.Context, t *transform.Target, d *appsv1.Deployment) error { ... })
//
// Only what the function changes is changed. Fields that the type does not know
// survive, and so do those that it would write as zero. An object of the kind in
// another version than the type's is an error: a tenant shall not get past a
// transformer by writing an older API.
func For[T any](name string, kind schema.GroupVersionKind, fn func(ctx context.Context, t *Target, obj *T) error) Transformer {
	return typed[T]{name, kind, fn}
}

type typed[T any] struct {
	name string
	kind schema.GroupVersionKind
	fn   func(context.Context, *Target, *T) error
}

var (
	_ Transformer = typed[struct{}]{}
	_ Matcher     = typed[struct{}]{}
	_ JSONOnly    = typed[struct{}]{}
)

// Name implements Transformer.
func (f typed[T]) Name() string { return f.name }

// JSONOnly implements JSONOnly.
func (typed[T]) JSONOnly() bool { return true }

// Matches implements Matcher.
func (f typed[T]) Matches(_ *Target, obj *unstructured.Unstructured) bool {
	return groupKind(obj) == f.kind.GroupKind()
}

// Transform implements Transformer.
func (f typed[T]) Transform(ctx context.Context, t *Target, obj *unstructured.Unstructured) error {
	if !f.Matches(t, obj) {
		return nil
	}
	if got := obj.GetAPIVersion(); got != f.kind.GroupVersion().String() {
		return fmt.Errorf("it is written for %s, and the object is %s", f.kind.GroupVersion(), got)
	}
	value := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, value); err != nil {
		return fmt.Errorf("it is no %s: %w", f.kind.Kind, err)
	}
	before, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		return err
	}
	if err := f.fn(ctx, t, value); err != nil {
		return err
	}
	after, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		return err
	}
	merged, _ := merge(obj.Object, before, after).(map[string]any)
	obj.Object = merged
	return nil
}

// merge returns what there is, changed as before was changed to after.
func merge(there, before, after any) any {
	if reflect.DeepEqual(before, after) {
		return there
	}
	switch after := after.(type) {
	case map[string]any:
		there, ok := there.(map[string]any)
		before, too := before.(map[string]any)
		if !ok || !too {
			return after
		}
		for field, value := range after {
			old, had := before[field]
			if had && reflect.DeepEqual(old, value) {
				continue
			}
			there[field] = merge(there[field], old, value)
		}
		for field := range before {
			if _, has := after[field]; !has {
				delete(there, field)
			}
		}
		return there
	case []any:
		there, ok := there.([]any)
		before, too := before.([]any)
		if !ok || !too || len(there) != len(before) {
			return after
		}
		return mergeList(there, before, after)
	}
	return after
}

// mergeList merges each item of after with the one that it was before: the one
// of the same name where names tell items apart, or else the one at the same
// place of a list as long.
func mergeList(there, before, after []any) []any {
	was := func(i int) (int, bool) { return i, len(before) == len(after) }
	places, named := placesByName(before)
	if _, too := placesByName(after); named && too {
		was = func(i int) (int, bool) {
			place, known := places[nameOf(after[i])]
			return place, known
		}
	}
	out := make([]any, len(after))
	for i, item := range after {
		out[i] = item
		if place, known := was(i); known {
			out[i] = merge(there[place], before[place], item)
		}
	}
	return out
}

// placesByName returns where each name stands; false if names do not tell the
// items apart, as those of volumeMounts.
func placesByName(list []any) (map[string]int, bool) {
	places := make(map[string]int, len(list))
	for i, item := range list {
		name := nameOf(item)
		if _, twice := places[name]; twice || name == "" {
			return nil, false
		}
		places[name] = i
	}
	return places, true
}

// nameOf returns what names an item of a list: nearly all lists of maps in
// Kubernetes have a name as their key.
func nameOf(item any) string {
	m, _ := item.(map[string]any)
	name, _ := m["name"].(string)
	return name
}
