package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Incremental is an optional interface of aggregators that can count one
// cluster's news without looking at the others again. NewTally falls back to
// Aggregate where an aggregator is not.
type Incremental interface {
	// Tally returns an empty tally.
	Tally() Tally
}

// Tally is an aggregate that is kept up to date. It is not safe for concurrent
// use.
type Tally interface {
	// Set counts a copy in the place of what was seen of its cluster before. The
	// tally keeps the copy; nobody may change it.
	Set(seen Observed)
	// Remove forgets a cluster.
	Remove(cluster string)
	// Status returns what Aggregate would return for all that is counted.
	Status(original *unstructured.Unstructured) (map[string]any, error)
}

// NewTally returns an empty tally for an aggregator.
func NewTally(a Aggregator) Tally {
	if i, ok := a.(Incremental); ok {
		return i.Tally()
	}
	t := &reassembly{aggregator: a}
	t.seen.compare = byCluster
	return t
}

// reassembly is the tally of an aggregator that is not Incremental.
type reassembly struct {
	aggregator Aggregator
	seen       ordered[Observed]
}

var _ Tally = (*reassembly)(nil)

func (r *reassembly) Set(seen Observed) {
	r.seen.remove(seen)
	r.seen.insert(seen)
}

func (r *reassembly) Remove(cluster string) { r.seen.remove(Observed{Cluster: cluster}) }

func (r *reassembly) Status(original *unstructured.Unstructured) (map[string]any, error) {
	return r.aggregator.Aggregate(original, r.seen.items)
}

// assemble counts all copies and asks once.
func assemble(t Tally, original *unstructured.Unstructured, copies []Observed) (map[string]any, error) {
	for _, c := range copies {
		t.Set(c)
	}
	return t.Status(original)
}
