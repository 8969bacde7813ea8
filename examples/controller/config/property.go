package config

import (
	"fmt"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
)

// propertyScorer scores clusters by a number that was declared for them.
type propertyScorer struct {
	name, property string
	best, worst    float64
}

var _ placement.Scorer = propertyScorer{}

func newPropertyScorer(s Scorer) (placement.Scorer, error) {
	if s.Best == s.Worst {
		return nil, fmt.Errorf("scorer %q: best and worst are both %v: they say which values of %q score 100 and 0", s.Name, s.Best, s.Property)
	}
	return propertyScorer{s.Name, s.Property, s.Best, s.Worst}, nil
}

// Name implements placement.Scorer.
func (s propertyScorer) Name() string { return s.name }

// Score implements placement.Scorer.
func (s propertyScorer) Score(_ *placement.Request, c *cluster.State) int64 {
	p, ok := c.Properties[s.property]
	if !ok || !p.Numeric {
		return 0
	}
	return int64(100 * (p.Number - s.worst) / (s.best - s.worst))
}
