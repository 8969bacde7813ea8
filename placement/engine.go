package placement

import (
	"errors"
	"fmt"
	"slices"
)

// Engine decides. It is a pure function of (request, snapshot, engine): it
// calls no server, reads no clock and draws no lots. It is safe for concurrent
// use.
type Engine struct {
	filters     []Filter
	scorers     []weighted
	expressions *expressions
	external    map[string]int64 // weights of scores from outside
	reserve     int              // percent of each cluster
}

type weighted struct {
	Scorer
	weight int64
}

// Option configures an Engine.
type Option func(*Engine)

// WithFilter adds a filter after the built-in ones.
func WithFilter(f Filter) Option {
	return func(e *Engine) { e.filters = append(e.filters, f) }
}

// WithScorer adds a scorer, or changes the weight of the built-in one of that
// name. The score of a cluster is the mean of all scores by weight; the
// built-in ones weigh 1 (FreeCapacity), 2 (Preferred and PreferredAffinity), 3 (Taints)
// and 0 (MostAllocated, Balance, TopologySpread, Stability and LeastUsed). One of weight 0
// counts only for a Placement that gives it a weight in spec.scoring.
func WithScorer(s Scorer, weight int64) Option {
	return func(e *Engine) { e.scorers = append(e.scorers, weighted{s, weight}) }
}

// mostWeight bounds the weight of a scorer.
const mostWeight = 1000

// NewEngine returns an engine with the built-in filters and scorers and those
// of the options.
func NewEngine(opts ...Option) (*Engine, error) {
	x := &expressions{}
	e := &Engine{
		filters:     []Filter{Selector{x}, Evicted{}, Schedulable{}, Taints{}, ServedAPIs{}, Affinity{}, Capacity{}, Nodes{}},
		scorers:     builtinScorers(x),
		expressions: x,
	}
	builtin := len(e.scorers)
	for _, opt := range opts {
		if opt != nil {
			opt(e)
		}
	}
	for i := range e.filters {
		if _, ok := e.filters[i].(Capacity); ok {
			e.filters[i] = Capacity{Reserve: e.reserve}
		}
	}
	if err := errors.Join(e.checkProfile(), e.checkFilters(), e.checkScorers(builtin)); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Engine) checkFilters() error {
	names := map[string]bool{}
	for _, f := range e.filters {
		if f == nil || f.Name() == "" || names[f.Name()] {
			return errors.New("placement: a filter is nil, has no name, or its name is taken")
		}
		names[f.Name()] = true
	}
	return nil
}

// checkScorers merges the scorers of the options into the built-in ones.
func (e *Engine) checkScorers(builtin int) error {
	given := e.scorers[builtin:]
	e.scorers = slices.Clip(e.scorers[:builtin])
	for _, s := range given {
		if s.Scorer == nil || s.Name() == "" {
			return errors.New("placement: a scorer is nil or has no name")
		}
		if s.weight < 0 || s.weight > mostWeight {
			return fmt.Errorf("placement: scorer %s has weight %d: 0 to %d", s.Name(), s.weight, mostWeight)
		}
		at := slices.IndexFunc(e.scorers, func(o weighted) bool { return o.Name() == s.Name() })
		switch {
		case at >= builtin:
			return fmt.Errorf("placement: the name of scorer %s is taken", s.Name())
		case at >= 0:
			e.scorers[at] = s
		default:
			e.scorers = append(e.scorers, s)
		}
	}
	return nil
}
