package placement

import (
	"github.com/tmc-sdk/tmc/cluster/facts"
)

// RequestFilter is a Filter with state per request: what depends on the request
// and the fleet as a whole is computed once, not for every cluster.
type RequestFilter interface {
	Filter
	// ForRequest returns the filter to use for a request. It bears the same
	// name and gives the same answers. Nil: it refuses no cluster.
	ForRequest(r *Request, fleet *facts.Snapshot) Filter
}

// RequestScorer is a Scorer with state per request.
type RequestScorer interface {
	Scorer
	// ForRequest returns the scorer to use for a request. Nil: it has nothing
	// to say about it, and does not count.
	ForRequest(r *Request, fleet *facts.Snapshot) Scorer
}

// BatchFilter is a Filter that looks at the clusters of a chunk at once, for
// speed. It refuses the same clusters as Filter does, with the same codes;
// messages come from Filter. It is not asked for clusters that have work of the
// request: they go to Filter, one by one.
type BatchFilter interface {
	Filter
	// FilterChunk calls refuse with those of the clusters that do not fit.
	FilterChunk(r *Request, c *facts.Chunk, clusters facts.Mask, refuse func(code string, clusters facts.Mask))
}

// BatchScorer is a Scorer that scores the clusters of a chunk at once, for
// speed. It is not asked for clusters that have work of the request.
type BatchScorer interface {
	Scorer
	// ScoreChunk sets scores, by place in the chunk, of the given clusters.
	ScoreChunk(r *Request, c *facts.Chunk, clusters facts.Mask, scores []int64)
}
