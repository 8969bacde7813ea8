package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
	fleet     *cluster.Snapshot
	now       time.Time
	// settle is the age from which on a Placement that covers nothing is told.
	settle time.Duration
	// retired clusters hold no copy any more.
	retired map[string]bool
}

// answer is the status to record, and what follows from it.
type answer struct {
	status   v1alpha1.PlacementStatus
	interest interest
	// moves are the clusters that the answer ceases to name.
	moves []Move
	// again is when to ask again even if nothing changes; zero for never.
	again time.Duration
}

// decide answers the question. It changes a decision only where it must.
func (c *Controller) decide(ctx context.Context, q *question) (*answer, error) {
	a := &answer{status: *q.placement.Status.DeepCopy()}
	spec, generation := &q.placement.Spec, q.placement.Generation
	switch {
	case spec.Suspend:
		a.suspend(q)
	case len(q.workloads) == 0 && (len(a.status.Targets) == 0 || a.status.ObservedGeneration == generation):
		a.idle(q, c.poll)
	default:
		if err := c.place(ctx, q, a); err != nil {
			return nil, err
		}
	}
	a.status.Summary = summarize(a.status.Targets)
	a.interest.clusters = clustersOf(a.status.Targets)
	return a, nil
}

// place asks the engine.
func (c *Controller) place(ctx context.Context, q *question, a *answer) error {
	start := time.Now()
	d, err := c.engine.Place(ctx, requestFor(q), q.fleet)
	c.metrics.duration.Observe(time.Since(start).Seconds())
	if err != nil {
		return fmt.Errorf("place: %w", err)
	}
	if d.Reason == v1alpha1.ReasonInvalid {
		a.reject(q, d.Message, c.poll)
	} else {
		a.take(q, d, c.poll)
	}
	if outcome := placed(&a.status); outcome != nil {
		c.metrics.decisions.WithLabelValues(outcome.Reason).Inc()
	}
	return nil
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

// take takes over a decision of the engine.
func (a *answer) take(q *question, d *placement.Decision, poll time.Duration) {
	chosen := slices.Clone(d.Targets)
	names := make(map[string]bool, len(chosen))
	for _, t := range chosen {
		names[t.Cluster] = true
	}
	var others []v1alpha1.Target
	for _, t := range q.placement.Status.Targets {
		if names[t.Cluster] {
			continue
		}
		if !t.Leaving {
			a.moves = append(a.moves, moveOff(q, t.Cluster))
			t.Leaving, t.EvictAfter = true, nil
		}
		others = append(others, t)
	}
	a.status.Targets = append(chosen, a.keep(q, others, poll)...)
	slices.SortFunc(a.status.Targets, func(x, y v1alpha1.Target) int { return strings.Compare(x.Cluster, y.Cluster) })
	a.status.ObservedGeneration = q.placement.Generation
	a.status.Rejected = d.Rejected
	message := d.Message
	if d.Reason == "" && message == "" {
		message = fmt.Sprintf("The work goes to %s.", summarize(chosen))
	}
	a.status.Conditions = withCondition(a.status.Conditions, condition(q.placement.Generation, d.Reason, message), metav1.Time{Time: q.now})
	a.interest.waiting = d.Reason != "" || wantsMore(&q.placement.Spec, len(chosen))
	a.interest.properties = looksAtProperties(&q.placement.Spec)
	if !d.Recheck.IsZero() {
		a.again = sooner(a.again, max(d.Recheck.Sub(q.now), time.Millisecond))
	}
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

// putOff takes back the moves of an answer, and with them all else: what is on
// record stays until the moves may happen.
func (a *answer) putOff(q *question, retry time.Duration) {
	a.status = *q.placement.Status.DeepCopy()
	a.interest.clusters = clustersOf(a.status.Targets)
	a.again = sooner(a.again, max(retry, time.Millisecond))
	a.moves = nil
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
	return spec.Clusters != nil && (len(spec.Clusters.MatchProperties) > 0 || spec.Clusters.Expression != "") || len(spec.Spread) > 0
}

func requestFor(q *question) *placement.Request {
	p := q.placement
	return &placement.Request{
		Workspace: string(q.workspace), Namespace: p.Namespace, Name: p.Name,
		Spec: &p.Spec, Workloads: q.workloads, Current: p.Status.Targets, Now: q.now,
	}
}
