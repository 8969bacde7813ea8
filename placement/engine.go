package placement

import (
	"context"
	"errors"
	"fmt"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Engine decides. It is a pure function of (request, snapshot, engine): it
// calls no server, reads no clock and draws no lots. It is safe for concurrent
// use.
type Engine struct {
	filters []Filter
	scorers []weighted
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

// WithScorer adds a scorer. The score of a cluster is the mean of all scores by
// weight; the built-in ones weigh 1 (FreeCapacity), 2 (Preferred) and 3
// (Taints).
func WithScorer(s Scorer, weight int64) Option {
	return func(e *Engine) { e.scorers = append(e.scorers, weighted{s, weight}) }
}

// NewEngine returns an engine with the built-in filters and scorers and those
// of the options.
func NewEngine(opts ...Option) (*Engine, error) {
	e := &Engine{
		filters: []Filter{Selector{}, Schedulable{}, Taints{}, ServedAPIs{}, Capacity{}},
		scorers: []weighted{{FreeCapacity{}, 1}, {Preferred{}, 2}, {Taints{}, 3}},
	}
	for _, opt := range opts {
		opt(e)
	}
	names := map[string]bool{}
	for _, f := range e.filters {
		if f == nil || names["filter "+f.Name()] {
			return nil, errors.New("placement: a filter is nil or its name is taken")
		}
		names["filter "+f.Name()] = true
	}
	for _, s := range e.scorers {
		if s.Scorer == nil || names["scorer "+s.Name()] {
			return nil, errors.New("placement: a scorer is nil or its name is taken")
		}
		if s.weight < 1 || s.weight > 1000 {
			return nil, fmt.Errorf("placement: scorer %s has weight %d: 1 to 1000", s.Name(), s.weight)
		}
		names["scorer "+s.Name()] = true
	}
	return e, nil
}

// Place decides where the work of a request goes. Targets where it is now stay
// while they may: a decision changes only when it must. A spec that makes no
// sense is an error, which names the field; that nothing fits is a Decision
// with a Reason.
func (e *Engine) Place(ctx context.Context, r *Request, fleet *cluster.Snapshot) (*Decision, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errors.New("placement: no request")
	}
	if err := ValidateSpec(r.Spec); err != nil {
		return nil, err
	}
	asked := *r
	if asked.Spec == nil {
		asked.Spec = &v1alpha1.PlacementSpec{}
	}
	if fleet == nil {
		fleet = cluster.NewSnapshot()
	}
	d := &Decision{engine: e, request: &asked, fleet: fleet}
	fitting, refusals := e.screen(&asked, fleet)
	d.Rejected = group(refusals)
	d.Recheck = recheck(&asked, fleet)
	chosen, problem := choose(&asked, fitting)
	if problem != nil {
		d.Reason, d.Message = problem.Code, problem.Message
		return d, nil
	}
	if problem := share(&asked, chosen); problem != nil {
		d.Reason, d.Message = problem.Code, problem.Message
	}
	for _, c := range dropEmpty(&asked, chosen) {
		d.Targets = append(d.Targets, v1alpha1.Target{Cluster: c.state.Name, Share: c.share, Score: c.score})
	}
	sortTargets(d.Targets)
	return d, nil
}

// candidate is a cluster that fits.
type candidate struct {
	state   *cluster.State
	score   int64
	current *v1alpha1.Target // nil if no work of the request is there
	slots   int64            // replicas that it can hold, its own counted in
	share   *int64
}

// refusal is a cluster that does not fit, and why.
type refusal struct {
	cluster, filter string
	reason          *Reason
}

// screen runs filters and scorers over the fleet, in the order of names.
func (e *Engine) screen(r *Request, fleet *cluster.Snapshot) (fitting []*candidate, refusals []refusal) {
	for state := range fleet.All() {
		if filter, reason := e.refuse(r, state); reason != nil {
			refusals = append(refusals, refusal{state.Name, filter, reason})
			continue
		}
		c := &candidate{state: state, score: e.score(r, state), slots: slots(r, state)}
		for i := range r.Current {
			if t := &r.Current[i]; t.Cluster == state.Name && !t.Leaving {
				c.current = t
			}
		}
		fitting = append(fitting, c)
	}
	return fitting, refusals
}

// refuse returns the first filter that refuses a cluster.
func (e *Engine) refuse(r *Request, state *cluster.State) (string, *Reason) {
	for _, f := range e.filters {
		if reason := f.Filter(r, state); reason != nil {
			return f.Name(), reason
		}
	}
	return "", nil
}

// score is the mean of all scores by weight, 0 to 100.
func (e *Engine) score(r *Request, state *cluster.State) int64 {
	var sum, weights int64
	for _, s := range e.scorers {
		sum += s.weight * min(100, max(0, s.Score(r, state)))
		weights += s.weight
	}
	return sum / max(1, weights)
}

// On says whether work of the request is on a cluster and not leaving it.
func (r *Request) On(cluster string) bool {
	for i := range r.Current {
		if r.Current[i].Cluster == cluster {
			return !r.Current[i].Leaving
		}
	}
	return false
}
