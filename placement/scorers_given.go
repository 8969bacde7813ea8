package placement

import (
	"math"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// byProperty is a scorer of spec.scoring.properties.
type byProperty struct {
	score     *v1alpha1.PropertyScore
	low, high float64
}

var (
	_ RequestScorer = (*byProperty)(nil)
	_ BatchScorer   = (*byProperty)(nil)
)

// Name implements Scorer.
func (p *byProperty) Name() string { return "Property(" + p.score.Key + ")" }

// ForRequest implements RequestScorer: it finds the lowest and highest value of
// the fleet where the request does not say them.
func (p *byProperty) ForRequest(_ *Request, fleet *facts.Snapshot) Scorer {
	if p.score.Lowest != "" {
		low, err := resource.ParseQuantity(p.score.Lowest)
		high, err2 := resource.ParseQuantity(p.score.Highest)
		if err != nil || err2 != nil {
			return nil // it has been validated
		}
		return &byProperty{p.score, low.AsApproximateFloat64(), high.AsApproximateFloat64()}
	}
	found := &byProperty{p.score, math.Inf(1), math.Inf(-1)}
	for _, c := range fleet.Chunks() {
		n := c.Number(p.score.Key)
		found.low, found.high = min(found.low, n.Low), max(found.high, n.High)
	}
	if found.low > found.high {
		return nil // nobody has it
	}
	return found
}

// Score implements Scorer.
func (p *byProperty) Score(_ *Request, c *facts.State) int64 {
	v, ok := c.Properties[p.score.Key]
	if !ok || !v.Numeric {
		return 0
	}
	return p.of(v.Number)
}

// ScoreChunk implements BatchScorer.
func (p *byProperty) ScoreChunk(_ *Request, c *facts.Chunk, clusters facts.Mask, scores []int64) {
	n := c.Number(p.score.Key)
	for i, ok := clusters.Next(0); ok; i, ok = clusters.Next(i + 1) {
		scores[i] = 0
		if n.Known.Has(i) {
			scores[i] = p.of(n.Values[i])
		}
	}
}

// of returns the score of a value.
func (p *byProperty) of(number float64) int64 {
	if p.high <= p.low {
		return 100 // all alike
	}
	part := min(1, max(0, (number-p.low)/(p.high-p.low)))
	if p.score.Order != v1alpha1.ScoreDescending {
		part = 1 - part
	}
	return int64(math.Round(100 * part))
}

// byExpression is a scorer of spec.scoring.expressions.
type byExpression struct {
	expressions *expressions
	text        string
	program     cel.Program
	request     map[string]any
}

var _ RequestScorer = (*byExpression)(nil)

// Name implements Scorer.
func (x *byExpression) Name() string { return "Expression(" + shorten(x.text, 40) + ")" }

// ForRequest implements RequestScorer.
func (x *byExpression) ForRequest(r *Request, _ *facts.Snapshot) Scorer {
	program, err := x.expressions.compile(x.text, aNumber)
	if err != nil {
		return nil // it has been validated
	}
	return &byExpression{x.expressions, x.text, program, requestVariable(r)}
}

// Score implements Scorer.
func (x *byExpression) Score(_ *Request, c *facts.State) int64 {
	n, err := evaluateNumber(x.program, x.request, c)
	if err != nil || math.IsNaN(n) {
		return 0
	}
	return int64(min(100, max(0, n)))
}

// fromOutside is a scorer of scores that somebody else gave.
type fromOutside struct{ scores *ExternalScores }

var _ Scorer = (*fromOutside)(nil)

// Name implements Scorer.
func (s *fromOutside) Name() string { return "External(" + s.scores.Name + ")" }

// Score implements Scorer.
func (s *fromOutside) Score(_ *Request, c *facts.State) int64 { return s.scores.Clusters[c.Name] }

// Normalized makes a Scorer of one whose scores are of any range: the lowest
// that it gives to a cluster of the fleet becomes 0, the highest 100, and what
// is between them is in proportion. If all are alike, all score 100.
func Normalized(s Scorer) Scorer { return normalized{s} }

type normalized struct{ Scorer }

var _ RequestScorer = normalized{}

// ForRequest implements RequestScorer.
func (n normalized) ForRequest(r *Request, fleet *facts.Snapshot) Scorer {
	of := n.Scorer
	if p, ok := of.(RequestScorer); ok {
		if of = p.ForRequest(r, fleet); of == nil {
			return nil
		}
	}
	known := &inRange{Scorer: of, low: math.MaxInt64, high: math.MinInt64}
	for state := range fleet.All() {
		score := of.Score(r, state)
		known.low, known.high = min(known.low, score), max(known.high, score)
	}
	return known
}

type inRange struct {
	Scorer
	low, high int64
}

// Score implements Scorer.
func (n *inRange) Score(r *Request, c *facts.State) int64 {
	if n.high <= n.low {
		return 100
	}
	return int64(100 * (float64(n.Scorer.Score(r, c)) - float64(n.low)) / (float64(n.high) - float64(n.low)))
}

// shorten cuts a text that is longer than so many bytes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}
