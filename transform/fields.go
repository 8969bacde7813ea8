package transform

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Fields aggregates status by declaration: which field is what. Fields are
// named by their path from status, as "loadBalancer.ingress"; one that is not
// named is left out where there is more than one copy. With one copy the status
// is as it is.
//
// Conditions are merged by type: the worst counts, good, unknown, bad, and among
// equally bad ones the first by cluster, whose name precedes its message.
// observedGeneration is the original's once every cluster has seen its newest
// copy, and until then what it was.
type Fields struct {
	// Kind is the name of the aggregator.
	Kind string
	// Sum adds integers.
	Sum []string
	// Min and Max are the least and the greatest: of numbers, of quantities such
	// as "10Gi", or of times.
	Min, Max []string
	// Any is true if one is true, All if all are.
	Any, All []string
	// Agree is the value that all copies have, if it is the same.
	Agree []string
	// Worst is the first of the given values that a copy has.
	Worst []Ranking
	// Merge joins lists of maps by a key.
	Merge []Keyed
	// Together are condition types, and fields of the above, that are told only
	// when every copy has them: one Job that is complete does not complete all.
	Together []string
}

// Ranking is a field with its values from the worst to the best. A value that is
// not listed is worse than all.
type Ranking struct {
	Field  string
	Values []string
}

// Keyed is a list of maps whose items are the same if they have the same values
// in the Keys; the first by cluster stands for all.
type Keyed struct {
	Field string
	Keys  []string
}

var (
	_ Aggregator  = Fields{}
	_ Incremental = Fields{}
)

// Name implements Aggregator.
func (f Fields) Name() string { return f.Kind }

// Aggregate implements Aggregator.
func (f Fields) Aggregate(original *unstructured.Unstructured, copies []Observed) (map[string]any, error) {
	return assemble(f.Tally(), original, copies)
}

// Tally implements Incremental.
func (f Fields) Tally() Tally {
	t := newTally(f.Together)
	add := func(paths []string, make func() slot) {
		for _, path := range paths {
			t.slots = append(t.slots, field{path: strings.Split(path, "."), together: t.together[path], slot: make()})
		}
	}
	add(f.Sum, func() slot { return &sum{} })
	add(f.Min, func() slot { return newExtreme(1) })
	add(f.Max, func() slot { return newExtreme(-1) })
	add(f.Any, func() slot { return &truth{} })
	add(f.All, func() slot { return &truth{all: true} })
	add(f.Agree, func() slot { return newAgreement() })
	for _, w := range f.Worst {
		add([]string{w.Field}, func() slot { return newWorst(w.Values) })
	}
	for _, m := range f.Merge {
		add([]string{m.Field}, func() slot { return newUnion(m.Keys) })
	}
	return t
}
