package builtin

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/tmc-sdk/tmc/transform"
)

// JSONPatch applies an RFC 6902 patch to every object that it is matched with.
// Under the rules of overrides: it may change no identity and no status.
func JSONPatch(patch []byte) (transform.Transformer, error) {
	return patching("JSONPatch", transform.Override{JSONPatch: slices.Clone(patch)})
}

// MergePatch applies an RFC 7386 patch to every object that it is matched with,
// under the rules of overrides.
func MergePatch(patch []byte) (transform.Transformer, error) {
	return patching("MergePatch", transform.Override{MergePatch: slices.Clone(patch)})
}

func patching(name string, o transform.Override) (transform.Transformer, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("builtin: %s: %w", name, err)
	}
	return &built{name: name, independent: true, fn: func(_ *transform.Target, obj *unstructured.Unstructured) error {
		return o.Apply(obj)
	}}, nil
}

// StrategicMerge applies a strategic merge patch, which knows how the lists of
// a kind are merged, to objects of the kinds that the scheme knows; to others
// it is an error.
func StrategicMerge(scheme *runtime.Scheme, patch []byte) (transform.Transformer, error) {
	var parsed map[string]any
	if err := utiljson.Unmarshal(patch, &parsed); err != nil {
		return nil, fmt.Errorf("builtin: StrategicMerge: %w", err)
	}
	if scheme == nil {
		return nil, refused("StrategicMerge", "scheme", errors.New("it is nil: give one that knows the kinds to be patched"))
	}
	if err := (transform.Override{StrategicMergePatch: patch}).Validate(); err != nil {
		return nil, fmt.Errorf("builtin: StrategicMerge: %w", err)
	}
	return &built{name: "StrategicMerge", independent: true, fn: func(_ *transform.Target, obj *unstructured.Unstructured) error {
		typed, err := scheme.New(obj.GroupVersionKind())
		if err != nil {
			return fmt.Errorf("find the type: %w", err)
		}
		return mergeStrategically(obj, parsed, typed)
	}}, nil
}

// mergeStrategically merges, and takes a panic for an error: the library
// compares what a tenant wrote where names should be.
func mergeStrategically(obj *unstructured.Unstructured, patch map[string]any, typed any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("merge: the object makes no sense: %v", r)
		}
	}()
	merged, err := strategicpatch.StrategicMergeMapPatch(obj.Object, runtime.DeepCopyJSON(patch), typed)
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	obj.Object = merged
	return nil
}
