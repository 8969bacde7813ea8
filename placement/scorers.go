package placement

import (
	"github.com/tmc-sdk/tmc/cluster/facts"
)

// FreeCapacity prefers clusters of which the greater part is free, by cpu and
// memory; one of unknown capacity scores 50.
type FreeCapacity struct{}

var _ BatchScorer = FreeCapacity{}

// Name implements Scorer.
func (FreeCapacity) Name() string { return "FreeCapacity" }

// Score implements Scorer.
func (FreeCapacity) Score(_ *Request, c *facts.State) int64 {
	if !c.CapacityKnown {
		return 50
	}
	return int64(c.FreePercent())
}

// ScoreChunk implements BatchScorer.
func (FreeCapacity) ScoreChunk(_ *Request, c *facts.Chunk, clusters facts.Mask, scores []int64) {
	facts := c.Facts()
	for i, free := range facts.FreePercent {
		scores[i] = int64(free)
	}
	unknown := clusters.AndNot(facts.CapacityKnown)
	for i, ok := unknown.Next(0); ok; i, ok = unknown.Next(i + 1) {
		scores[i] = 50
	}
}

// Preferred scores 50 and adds the weights of all preferences of the request
// that select the cluster.
type Preferred struct{ expressions *expressions }

var _ RequestScorer = Preferred{}

// Name implements Scorer.
func (Preferred) Name() string { return "Preferred" }

// Score implements Scorer.
func (p Preferred) Score(r *Request, c *facts.State) int64 {
	return p.ForRequest(r, nil).Score(r, c)
}

// ForRequest implements RequestScorer.
func (s Preferred) ForRequest(r *Request, _ *facts.Snapshot) Scorer {
	p := &preferring{}
	if r.Spec == nil {
		return p
	}
	for i := range r.Spec.Preferred {
		if m, err := newMatcher(&r.Spec.Preferred[i].Clusters, r, s.expressions); err == nil {
			p.terms = append(p.terms, preferredTerm{m, int64(r.Spec.Preferred[i].Weight)})
		}
	}
	return p
}

// preferring is Preferred for one request.
type preferring struct {
	Preferred
	terms []preferredTerm
}

type preferredTerm struct {
	*Matcher
	weight int64
}

var _ BatchScorer = (*preferring)(nil)

// Score implements Scorer.
func (p *preferring) Score(_ *Request, c *facts.State) int64 {
	score := int64(50)
	for i := range p.terms {
		if ok, err := p.terms[i].Matches(c); ok && err == nil {
			score += p.terms[i].weight
		}
	}
	return score
}

// ScoreChunk implements BatchScorer.
func (p *preferring) ScoreChunk(_ *Request, c *facts.Chunk, clusters facts.Mask, scores []int64) {
	for i := range scores {
		scores[i] = 50
	}
	for t := range p.terms {
		term := &p.terms[t]
		preferred := term.columns(c, clusters)
		for i, ok := preferred.Next(0); ok; i, ok = preferred.Next(i + 1) {
			if term.program != nil {
				if selected, err := evaluate(term.program, term.request, c.At(i)); !selected || err != nil {
					continue
				}
			}
			scores[i] += term.weight
		}
	}
}

var _ evenScorer = (*preferring)(nil)

func (p *preferring) even(*facts.Chunk, facts.Mask) (int64, bool) { return 50, len(p.terms) == 0 }
