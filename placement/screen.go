package placement

import (
	"math"
	"math/bits"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

// candidate is a cluster that fits.
type candidate struct {
	// worth to the choice that is being made, see choose.
	worth int64
	chunk int32 // of screened.chunks
	at    uint16
	score uint8 // 0 to 100
	// current says that work of the request is there and may stay.
	current bool
}

// screened is the fleet after filters and scorers, for one request.
type screened struct {
	request  *Request
	demand   demand
	chunks   []*facts.Chunk
	fitting  []candidate // in the order of names
	refusals refusals
	weights  []preferredTerm // of the division
	// expressions of the engine.
	expressions *expressions
}

func (s *screened) state(c *candidate) *facts.State { return s.chunks[c.chunk].At(int(c.at)) }

// screener runs the plugins of an engine, chunk by chunk.
type screener struct {
	*screened
	filters []Filter
	scorers []weighted
	// current are the positions of the request's targets in the fleet.
	current []int
	// scratch
	left   facts.Mask
	filter int
	chunk  *facts.Chunk
	scores []int64
	sums   []int64
	weight int64 // of all scorers
}

// screen runs filters and scorers over the fleet, in the order of names.
func (e *Engine) screen(r *Request, fleet *facts.Snapshot) *screened {
	s := &screener{screened: &screened{request: r, demand: demandOf(r, e.reserve), expressions: e.expressions}}
	s.filters, s.scorers = e.filtersFor(r, fleet), e.scorersFor(r, fleet)
	s.refusals.filters = s.filters
	buffer := make([]int64, 2*facts.ChunkSize)
	s.scores, s.sums = buffer[:facts.ChunkSize], buffer[facts.ChunkSize:]
	for i := range s.scorers {
		s.weight += s.scorers[i].weight
	}
	for i := range r.Current { // sorted by name, so positions are sorted too
		if at, ok := fleet.Index(r.Current[i].Cluster); ok && !r.Current[i].Leaving {
			s.current = append(s.current, at)
		}
	}
	masks := s.screenAll(fleet)
	fitting := 0
	for i := range masks {
		fitting += masks[i].Count()
	}
	s.fitting = make([]candidate, 0, fitting)
	start := 0
	for i, c := range s.chunks {
		s.chunk = c
		s.scoreChunk(int32(i), start, masks[i])
		start += c.Len()
	}
	return s.screened
}

// screenAll returns the clusters that fit, by chunk.
func (s *screener) screenAll(fleet *facts.Snapshot) []facts.Mask {
	n := (fleet.Len() + facts.ChunkSize - 1) / facts.ChunkSize
	s.chunks = make([]*facts.Chunk, 0, n+8)
	masks := make([]facts.Mask, 0, n+8)
	refuse := s.refuse
	for start, c := range fleet.Chunks() {
		s.chunk = c
		s.left = facts.FullMask(c.Len())
		on := s.on(start)
		stay := s.screenOn(on)
		s.left = s.left.AndNot(on)
		for s.filter = 0; s.filter < len(s.filters) && s.left != (facts.Mask{}); s.filter++ {
			if f, ok := s.filters[s.filter].(BatchFilter); ok {
				f.FilterChunk(s.request, c, s.left, refuse)
			} else {
				s.screenEach(s.filters[s.filter])
			}
		}
		for i := range stay {
			s.left[i] |= stay[i]
		}
		s.chunks, masks = append(s.chunks, c), append(masks, s.left)
	}
	return masks
}

// on returns which clusters of a chunk have work of the request.
func (s *screener) on(start int) (on facts.Mask) {
	for _, at := range s.current {
		if at >= start && at < start+s.chunk.Len() {
			on.Set(at - start)
		}
	}
	return on
}

// refuse is what batch filters call.
func (s *screener) refuse(code string, clusters facts.Mask) {
	clusters = clusters.And(s.left)
	if clusters == (facts.Mask{}) {
		return
	}
	s.left = s.left.AndNot(clusters)
	s.refusals.addMask(s.filter, code, s.chunk, clusters)
}

func (s *screener) screenEach(f Filter) {
	for i, ok := s.left.Next(0); ok; i, ok = s.left.Next(i + 1) {
		if reason := f.Filter(s.request, s.chunk.At(i)); reason != nil {
			s.left.Clear(i)
			s.refusals.add(s.filter, reason, s.chunk.At(i))
		}
	}
}

// screenOn returns which clusters with work of the request may keep it.
func (s *screener) screenOn(on facts.Mask) facts.Mask {
	for i, ok := on.Next(0); ok; i, ok = on.Next(i + 1) {
		for f := range s.filters {
			if reason := s.filters[f].Filter(s.request, s.chunk.At(i)); reason != nil {
				s.refusals.add(f, reason, s.chunk.At(i))
				on.Clear(i)
				break
			}
		}
	}
	return on
}

// scoreChunk adds the candidates of a chunk.
func (s *screener) scoreChunk(at int32, start int, fit facts.Mask) {
	if fit == (facts.Mask{}) {
		return
	}
	clear(s.sums)
	on := s.on(start)
	base := int64(0) // what all have in common
	for w := range s.scorers {
		scorer := &s.scorers[w]
		rest := fit
		if e, ok := scorer.Scorer.(evenScorer); ok {
			if score, ok := e.even(s.chunk, fit); ok {
				base += scorer.weight * score
				continue
			}
		}
		if b, ok := scorer.Scorer.(BatchScorer); ok {
			rest = on
			others := fit.AndNot(on)
			b.ScoreChunk(s.request, s.chunk, others, s.scores[:s.chunk.Len()])
			s.addScores(others, scorer.weight)
		}
		for i, ok := rest.Next(0); ok; i, ok = rest.Next(i + 1) {
			s.sums[i] += scorer.weight * min(100, max(0, scorer.Score(s.request, s.chunk.At(i))))
		}
	}
	s.addCandidates(at, fit, on, base)
}

// addScores adds a batch of scores to the sums. It and what follows go through
// the words of a mask by hand: they are half of a decision's time.
func (s *screener) addScores(clusters facts.Mask, weight int64) {
	scores, sums := s.scores[:facts.ChunkSize], s.sums[:facts.ChunkSize]
	for w, word := range clusters {
		for ; word != 0; word &= word - 1 {
			i := (w*64 + bits.TrailingZeros64(word)) & (facts.ChunkSize - 1)
			sums[i] += weight * min(100, max(0, scores[i]))
		}
	}
}

// addCandidates adds those that fit, each with the mean of its scores by weight.
func (s *screener) addCandidates(at int32, fit, on facts.Mask, base int64) {
	// The mean is a product with the reciprocal, exact while weights are below
	// 400 million; twice of everything, for the reciprocal of one is no fraction.
	reciprocal := math.MaxUint64/uint64(2*max(1, s.weight)) + 1
	list, sums := s.fitting, s.sums[:facts.ChunkSize]
	for w, word := range fit {
		for ; word != 0; word &= word - 1 {
			i := (w*64 + bits.TrailingZeros64(word)) & (facts.ChunkSize - 1)
			mean, _ := bits.Mul64(uint64(2*(base+sums[i])), reciprocal)
			list = append(list, candidate{chunk: at, at: uint16(i), score: uint8(mean), current: on.Has(i)})
		}
	}
	s.fitting = list
}

// evenScorer is a scorer that often scores all clusters alike.
type evenScorer interface {
	// even returns the score that all of the clusters have; false if they
	// differ, or it is not known.
	even(c *facts.Chunk, clusters facts.Mask) (score int64, ok bool)
}
