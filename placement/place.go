package placement

import (
	"context"
	"errors"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Place decides where the work of a request goes. Targets where it is now stay
// while they may: a decision changes only when it must. A spec that makes no
// sense is an error, which names the field; that nothing fits is a Decision
// with a Reason.
func (e *Engine) Place(ctx context.Context, r *Request, fleet *facts.Snapshot) (*Decision, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errors.New("placement: no request")
	}
	if err := e.Validate(r.Spec); err != nil {
		return nil, &SpecError{err}
	}
	if fleet == nil {
		fleet = facts.NewSnapshot()
	}
	asked := r.prepare()
	fleet = Overlay(fleet, asked.Reserved)
	d := &Decision{engine: e, request: asked, fleet: fleet}
	s := e.screen(asked, fleet)
	d.Rejected = s.refusals.rejections(asked)
	d.Recheck = recheck(asked, fleet)
	chosen, problem := s.choose(&d.choice)
	if problem == nil {
		problem = s.share(chosen)
	}
	if problem != nil {
		d.Reason, d.Message = problem.Code, problem.Message
	}
	if len(chosen) == 0 {
		return d, nil
	}
	chosen = dropEmpty(asked, chosen)
	d.Targets = make([]v1alpha1.Target, 0, len(chosen))
	for i := range chosen {
		d.Targets = append(d.Targets, v1alpha1.Target{Cluster: chosen[i].state.Name, Share: chosen[i].share, Score: chosen[i].score})
	}
	sortTargets(d.Targets)
	return d, nil
}

// SpecError is what Place returns for a spec that makes no sense. Its message
// names every field that is wrong.
type SpecError struct{ Err error }

func (e *SpecError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *SpecError) Unwrap() error { return e.Err }
