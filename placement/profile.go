package placement

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// The profile of an engine is which filters it runs and what each scorer
// weighs. A Placement weighs scorers anew in spec.scoring.weights, and adds
// those of spec.scoring.properties, expressions and external.

// builtinScorers are all the scorers that come with the engine. Those that
// weigh nothing wait for a Placement, or an option, to name them.
func builtinScorers(x *expressions) []weighted {
	return []weighted{
		{FreeCapacity{}, 1},
		{Preferred{x}, 2},
		{Taints{}, 3},
		{PreferredAffinity{}, 2},
		{MostAllocated{}, 0},
		{Balance{}, 0},
		{TopologySpread{}, 0},
		{Stability{}, 0},
		{LeastUsed{}, 0},
	}
}

// filtersFor prepares the filters for a request.
func (e *Engine) filtersFor(r *Request, fleet *facts.Snapshot) []Filter {
	filters := make([]Filter, 0, len(e.filters))
	for _, f := range e.filters {
		if p, ok := f.(RequestFilter); ok {
			if f = p.ForRequest(r, fleet); f == nil {
				continue
			}
		}
		filters = append(filters, f)
	}
	return filters
}

// scorersFor prepares the scorers for a request, with their weights.
func (e *Engine) scorersFor(r *Request, fleet *facts.Snapshot) []weighted {
	scorers := make([]weighted, 0, len(e.scorers))
	add := func(s Scorer, weight int64) {
		if weight <= 0 {
			return
		}
		if p, ok := s.(RequestScorer); ok {
			if s = p.ForRequest(r, fleet); s == nil {
				return
			}
		}
		scorers = append(scorers, weighted{s, weight})
	}
	scoring := r.Spec.Scoring
	for i := range e.scorers {
		s := &e.scorers[i]
		weight := s.weight
		if scoring != nil && len(scoring.Weights) > 0 {
			weight = weightIn(scoring.Weights, s.Name(), weight)
		}
		add(s.Scorer, weight)
	}
	if scoring != nil {
		for i := range scoring.Properties {
			p := &scoring.Properties[i]
			add(&byProperty{score: p}, orOne(p.Weight))
		}
		for i := range scoring.Expressions {
			x := &scoring.Expressions[i]
			add(&byExpression{expressions: e.expressions, text: x.Expression}, orOne(x.Weight))
		}
	}
	for i := range r.Scores {
		weight := e.external[r.Scores[i].Name]
		if scoring != nil {
			weight = weightIn(scoring.External, r.Scores[i].Name, weight)
		}
		add(&fromOutside{&r.Scores[i]}, weight)
	}
	return scorers
}

func weightIn(weights []v1alpha1.ScorerWeight, name string, otherwise int64) int64 {
	for i := range weights {
		if weights[i].Name == name {
			return int64(weights[i].Weight)
		}
	}
	return otherwise
}

func orOne(weight *int32) int64 {
	if weight == nil {
		return 1
	}
	return int64(*weight)
}

// Validate returns all that makes no sense in a spec, as ValidateSpec does, and
// names scorers that the engine does not have.
func (e *Engine) Validate(s *v1alpha1.PlacementSpec) error {
	if s == nil {
		return nil
	}
	errs := specErrors(s, e.expressions)
	if s.Scoring != nil {
		for i := range s.Scoring.Weights {
			name := s.Scoring.Weights[i].Name
			if !slices.ContainsFunc(e.scorers, func(o weighted) bool { return o.Name() == name }) {
				errs = append(errs, field.NotSupported(field.NewPath("spec", "scoring", "weights").Index(i).Child("name"), name, e.scorerNames()))
			}
		}
	}
	return errs.ToAggregate()
}

func (e *Engine) scorerNames() []string {
	names := make([]string, 0, len(e.scorers))
	for i := range e.scorers {
		names = append(names, e.scorers[i].Name())
	}
	return names
}

// WithExternalScores has scores from outside count for every Placement: those
// that a Request has under that name.
func WithExternalScores(name string, weight int64) Option {
	return func(e *Engine) {
		if e.external == nil {
			e.external = map[string]int64{}
		}
		e.external[name] = weight
	}
}

// WithCapacityReserve keeps some percent of what is allocatable free on every
// cluster. A Placement may raise it for itself in spec.reservePercent.
func WithCapacityReserve(percent int) Option {
	return func(e *Engine) { e.reserve = percent }
}

// WithoutFilter takes a built-in filter out.
func WithoutFilter(name string) Option {
	return func(e *Engine) {
		e.filters = slices.DeleteFunc(e.filters, func(f Filter) bool { return f != nil && f.Name() == name })
	}
}

// checkProfile checks what no other check does.
func (e *Engine) checkProfile() error {
	if e.reserve < 0 || e.reserve > 100 {
		return fmt.Errorf("placement: a reserve of %d percent: 0 to 100", e.reserve)
	}
	for name, weight := range e.external {
		if name == "" || weight < 0 || weight > mostWeight {
			return fmt.Errorf("placement: external scores %q have weight %d: 0 to %d", name, weight, mostWeight)
		}
	}
	return nil
}

// byScorer orders scores from outside by name.
func byScorer(a, b ExternalScores) int { return cmp.Compare(a.Name, b.Name) }
