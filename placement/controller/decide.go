package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// question is all that an answer depends on.
type question struct {
	workspace multicluster.ClusterName
	placement *v1alpha1.Placement
	workloads []placement.Workload
	// policies of the layers above, the outermost first.
	policies []named
	fleet    *cluster.Snapshot
	now      time.Time
	// settle is the age from which on a Placement that covers nothing is told.
	settle time.Duration
	// gainSince is since when the work would be so much better off elsewhere
	// that it should be rebalanced; zero if it was not.
	gainSince time.Time
	// retired clusters hold no copy any more.
	retired map[string]bool
	// evicted are the clusters that the work was pushed out of.
	evicted map[string]eviction
	// layers that set a field of the spec.
	layers map[string]string
	// scheduled are the clusters that another scheduler chose; nil if it has
	// not decided, or nobody decides but us.
	scheduled []string
	// dry says that nobody is to reckon with the answer.
	dry bool
}

// answer is the status to record, and what follows from it.
type answer struct {
	status   v1alpha1.PlacementStatus
	interest interest
	// moves are the clusters that the answer ceases to name.
	moves []Move
	// evicts are those that have to make room for this one.
	evicts []Key
	// concerned are those that may have waited for this one to be placed.
	concerned []Key
	// gainSince is the next question's.
	gainSince time.Time
	// again is when to ask again even if nothing changes; zero for never.
	again time.Duration
	// began is when the question was asked, where somebody wants to know.
	began time.Time
}

// decide answers the question. It changes a decision only where it must.
func (c *Controller) decide(ctx context.Context, q *question) (*answer, error) {
	a := &answer{status: *q.placement.Status.DeepCopy()}
	meta.RemoveStatusCondition(&a.status.Conditions, ConditionMovesHeld)
	if !q.placement.Spec.Suspend {
		a.status.Preview = nil
	}
	spec, generation := &q.placement.Spec, q.placement.Generation
	switch {
	case spec.Suspend:
		a.suspend(q)
	case spec.DryRun:
		if err := c.dryRun(ctx, q, a); err != nil {
			return nil, err
		}
	case len(q.workloads) == 0 && (len(a.status.Targets) == 0 || a.status.ObservedGeneration == generation):
		a.idle(q, c.poll)
		if a.status.Granted != nil {
			a.status.Granted = &v1alpha1.Granted{} // who comes under the same name has none
		}
		if c.usage.set(q.key(), amount{}) {
			a.concerned = c.index.in(q.workspace) // there may be room in a quota
		}
	default:
		if err := c.place(ctx, q, a); err != nil {
			return nil, err
		}
		c.metrics.decisions.WithLabelValues(placed(&a.status).Reason).Inc()
	}
	a.status.Rollout = rolloutUnder(spec, q.policies)
	a.status.Summary = summarize(a.status.Targets)
	a.interest.clusters = clustersOf(a.status.Targets)
	return a, nil
}

// place asks the engine, within what the layers above allow.
func (c *Controller) place(ctx context.Context, q *question, a *answer) error {
	if err := c.validate(&q.placement.Spec); err != nil {
		a.reject(q, err.Error(), c.poll)
		return nil
	}
	n := narrow(&q.placement.Spec, q.policies)
	if n.refusal != "" {
		a.reject(q, n.refusal, c.poll)
		return nil
	}
	spec := n.spec
	if followed := q.placement.Spec.Scheduler; followed != "" && followed != SchedulerName {
		if q.scheduled == nil {
			a.await(q, followed, c.poll)
			return nil
		}
		spec = follow(spec, q.scheduled)
	}
	q.layers = n.layers
	pen, err := c.pens.of(q.fleet, q.policies)
	if err != nil {
		return err
	}
	d, better, err := c.ask(ctx, q, spec, pen.fleet, a)
	if invalid := (*placement.SpecError)(nil); errors.As(err, &invalid) {
		a.reject(q, invalid.Error(), c.poll) // a scorer that the engine does not have, say
		return nil
	}
	if err != nil {
		return err
	}
	a.take(q, d, c.poll)
	if better {
		for i := range a.moves {
			a.moves[i].Cause = CauseRebalanced
		}
	}
	evictions(c.requestFor(q, spec), a.status.Targets, q.fleet)
	a.status.Rejected = pen.explain(d.Rejected)
	a.tell(q, d, append(n.notes, pushedOut(a.moves, q.evicted)...))
	a.interest.priority = spec.Priority
	a.interest.waiting = d.Reason != "" || wantsMore(spec, len(d.Targets))
	a.interest.properties = looksAtProperties(spec) || slices.ContainsFunc(q.policies, func(n named) bool { return selectsByProperties(n.policy.Clusters) })
	return nil
}

