package transform

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Fields aggregates status by declaration: which field is what. Fields are
// named by their path from status, as "loadBalancer.ingress"; one that is not
// named is left out where there is more than one copy. With one copy the status
// is as it is.
//
// Conditions are merged by type: the worst counts, of good, unknown, bad. The
// message of one that is not good tells what the first few clusters say of it,
// by name, and how many more there are. One that is good where it is reported,
// and not reported by every cluster, is Unknown for ReasonNotReportedByAll.
// observedGeneration is the original's once every cluster has seen its newest
// copy, and until then what it was. Nothing that is merged grows with the fleet
// without bound.
type Fields struct {
	// Kind is the name of the aggregator.
	Kind string
	// Sum adds integers.
	Sum []string
	// Due are those of Sum to which a copy that has no status yet adds the
	// replicas that it is to have, where they are known: what is missing.
	Due []string
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
	// Each puts lists of maps together item by item.
	Each []Each
	// Together are condition types, and fields of the above, that are told only
	// when every copy has them: one Job that is complete does not complete all.
	Together []string
	// BadWhenTrue are condition types that say something bad when they are True,
	// beside those that are well known, as Failed, Stalled and Degraded.
	BadWhenTrue []string
}

// Ranking is a field with its values from the worst to the best. A value that is
// not listed is worse than all.
type Ranking struct {
	Field  string
	Values []string
	// Missing is what a copy without the field counts as; empty: it does not
	// count.
	Missing string
}

// Keyed is a list of maps whose items are the same if they have the same values
// in the Keys; the first by cluster stands for all. The merged list has 1,000
// items at most.
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
func (f Fields) Tally() Tally { return f.tally() }

func (f Fields) tally() *tally {
	t := newTally(f.Together, f.BadWhenTrue)
	add := func(paths []string, make func() slot) {
		for _, path := range paths {
			t.slots = append(t.slots, field{
				path: strings.Split(path, "."), together: t.together[path], due: slices.Contains(f.Due, path), slot: make(),
			})
		}
	}
	add(f.Sum, func() slot { return &sum{} })
	add(f.Min, func() slot { return newExtreme(1) })
	add(f.Max, func() slot { return newExtreme(-1) })
	add(f.Any, func() slot { return &truth{} })
	add(f.All, func() slot { return &truth{all: true} })
	add(f.Agree, func() slot { return newAgreement() })
	for _, w := range f.Worst {
		add([]string{w.Field}, func() slot { return newWorst(w.Values, w.Missing) })
	}
	for _, m := range f.Merge {
		add([]string{m.Field}, func() slot { return newUnion(m.Keys) })
	}
	for _, e := range f.Each {
		add([]string{e.Field}, func() slot { return newParts(e) })
	}
	return t
}
