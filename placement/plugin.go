package placement

import (
	"github.com/tmc-sdk/tmc/cluster"
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
type Filter interface {
	// Name of the filter, unique in an engine.
	Name() string
	// Filter returns nil if the cluster fits, or why it does not.
	Filter(r *Request, c *cluster.State) *Reason
}

// Scorer says which of the fitting clusters are better. It is pure, as a Filter
// is.
type Scorer interface {
	// Name of the scorer, unique in an engine.
	Name() string
	// Score returns 0 to 100; what is beyond is cut off.
	Score(r *Request, c *cluster.State) int64
}
