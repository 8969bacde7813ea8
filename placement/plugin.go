package placement

import (
	"github.com/tmc-sdk/tmc/cluster/facts"
)

// Reason says why a filter refuses a cluster.
type Reason struct {
	// Code in CamelCase, from the filter's documented set.
	Code string
	// Message is a sentence that says what would have to change.
	Message string
}

// Filter says which clusters work can go to. It is pure: no client, no clock,
// no memory; and safe for concurrent use.
//
// A filter may also be a RequestFilter, to prepare itself once per request, and
// a BatchFilter, to look at many clusters at once.
type Filter interface {
	// Name of the filter, unique in an engine.
	Name() string
	// Filter returns nil if the cluster fits, or why it does not.
	Filter(r *Request, c *facts.State) *Reason
}

// Scorer says which of the fitting clusters are better. It is pure, as a Filter
// is. It may also be a RequestScorer and a BatchScorer.
type Scorer interface {
	// Name of the scorer, unique in an engine.
	Name() string
	// Score returns 0 to 100; what is beyond is cut off.
	Score(r *Request, c *facts.State) int64
}

// FilterFunc makes a Filter of a name and a function.
func FilterFunc(name string, fn func(*Request, *facts.State) *Reason) Filter {
	return filterFunc{name, fn}
}

type filterFunc struct {
	name string
	fn   func(*Request, *facts.State) *Reason
}

func (f filterFunc) Name() string                              { return f.name }
func (f filterFunc) Filter(r *Request, c *facts.State) *Reason { return f.fn(r, c) }

// ScorerFunc makes a Scorer of a name and a function.
func ScorerFunc(name string, fn func(*Request, *facts.State) int64) Scorer {
	return scorerFunc{name, fn}
}

type scorerFunc struct {
	name string
	fn   func(*Request, *facts.State) int64
}

func (f scorerFunc) Name() string                           { return f.name }
func (f scorerFunc) Score(r *Request, c *facts.State) int64 { return f.fn(r, c) }