// validate says what makes no sense in a spec, to us and to who makes copies.
func (c *Controller) validate(spec *v1alpha1.PlacementSpec) error {
	if err := placement.ValidateSpec(spec); err != nil {
		return err
	}
	if v, ok := c.opts.copies.(SpecValidator); ok {
		return v.ValidateSpec(spec)
	}
	return nil
}

// staying returns the current targets that each may stay where it is, though
// together they are not what was asked for: that a second region is lost is no
// reason to leave the first.
func (c *Controller) staying(ctx context.Context, q *question, spec *v1alpha1.PlacementSpec, fleet *cluster.Snapshot) ([]v1alpha1.Target, error) {
	alone := *spec
	alone.Count, alone.Spread, alone.Division = nil, nil, &v1alpha1.Division{Type: v1alpha1.DivisionEven}
	var stay []v1alpha1.Target
	for _, t := range q.placement.Status.Targets {
		state, ok := fleet.Lookup(t.Cluster)
		if t.Leaving || !ok {
			continue
		}
		d, err := c.engine.Place(ctx, c.requestFor(q, &alone), cluster.NewSnapshot(state))
		if err != nil {
			return nil, fmt.Errorf("place: %w", err)
		}
		if len(d.Targets) > 0 {
			stay = append(stay, t)
		}
	}
	return stay, nil
}

// suspend keeps everything.
func (a *answer) suspend(q *question) {
	a.status.ObservedGeneration = q.placement.Generation
	if placed(&a.status) == nil {
		a.refuse(q, ReasonSuspended, "The Placement is suspended and was not decided before: set spec.suspend to false to have it decided.")
	}
}

// idle is the answer where nothing is covered: a decision made earlier stays
// for the work that may come, at no write.
func (a *answer) idle(q *question, poll time.Duration) {
	if len(a.status.Targets) > 0 {
		a.status.Targets = a.keep(q, a.status.Targets, poll)
		return
	}
	if age := q.now.Sub(q.placement.CreationTimestamp.Time); age < q.settle && a.status.ObservedGeneration == 0 {
		a.again = q.settle - age
		return
	}
	a.status.ObservedGeneration, a.status.Rejected = q.placement.Generation, nil
	a.refuse(q, v1alpha1.ReasonNothingToPlace, "The Placement covers no object: create one that it covers, or change spec.resources.")
}

// refuse sets the condition to False.
func (a *answer) refuse(q *question, reason, message string) {
	a.status.Conditions = withCondition(a.status.Conditions, condition(q.placement.Generation, reason, message), metav1.Time{Time: q.now})
}

// reject is the answer to a spec that makes no sense: the decision stays.
func (a *answer) reject(q *question, message string, poll time.Duration) {
	a.status.ObservedGeneration = q.placement.Generation
	a.status.Targets = a.keep(q, a.status.Targets, poll)
	a.refuse(q, v1alpha1.ReasonInvalid, message)
}

// await is the answer where another scheduler has not decided: the decision
// stays.
func (a *answer) await(q *question, scheduler string, poll time.Duration) {
	a.status.ObservedGeneration = q.placement.Generation
	a.status.Targets = a.keep(q, a.status.Targets, poll)
	a.refuse(q, ReasonAwaitingScheduler, fmt.Sprintf("No PlacementDecision of scheduler %q is here for the Placement: run that scheduler, or remove spec.scheduler.", scheduler))
}

