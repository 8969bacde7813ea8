package transform

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// DropStatus keeps fields of a kind's status from tenants, whatever aggregates
// it: paths within status, through fields and lists, as
// "containerStatuses[*].imageID".
func DropStatus(kind schema.GroupKind, paths ...Path) StatusOption {
	return func(r *StatusRules) { r.dropped[kind] = slices.Concat(r.dropped[kind], paths) }
}

// redacted keeps out of a status what is not the tenant's to see: where copies
// stand, and what the platform drops. An aggregator that panics is an error.
type redacted struct {
	Aggregator

	dropped []Path
}

var (
	_ Aggregator  = redacted{}
	_ Incremental = redacted{}
)

// Aggregate implements Aggregator.
func (r redacted) Aggregate(original *unstructured.Unstructured, copies []Observed) (status map[string]any, err error) {
	defer r.recover(&status, &err)
	status, err = r.Aggregator.Aggregate(original, copies)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(copies, func(c Observed) bool { return c.Copy != nil })
	if i < 0 {
		return r.redact(original, "", status), nil
	}
	return r.redact(original, placeOf(copies[i].Copy), status), nil
}

func (r redacted) recover(status *map[string]any, err *error) {
	if p := recover(); p != nil {
		*status, *err = nil, fmt.Errorf("aggregator %s panicked: %v", r.Name(), p)
	}
}

// Tally implements Incremental.
func (r redacted) Tally() Tally { return &redactedTally{Tally: NewTally(r.Aggregator), rules: r} }

type redactedTally struct {
	Tally

	rules redacted
	place string
}

// Set implements Tally.
func (t *redactedTally) Set(seen Observed) {
	if seen.Copy != nil {
		t.place = placeOf(seen.Copy) // the same on every cluster
	}
	t.Tally.Set(seen)
}

// Status implements Tally.
func (t *redactedTally) Status(original *unstructured.Unstructured) (status map[string]any, err error) {
	defer t.rules.recover(&status, &err)
	status, err = t.Tally.Status(original)
	if err != nil {
		return nil, err
	}
	return t.rules.redact(original, t.place, status), nil
}

// placeOf returns the name that tells where an object stands: of its namespace
// or, if it is in none, its own.
func placeOf(obj *unstructured.Unstructured) string {
	if namespace := obj.GetNamespace(); namespace != "" {
		return namespace
	}
	return obj.GetName()
}

// redact changes a status that nobody else has yet.
func (r redacted) redact(original *unstructured.Unstructured, place string, status map[string]any) map[string]any {
	for _, p := range r.dropped {
		p.remove(status)
	}
	if home := placeOf(original); place != "" && home != "" && place != home {
		replaceText(status, place, home)
	}
	return status
}

// replaceText replaces text in all strings of a value, and in the names of fields, in
// place.
func replaceText(value any, text, by string) any {
	switch v := value.(type) {
	case string:
		if strings.Contains(v, text) {
			return strings.ReplaceAll(v, text, by)
		}
	case map[string]any:
		var named []string
		for field, inner := range v {
			if replaced := replaceText(inner, text, by); isText(inner) {
				v[field] = replaced
			}
			if strings.Contains(field, text) {
				named = append(named, field)
			}
		}
		slices.Sort(named)
		for _, field := range named {
			v[strings.ReplaceAll(field, text, by)] = v[field]
			delete(v, field)
		}
	case []any:
		for i, inner := range v {
			if replaced := replaceText(inner, text, by); isText(inner) {
				v[i] = replaced
			}
		}
	}
	return value
}

func isText(value any) bool { _, ok := value.(string); return ok }
