package syncer

import (
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/tmc-sdk/tmc/transform"
)

// intendKept decides for a copy that a rollout keeps at the template that it has:
// its replicas are still what was rendered. Whatever else was rendered for it back
// then is what the copy has of ours now, which nobody else can tell.
func (l *Loop) intendKept(lane *lane, key Key, where *assignment, copied, rendered *unstructured.Unstructured) intent {
	kept := intent{copied: copied, rendered: rendered, staged: true}
	want, path := l.scales(key, copied, rendered)
	if want == nil && !l.pipeline.MapsOwners() {
		return kept
	}
	scaled := ownFields(copied, l.manager)
	if scaled == nil || want == nil && reflect.DeepEqual(scaled.GetOwnerReferences(), rendered.GetOwnerReferences()) {
		return kept
	}
	// Its owners are never kept: one that goes must be named by nobody.
	scaled.SetOwnerReferences(rendered.GetOwnerReferences())
	if want != nil {
		if err := unstructured.SetNestedField(scaled.Object, want, path...); err != nil {
			return kept
		}
	}
	unstructured.RemoveNestedField(scaled.Object, "metadata", "annotations", transform.AnnotationDigest)
	if err := seal(scaled); err != nil {
		return kept
	}
	todo := intent{action: apply, rendered: scaled, copied: copied, digest: digestOf(scaled), staged: true, decided: where.placement.Name}
	if lane.outcome(key).underWay(todo.digest, copied, l.world.now()) {
		return intent{copied: copied, awaited: true, staged: true}
	}
	todo.cause = causeOf(todo.digest, copied, lane.outcome(key))
	return todo
}

// scales returns the replicas that a copy should have, and where they stand; nil if
// it has them, or none are rendered.
func (l *Loop) scales(key Key, copied, rendered *unstructured.Unstructured) (want any, path []string) {
	path = l.pipeline.ReplicasPath(key.Kind.GroupKind())
	if len(path) == 0 {
		return nil, nil
	}
	parent, last := path[:len(path)-1], path[len(path)-1]
	want = at(rendered.Object, parent...)[last]
	if want == nil || sameScalar(want, at(copied.Object, parent...)[last], false) {
		return nil, path
	}
	return want, path
}

// ownFields returns what of a copy we applied, as it stands there now; nil if that
// can't be told. To apply it again changes nothing.
func ownFields(copied *unstructured.Unstructured, manager string) *unstructured.Unstructured {
	for _, entry := range copied.GetManagedFields() {
		if entry.Manager != manager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" {
			continue
		}
		set := fieldSet(entry)
		if set == nil {
			return nil
		}
		fields, ok := extract(copied.Object, set).(map[string]any)
		if !ok {
			return nil
		}
		own := &unstructured.Unstructured{Object: fields}
		own.SetGroupVersionKind(copied.GroupVersionKind())
		own.SetNamespace(copied.GetNamespace())
		own.SetName(copied.GetName())
		return own
	}
	return nil
}

// extract returns a copy of what a set of managed fields names of a value; nil for
// nothing.
func extract(value any, set *fieldpath.Set) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range v {
			if part, ok := extractOne(inner, set, fieldpath.PathElement{FieldName: &name}); ok {
				out[name] = part
			}
		}
		return out
	case []any:
		out := []any{}
		for i, element := range v {
			if part, ok := extractElement(element, i, set); ok {
				out = append(out, part)
			}
		}
		return out
	}
	return runtime.DeepCopyJSONValue(value)
}

// extractOne returns what a set names of one field or element: all of it where it
// is named as a whole, else of it what is named.
func extractOne(value any, set *fieldpath.Set, e fieldpath.PathElement) (any, bool) {
	if inner, ok := set.Children.Get(e); ok {
		return extract(value, inner), true
	}
	if set.Members.Has(e) {
		return runtime.DeepCopyJSONValue(value), true
	}
	return nil, false
}

// extractElement does so for an element of a list, whichever way the set names
// it.
func extractElement(element any, i int, set *fieldpath.Set) (part any, ok bool) {
	try := func(e fieldpath.PathElement) {
		if ok || !standsFor(e, element, i) {
			return
		}
		if part, ok = extractOne(element, set, e); !ok || e.Key == nil {
			return
		}
		whole, _ := element.(map[string]any)
		if fields, isMap := part.(map[string]any); isMap {
			for _, k := range *e.Key { // without its key an element is none
				if v, there := whole[k.Name]; there {
					fields[k.Name] = v
				}
			}
		}
	}
	set.Children.Iterate(try)
	set.Members.Iterate(try)
	return part, ok
}

func standsFor(e fieldpath.PathElement, element any, i int) bool {
	switch {
	case e.Key != nil:
		return hasKey(element, e)
	case e.Value != nil:
		return sameScalar((*e.Value).Unstructured(), element, false)
	case e.Index != nil:
		return *e.Index == i
	}
	return false
}
