package transform

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Change is one field that one step of a pipeline changed.
type Change struct {
	// Step is the transformer's name, or "overrides".
	Step string
	// Field that was changed, as "spec.template.spec.containers[0].image".
	Field string
}

// Conflict is a field that several steps of a pipeline changed.
type Conflict struct {
	// Field that was changed.
	Field string
	// Steps that changed it, in order: the last had its way.
	Steps []string
}

// Changes renders as Render does, and says which step changed which field, in
// order. It copies the object after each step: it is for plans and tests.
func (p *Pipeline) Changes(ctx context.Context, t *Target, original *unstructured.Unstructured, o Origin) ([]Change, error) {
	if _, err := p.Render(ctx, t, original, o); err != nil {
		return nil, err
	}
	obj, err := bare(original)
	if err != nil {
		return nil, err
	}
	p.withhold(obj, original)
	as, err := p.kindFor(t, original)
	if err != nil {
		return nil, err
	}
	p.nameOwners(t, original, obj, p.place(obj, o, as))
	mine := *t
	mine.Origin, mine.pods = o, p.pods
	var changes []Change
	note := func(step string, before map[string]any) {
		for _, field := range changedFields(nil, "", before, obj.Object) {
			changes = append(changes, Change{Step: step, Field: field})
		}
	}
	before := obj.DeepCopy()
	if err := override(t.Overrides, obj); err != nil {
		return nil, &Error{Transformer: stepOverrides, Err: err}
	}
	note(stepOverrides, before.Object)
	for _, step := range p.transformers {
		before := obj.DeepCopy()
		if err := apply(ctx, step, &mine, obj); err != nil {
			return nil, &Error{Transformer: step.Name(), Err: err}
		}
		if err := normalise(obj); err != nil {
			return nil, &Error{Transformer: step.Name(), Err: err}
		}
		note(step.Name(), before.Object)
	}
	return changes, nil
}

// Conflicts returns the fields that several steps changed, sorted. A list that
// grows or shrinks counts as one field.
func Conflicts(changes []Change) []Conflict {
	steps := map[string][]string{}
	for _, c := range changes {
		if !slices.Contains(steps[c.Field], c.Step) {
			steps[c.Field] = append(steps[c.Field], c.Step)
		}
	}
	var conflicts []Conflict
	for _, field := range slices.Sorted(maps.Keys(steps)) {
		if len(steps[field]) > 1 {
			conflicts = append(conflicts, Conflict{Field: field, Steps: steps[field]})
		}
	}
	return conflicts
}

// changedFields appends the paths of the fields in which two values differ.
func changedFields(list []string, path string, before, after any) []string {
	switch now := after.(type) {
	case map[string]any:
		was, ok := before.(map[string]any)
		if !ok && before != nil || len(now) == 0 {
			break
		}
		names := map[string]bool{}
		for name := range was {
			names[name] = true
		}
		for name := range now {
			names[name] = true
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			list = changedFields(list, joined(path, name), was[name], now[name])
		}
		return list
	case []any:
		was, ok := before.([]any)
		if !ok || len(was) != len(now) {
			break
		}
		for i := range now {
			list = changedFields(list, path+"["+strconv.Itoa(i)+"]", was[i], now[i])
		}
		return list
	}
	if !reflect.DeepEqual(before, after) {
		list = append(list, path)
	}
	return list
}

// joined appends a field to a path.
func joined(path, field string) string {
	switch {
	case strings.ContainsAny(field, ".[]'"):
		return path + "['" + strings.ReplaceAll(field, "'", "''") + "']"
	case path == "":
		return field
	}
	return path + "." + field
}
