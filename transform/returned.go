package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// AnnotationReturned on an original holds the fields of its spec that came back
// from clusters, with their values, as JSON. A field whose value is another than
// it says is the tenant's own.
const AnnotationReturned = Domain + "/returned"

// WithReturned lets clusters decide fields of a kind's spec where the tenant does
// not, and brings back what they decided:
//
//	transform.WithReturned(schema.GroupKind{Kind: "Service"}, transform.MustPath("spec.clusterIP"))
//
// Such a field comes back while every copy has it with the same value, and goes
// when they no longer agree. What came back does not go down again, so that the
// next cluster decides for itself. Paths lead through fields of spec, not through
// lists; others are refused by NewPipeline.
func WithReturned(kind schema.GroupKind, paths ...Path) Option {
	return func(p *Pipeline) {
		p.returned = maps.Clone(p.returned)
		if p.returned == nil {
			p.returned = map[schema.GroupKind][]Path{}
		}
		p.returned[kind] = slices.Clone(paths)
	}
}

// checkReturned refuses paths that lead elsewhere than to a field of spec.
func (p *Pipeline) checkReturned() error {
	for kind, paths := range p.returned {
		for _, path := range paths {
			if len(path.steps) < 2 || path.steps[0].field != "spec" || slices.ContainsFunc(path.steps, func(s step) bool { return s.each }) {
				return fmt.Errorf("transform: %s of %s can't come back: it is no field of spec", path, kind.Kind)
			}
		}
	}
	return nil
}

// Returned says what of the spec of an original clusters have decided: a merge
// patch for the original, or nil where all is as it should be. It is pure. Copies
// are those of all targets; while one is missing, or behind the original, nothing
// changes.
func (p *Pipeline) Returned(original *unstructured.Unstructured, copies []Observed) (map[string]any, error) {
	paths := p.returned[groupKind(original)]
	if len(paths) == 0 || len(copies) == 0 || slices.ContainsFunc(copies, func(c Observed) bool { return c.Copy == nil || c.Behind }) {
		return nil, nil
	}
	before := returnedTo(original)
	after := map[string]any{}
	patch := map[string]any{}
	for _, path := range paths {
		there, has := path.value(original.Object)
		if came, did := before[path.text]; has && (!did || !reflect.DeepEqual(there, came)) || path.barred(original.Object) {
			continue // the tenant's own
		}
		decided, agreed, err := agreedValue(path, copies)
		if err != nil {
			return nil, err
		}
		if agreed {
			decided = replaceText(decided, placeOf(copies[0].Copy), placeOf(original))
			after[path.text] = decided
			if !reflect.DeepEqual(there, decided) {
				path.put(patch, decided)
			}
		} else if has {
			path.put(patch, nil)
		}
	}
	if len(patch) == 0 && reflect.DeepEqual(before, after) {
		return nil, nil
	}
	note, err := json.Marshal(after)
	if err != nil {
		return nil, fmt.Errorf("transform: note what came back: %w", err)
	}
	annotation := map[string]any{AnnotationReturned: string(note)}
	if len(after) == 0 {
		annotation[AnnotationReturned] = nil
	}
	patch["metadata"] = map[string]any{"annotations": annotation}
	return patch, nil
}

// withhold removes from a bare object what came back from clusters.
func (p *Pipeline) withhold(obj, original *unstructured.Unstructured) {
	paths := p.returned[groupKind(original)]
	if len(paths) == 0 {
		return
	}
	came := returnedTo(original)
	for _, path := range paths {
		there, has := path.value(obj.Object)
		if value, did := came[path.text]; has && did && reflect.DeepEqual(there, value) {
			path.remove(obj.Object)
		}
	}
}

// returnedTo reads what came back to an original before.
func returnedTo(original *unstructured.Unstructured) map[string]any {
	came := map[string]any{}
	if text := original.GetAnnotations()[AnnotationReturned]; text != "" {
		if err := utiljson.Unmarshal([]byte(text), &came); err != nil || came == nil {
			return map[string]any{} // a tenant wrote it: nothing came back, then
		}
	}
	return came
}

// agreedValue returns a copy of the value on which all copies agree.
func agreedValue(path Path, copies []Observed) (value any, agreed bool, err error) {
	for i, c := range copies {
		there, has := path.value(c.Copy.Object)
		switch {
		case !has || there == nil:
			return nil, false, nil
		case i > 0 && !reflect.DeepEqual(there, value):
			return nil, false, nil
		}
		value = there
	}
	value = copyValue(value, &err)
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("transform: %s of a copy is malformed", path), err)
	}
	return withoutNulls(value), true, nil
}

// withoutNulls removes fields that are null from a value that nobody else has: a
// merge patch can't write them, and they say nothing.
func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for field, inner := range v {
			if inner == nil {
				delete(v, field)
			} else {
				v[field] = withoutNulls(inner)
			}
		}
	case []any:
		for i, inner := range v {
			v[i] = withoutNulls(inner)
		}
	}
	return value
}

// barred says whether something other than a map stands on the way.
func (p Path) barred(obj map[string]any) bool {
	var value any = obj
	for _, s := range p.steps {
		m, ok := value.(map[string]any)
		if !ok {
			return value != nil
		}
		value = m[s.field]
	}
	return false
}

// value returns what a path through fields leads to.
func (p Path) value(obj map[string]any) (any, bool) {
	var value any = obj
	for _, s := range p.steps {
		m, _ := value.(map[string]any)
		inner, has := m[s.field]
		if !has {
			return nil, false
		}
		value = inner
	}
	return value, true
}

// put writes a value where a path through fields leads, and makes the way.
func (p Path) put(obj map[string]any, value any) {
	names := make([]string, 0, len(p.steps))
	for _, s := range p.steps {
		names = append(names, s.field)
	}
	put(obj, names, value)
}
