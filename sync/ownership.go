package syncer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// ownersOf returns who else owns a field of an object, by its managed fields:
// their names, sorted. Steps are those of a Difference.
func ownersOf(obj *unstructured.Unstructured, steps []string, us string) []string {
	var owners []string
	for _, entry := range obj.GetManagedFields() {
		if entry.Manager == us || entry.Subresource != "" {
			continue
		}
		set := fieldSet(entry)
		if set == nil {
			continue
		}
		set.Leaves().Iterate(func(path fieldpath.Path) {
			// Who owns part of a value, or something that it is part of, changed it.
			have := stepsOf(path)
			n := min(len(have), len(steps))
			if slices.Equal(have[:n], steps[:n]) {
				owners = append(owners, entry.Manager)
			}
		})
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// dropped returns the fields of a copy that are ours and no longer rendered: an
// apply takes them away unless another owns them, too.
func dropped(rendered, copied *unstructured.Unstructured, us string) []Difference {
	show := differ{hide: rendered.GetKind() == "Secret"}
	var found []Difference
	for _, entry := range copied.GetManagedFields() {
		if entry.Manager != us || entry.Operation != metav1.ManagedFieldsOperationApply {
			continue
		}
		set := fieldSet(entry)
		if set == nil {
			continue
		}
		set.Leaves().Iterate(func(path fieldpath.Path) {
			steps := stepsOf(path)
			was, there := find(copied.Object, path)
			if _, still := find(rendered.Object, path); there && !still && was != nil && len(ownersOf(copied, steps, us)) == 0 {
				found = append(found, Difference{Path: pathOf(steps), Was: show.show(steps, was), steps: steps})
			}
		})
	}
	return found
}

func fieldSet(entry metav1.ManagedFieldsEntry) *fieldpath.Set {
	if entry.FieldsV1 == nil {
		return nil
	}
	set := &fieldpath.Set{}
	if err := set.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
		return nil // written by a server newer than what we know; it tells us nothing
	}
	return set
}

// stepsOf writes a path of managed fields like that of a Difference.
func stepsOf(path fieldpath.Path) []string {
	steps := make([]string, 0, len(path))
	for _, e := range path {
		switch {
		case e.FieldName != nil:
			steps = append(steps, *e.FieldName)
		case e.Key != nil:
			values := make([]string, 0, len(*e.Key))
			for _, k := range *e.Key {
				values = append(values, fmt.Sprint(k.Value.Unstructured()))
			}
			steps = append(steps, "="+strings.Join(values, ","))
		case e.Value != nil:
			steps = append(steps, "="+fmt.Sprint((*e.Value).Unstructured()))
		case e.Index != nil:
			steps = append(steps, fmt.Sprintf("=%d", *e.Index))
		}
	}
	return steps
}

// find returns what stands at a path of managed fields.
func find(obj any, path fieldpath.Path) (any, bool) {
	for _, e := range path {
		switch {
		case e.FieldName != nil:
			m, _ := obj.(map[string]any)
			value, ok := m[*e.FieldName]
			if !ok {
				return nil, false
			}
			obj = value
		case e.Key != nil:
			list, _ := obj.([]any)
			i := slices.IndexFunc(list, func(element any) bool { return hasKey(element, e) })
			if i < 0 {
				return nil, false
			}
			obj = list[i]
		case e.Value != nil:
			list, _ := obj.([]any)
			if !slices.ContainsFunc(list, func(element any) bool { return fmt.Sprint(element) == fmt.Sprint((*e.Value).Unstructured()) }) {
				return nil, false
			}
			obj = (*e.Value).Unstructured()
		case e.Index != nil:
			list, _ := obj.([]any)
			if *e.Index < 0 || *e.Index >= len(list) {
				return nil, false
			}
			obj = list[*e.Index]
		}
	}
	return obj, true
}

func hasKey(element any, e fieldpath.PathElement) bool {
	m, ok := element.(map[string]any)
	if !ok {
		return false
	}
	for _, k := range *e.Key {
		if value, ok := m[k.Name]; ok && fmt.Sprint(value) != fmt.Sprint(k.Value.Unstructured()) {
			return false // an absent part of a key, such as a protocol, has its default
		}
	}
	return true
}
