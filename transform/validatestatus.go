package transform

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Validate says what is wrong with the rules: the first declaration that would not
// do what it says. The sync loop asks before it starts.
func (r *StatusRules) Validate() error {
	for _, kind := range sortedKinds(r.byKind) {
		if kind.Kind == "" {
			return errors.New("transform: Aggregate: the kind is empty")
		}
		v, ok := r.byKind[kind].(interface{ Validate() error })
		if !ok {
			continue
		}
		if err := v.Validate(); err != nil {
			return fmt.Errorf("transform: aggregator %s of %s: %w", r.byKind[kind].Name(), kind, err)
		}
	}
	for _, kind := range sortedKinds(r.dropped) {
		for i, path := range r.dropped[kind] {
			if last := len(path.steps) - 1; last < 0 || path.steps[last].each {
				return fmt.Errorf("transform: DropStatus of %s: paths[%d] %q leads to no field: end it with the name of one", kind, i, path)
			}
		}
	}
	return nil
}

// Validate says what is wrong with a declaration: a field that has no name, is
// declared twice or within another, or that is always told, as conditions are; a list
// without keys, a ranking without values, something due that is not summed.
func (f Fields) Validate() error {
	var all []string
	for i, path := range f.declared() {
		switch first, _, _ := strings.Cut(path, "."); {
		case slices.Contains(strings.Split(path, "."), ""):
			return fmt.Errorf("field %d, %q, has an empty name: write it as loadBalancer.ingress, from status", i, path)
		case first == "conditions" || first == "observedGeneration":
			return fmt.Errorf("field %q is merged by rules of its own: leave it out", path)
		}
		for _, other := range all {
			if path == other || strings.HasPrefix(path, other+".") || strings.HasPrefix(other, path+".") {
				return fmt.Errorf("field %q is declared twice, or within %q: declare it once", path, other)
			}
		}
		all = append(all, path)
	}
	for _, path := range f.Due {
		if !slices.Contains(f.Sum, path) {
			return fmt.Errorf("field %q of Due is none of Sum: add it there", path)
		}
	}
	for i, w := range f.Worst {
		if len(w.Values) == 0 {
			return fmt.Errorf("the values of Worst[%d], %q, are missing: list them from the worst to the best", i, w.Field)
		}
	}
	for i, m := range f.Merge {
		if len(m.Keys) == 0 || slices.Contains(m.Keys, "") {
			return fmt.Errorf("the keys of Merge[%d], %q, are missing: without one all items are the same", i, m.Field)
		}
	}
	for i, e := range f.Each {
		if e.Key == "" {
			return fmt.Errorf("the key of Each[%d], %q, is missing: name the field that tells its items apart", i, e.Field)
		}
		if err := (Fields{Sum: e.Sum, Agree: append(slices.Clone(e.Agree), e.Key)}).Validate(); err != nil {
			return fmt.Errorf("in Each[%d], %q: %w", i, e.Field, err)
		}
	}
	return nil
}

// declared are the fields that have an aggregate.
func (f Fields) declared() []string {
	all := slices.Concat(f.Sum, f.Min, f.Max, f.Any, f.All, f.Agree)
	for _, w := range f.Worst {
		all = append(all, w.Field)
	}
	for _, m := range f.Merge {
		all = append(all, m.Field)
	}
	for _, e := range f.Each {
		all = append(all, e.Field)
	}
	return all
}
