package transform

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Within lets a transformer touch the given parts of an object and no others: a
// platform that runs others' transformers says who may do what.
//
//	transform.Within(theirs, transform.MustPath("spec.template.spec"), transform.MustPath("metadata.labels"))
//
// Where it changed anything else, the object goes nowhere, and a *ScopeError says
// what it was. It costs two walks through the object, and no copy. No path lets
// it touch nothing: it may refuse.
func Within(step Transformer, paths ...Path) Transformer {
	return &within{Transformer: step, paths: slices.Clone(paths), seed: maphash.MakeSeed()}
}

// ScopeError says that a transformer touched what Within does not let it touch.
type ScopeError struct {
	// Transformer that did it.
	Transformer string
	// Field that it changed; empty where the transformer ran outside of a
	// pipeline.
	Field string
	// Allowed are the parts that it may touch.
	Allowed []Path
}

// Error implements error.
func (e *ScopeError) Error() string {
	allowed := make([]string, 0, len(e.Allowed))
	for _, p := range e.Allowed {
		allowed = append(allowed, p.String())
	}
	field := e.Field
	if field == "" {
		field = "something else"
	}
	return fmt.Sprintf("it may touch %s, and touched %s", strings.Join(allowed, ", "), field)
}

type within struct {
	Transformer

	paths []Path
	seed  maphash.Seed
}

var (
	_ Transformer       = (*within)(nil)
	_ Matcher           = (*within)(nil)
	_ TargetIndependent = (*within)(nil)
	_ JSONOnly          = (*within)(nil)
	_ Validator         = (*within)(nil)
)

// Matches implements Matcher.
func (w *within) Matches(t *Target, obj *unstructured.Unstructured) bool {
	m, ok := w.Transformer.(Matcher)
	return !ok || m.Matches(t, obj)
}

// TargetIndependent implements TargetIndependent.
func (w *within) TargetIndependent() bool { return independent(w.Transformer) }

// JSONOnly implements JSONOnly.
func (w *within) JSONOnly() bool { return jsonOnly(w.Transformer) }

// Transform implements Transformer.
func (w *within) Transform(ctx context.Context, t *Target, obj *unstructured.Unstructured) error {
	open := make([][]step, 0, len(w.paths))
	for _, p := range w.paths {
		open = append(open, p.steps)
	}
	before := w.sum(obj.Object, open)
	var was map[string]any
	if t.careful {
		was = obj.DeepCopy().Object
	}
	if err := w.Transformer.Transform(ctx, t, obj); err != nil {
		return err
	}
	if w.sum(obj.Object, open) == before {
		return nil
	}
	return &ScopeError{Transformer: w.Name(), Field: w.offence(was, obj.Object), Allowed: w.paths}
}

// sum is a digest of all of a value that is not open to change. A map or list on
// the way to what is open, and with nothing else in it, is as if it were not
// there, so that it may be made. Fields are added up: their order means nothing.
func (w *within) sum(value any, open [][]step) uint64 {
	if slices.ContainsFunc(open, func(s []step) bool { return len(s) == 0 }) {
		return 0
	}
	switch v := value.(type) {
	case map[string]any:
		var total uint64
		for field, inner := range v {
			below := along(open, step{field: field})
			s := w.sum(inner, below)
			if s == 0 && len(below) > 0 {
				continue
			}
			total += mix(maphash.String(w.seed, field), s)
		}
		if total == 0 && len(open) > 0 {
			return 0
		}
		return mix(total, 1)
	case []any:
		below := along(open, step{each: true})
		if len(v) == 0 && len(below) > 0 {
			return 0
		}
		total := uint64(len(v))
		for _, inner := range v {
			total = mix(total, w.sum(inner, below))
		}
		return mix(total, 2)
	case string:
		return mix(maphash.String(w.seed, v), 3)
	case bool, int64, float64, nil:
		return mix(maphash.Comparable(w.seed, v), 4)
	}
	return mix(maphash.String(w.seed, fmt.Sprintf("%T %v", value, value)), 5)
}

// along returns what is open below a step.
func along(open [][]step, s step) [][]step {
	var below [][]step
	for _, steps := range open {
		if len(steps) > 0 && steps[0] == s {
			below = append(below, steps[1:])
		}
	}
	return below
}

// mix is a step of splitmix64, and never zero.
func mix(a, b uint64) uint64 {
	x := a*0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return (x ^ x>>31) | 1
}

// offence names the first field that was changed and is not open; empty if it is
// not known what was there before.
func (w *within) offence(was, is map[string]any) string {
	if was == nil {
		return ""
	}
	for _, field := range changedFields(nil, "", was, is) {
		if !slices.ContainsFunc(w.paths, func(p Path) bool { return p.covers(field) }) {
			return field
		}
	}
	return ""
}