// take takes over a decision of the engine.
func (a *answer) take(q *question, d *placement.Decision, poll time.Duration) {
	chosen := slices.Clone(d.Targets)
	at := make(map[string]int, len(chosen))
	now := metav1.Time{Time: q.now.Truncate(timePrecision)}
	for i := range chosen {
		at[chosen[i].Cluster] = i
		stamp(&chosen[i], nil, now)
	}
	var others []v1alpha1.Target
	for _, t := range q.placement.Status.Targets {
		was := t
		if i, ok := at[t.Cluster]; ok {
			stamp(&chosen[i], &was, now)
			continue
		}
		if !t.Leaving {
			a.moves = append(a.moves, moveOff(q, t.Cluster))
			t.Leaving, t.EvictAfter = true, nil
		}
		stamp(&t, &was, now)
		others = append(others, t)
	}
	a.status.Targets = append(chosen, a.keep(q, others, poll)...)
	slices.SortFunc(a.status.Targets, func(x, y v1alpha1.Target) int { return strings.Compare(x.Cluster, y.Cluster) })
	a.status.ObservedGeneration = q.placement.Generation
	if !d.Recheck.IsZero() {
		a.again = sooner(a.again, max(d.Recheck.Sub(q.now), time.Millisecond))
	}
}

// tell sets the condition to what the engine said and the layers noted.
func (a *answer) tell(q *question, d *placement.Decision, notes []string) {
	message := d.Message
	if d.Reason == "" && message == "" {
		message = fmt.Sprintf("The work goes to %s.", summarize(d.Targets))
	}
	message = strings.Join(append([]string{message}, notes...), " ")
	a.status.Conditions = withCondition(a.status.Conditions, condition(q.placement.Generation, d.Reason, message), metav1.Time{Time: q.now})
}

// lostPolls is how much less often a lost cluster is asked for its copies.
const lostPolls = 12

// keep returns the targets without those that work has left.
func (a *answer) keep(q *question, targets []v1alpha1.Target, poll time.Duration) []v1alpha1.Target {
	kept := make([]v1alpha1.Target, 0, len(targets))
	for _, t := range targets {
		state, there := q.fleet.Lookup(t.Cluster)
		if t.Leaving && (!there || q.retired[t.Cluster]) {
			continue
		}
		if t.Leaving {
			wait := poll
			if !state.Reachable {
				wait *= lostPolls // when it returns, the fleet says so
			}
			a.again = sooner(a.again, wait)
		}
		kept = append(kept, t)
	}
	return kept
}

// moveOff says why work leaves a cluster.
func moveOff(q *question, name string) Move {
	m := Move{Cluster: name, Cause: CausePolicy}
	state, ok := q.fleet.Lookup(name)
	if !ok {
		m.Cause = CauseRemoved
		return m
	}
	m.Region = state.Region
	switch {
	case isLost(state):
		m.Cause = CauseLost
	case state.Draining:
		m.Cause = CauseDrained
	case q.evicted[name] != (eviction{}):
		m.Cause = CausePreempted
	case q.placement.Status.ObservedGeneration != q.placement.Generation:
		m.Cause = CauseRequested
	}
	return m
}

func clustersOf(targets []v1alpha1.Target) []string {
	names := make([]string, 0, len(targets))
	for _, t := range targets {
		names = append(names, t.Cluster)
	}
	return names
}

// wantsMore says whether a decision would take another cluster if one fitted.
func wantsMore(spec *v1alpha1.PlacementSpec, chosen int) bool {
	if spec.Count == nil {
		return false
	}
	return spec.Count.Max == nil || chosen < int(*spec.Count.Max)
}

// looksAtProperties says whether properties or the version of a cluster can
// rule it out.
func looksAtProperties(spec *v1alpha1.PlacementSpec) bool {
	return len(spec.Spread) > 0 || selectsByProperties(spec.Clusters)
}

func selectsByProperties(s *v1alpha1.ClusterSelector) bool {
	return s != nil && (len(s.MatchProperties) > 0 || s.Expression != "")
}
