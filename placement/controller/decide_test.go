package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// says is an Engine that always says the same.
type says struct {
	decision placement.Decision
	err      error
	asked    *placement.Request
}

func (s *says) Place(_ context.Context, r *placement.Request, _ *cluster.Snapshot) (*placement.Decision, error) {
	s.asked = r
	return &s.decision, s.err
}

func targets(names ...string) []v1alpha1.Target {
	out := make([]v1alpha1.Target, 0, len(names))
	for _, name := range names {
		t := v1alpha1.Target{Cluster: name}
		if name[0] == '(' {
			t = v1alpha1.Target{Cluster: name[1 : len(name)-1], Leaving: true}
		}
		out = append(out, t)
	}
	return out
}

// questionWith is about a Placement of generation 1 that covers one object and
// was decided on for "a", in a fleet of a, b and c.
func questionWith(edits ...func(*question)) *question {
	q := &question{
		workspace: "w", now: noon, settle: 5 * time.Second,
		placement: &v1alpha1.Placement{
			ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "n", Generation: 1, CreationTimestamp: metav1.Time{Time: noon.Add(-time.Hour)}},
			Status:     v1alpha1.PlacementStatus{ObservedGeneration: 1, Targets: targets("a"), Summary: "a"},
		},
		workloads: make([]placement.Workload, 1),
		fleet:     cluster.NewSnapshot(alive("a"), alive("b"), alive("c")),
		retired:   map[string]bool{},
	}
	q.placement.Status.Conditions = withCondition(nil, condition(1, "", "As before."), metav1.Time{Time: noon.Add(-time.Hour)})
	for _, edit := range edits {
		edit(q)
	}
	return q
}

func alive(name string) *cluster.State {
	return &cluster.State{Name: name, Region: "r-" + name, Ready: true, Reachable: true}
}

func was(names ...string) func(*question) {
	return func(q *question) {
		q.placement.Status.Targets = targets(names...)
		if len(names) == 0 {
			q.placement.Status = v1alpha1.PlacementStatus{}
		}
	}
}

func edited(q *question)        { q.placement.Generation = 2 }
func coversNothing(q *question) { q.workloads = nil }
func suspended(q *question)     { q.placement.Spec.Suspend = true }
func newlyCreated(q *question) {
	q.placement.CreationTimestamp = metav1.Time{Time: noon.Add(-time.Second)}
}

func retiredFrom(name string) func(*question) {
	return func(q *question) { q.retired[name] = true }
}

func without(name string) func(*question) {
	return func(q *question) { q.fleet = q.fleet.Without(name) }
}

func with(name string, edit func(*cluster.State)) func(*question) {
	return func(q *question) {
		s := alive(name)
		edit(s)
		q.fleet = q.fleet.With(s)
	}
}

func TestDecide(t *testing.T) {
	const poll = time.Minute
	type want struct {
		on      string // targets, those leaving in parentheses
		reason  string // of the condition Placed; empty for none
		moves   []Move
		again   time.Duration
		waiting bool
		write   difference
	}
	chooses := func(names ...string) placement.Decision { return placement.Decision{Targets: targets(names...)} }
	nowhere := placement.Decision{Reason: v1alpha1.ReasonNoClusterFits, Message: "Add a cluster."}
	tests := map[string]struct {
		reason string
		q      *question
		engine placement.Decision
		want   want
	}{
		"first decision": {
			reason: "one write, and nothing moves",
			q:      questionWith(was()), engine: chooses("b"),
			want: want{on: "b", reason: v1alpha1.ReasonPlaced, write: material},
		},
		"unchanged": {
			reason: "no write", q: questionWith(), engine: chooses("a"),
			want: want{on: "a", reason: v1alpha1.ReasonPlaced, write: details},
		},
		"moved": {
			reason: "the old one stays on record", q: questionWith(), engine: chooses("b"),
			want: want{on: "(a) b", reason: v1alpha1.ReasonPlaced, moves: []Move{{Cluster: "a", Region: "r-a", Cause: CausePolicy}}, again: poll, write: material},
		},
		"moved by its owner": {
			reason: "the spec is new", q: questionWith(edited), engine: chooses("b"),
			want: want{on: "(a) b", reason: v1alpha1.ReasonPlaced, moves: []Move{{Cluster: "a", Region: "r-a", Cause: CauseRequested}}, again: poll, write: material},
		},
		"moved off a lost cluster": {
			reason: "its copies are asked for rarely: its return is told of",
			q:      questionWith(with("a", func(s *cluster.State) { s.Reachable, s.UnreachableSince = false, noon })), engine: chooses("b"),
			want: want{on: "(a) b", reason: v1alpha1.ReasonPlaced, moves: []Move{{Cluster: "a", Cause: CauseLost, Region: "r-a"}}, again: lostPolls * poll, write: material},
		},
		"moved off a draining cluster": {
			reason: "the cause is told to the limiter",
			q:      questionWith(with("a", func(s *cluster.State) { s.Draining = true })), engine: chooses("b"),
			want: want{on: "(a) b", reason: v1alpha1.ReasonPlaced, moves: []Move{{Cluster: "a", Cause: CauseDrained, Region: "r-a"}}, again: poll, write: material},
		},
		"moved off a removed cluster": {
			reason: "a cluster that left the fleet is not on record",
			q:      questionWith(without("a")), engine: chooses("b"),
			want: want{on: "b", reason: v1alpha1.ReasonPlaced, moves: []Move{{Cluster: "a", Cause: CauseRemoved}}, write: material},
		},
		"leaving, copies left": {
			reason: "on record until they are gone", q: questionWith(was("(a)", "b")), engine: chooses("b"),
			want: want{on: "(a) b", reason: v1alpha1.ReasonPlaced, again: poll, write: details},
		},
		"leaving, no copies left": {
			reason: "off the record", q: questionWith(was("(a)", "b"), retiredFrom("a")), engine: chooses("b"),
			want: want{on: "b", reason: v1alpha1.ReasonPlaced, write: material},
		},
		"leaving, chosen again": {
			reason: "it ceases to leave, and the other leaves", q: questionWith(was("(a)", "b")), engine: chooses("a"),
			want: want{on: "a (b)", reason: v1alpha1.ReasonPlaced, moves: []Move{{Cluster: "b", Region: "r-b", Cause: CausePolicy}}, again: poll, write: material},
		},
		"nowhere": {
			reason: "what runs stays on record, and a cluster is waited for", q: questionWith(), engine: nowhere,
			want: want{on: "(a)", reason: v1alpha1.ReasonNoClusterFits, moves: []Move{{Cluster: "a", Region: "r-a", Cause: CausePolicy}}, again: poll, waiting: true, write: material},
		},
		"a toleration runs out": {
			reason: "it asks again at that moment", q: questionWith(),
			engine: placement.Decision{Targets: targets("a"), Recheck: noon.Add(10 * time.Second)},
			want:   want{on: "a", reason: v1alpha1.ReasonPlaced, again: 10 * time.Second, write: details},
		},
		"a toleration has run out": {
			reason: "it asks again at once", q: questionWith(),
			engine: placement.Decision{Targets: targets("a"), Recheck: noon.Add(-time.Second)},
			want:   want{on: "a", reason: v1alpha1.ReasonPlaced, again: time.Millisecond, write: details},
		},
		"invalid": {
			reason: "the decision stays", q: questionWith(edited, func(q *question) { q.placement.Spec.Clusters = &v1alpha1.ClusterSelector{Expression: "no ("} }), engine: chooses("b"),
			want: want{on: "a", reason: v1alpha1.ReasonInvalid, write: material},
		},
		"suspended": {
			reason: "the decision stays, whatever the engine would say", q: questionWith(edited, suspended), engine: chooses("b"),
			want: want{on: "a", reason: v1alpha1.ReasonPlaced, write: material},
		},
		"suspended while leaving": {
			reason: "everything stays", q: questionWith(was("(a)", "b"), suspended, retiredFrom("a")), engine: chooses("b"),
			want: want{on: "(a) b", reason: v1alpha1.ReasonPlaced, write: details},
		},
		"suspended from the start": {
			reason: "its owner is told why nothing happens", q: questionWith(was(), suspended), engine: chooses("b"),
			want: want{reason: ReasonSuspended, write: material},
		},
		"covers nothing, new": {
			reason: "its objects may be on their way", q: questionWith(was(), coversNothing, newlyCreated), engine: chooses("b"),
			want: want{again: 4 * time.Second},
		},
		"covers nothing": {
			reason: "its owner is told", q: questionWith(was(), coversNothing), engine: chooses("b"),
			want: want{reason: v1alpha1.ReasonNothingToPlace, write: material},
		},
		"covers nothing any more": {
			reason: "the decision stays, at no write", q: questionWith(coversNothing), engine: chooses("b"),
			want: want{on: "a", reason: v1alpha1.ReasonPlaced},
		},
		"covers nothing any more, leaving": {
			reason: "what has left goes off the record", q: questionWith(was("(a)", "b"), coversNothing, retiredFrom("a")), engine: chooses("b"),
			want: want{on: "b", reason: v1alpha1.ReasonPlaced, write: material},
		},
		"covers nothing any more, edited": {
			reason: "the record must not contradict the spec", q: questionWith(coversNothing, edited), engine: chooses("b"),
			want: want{on: "(a) b", reason: v1alpha1.ReasonPlaced, moves: []Move{{Cluster: "a", Region: "r-a", Cause: CauseRequested}}, again: poll, write: material},
		},
		"as many as there are": {
			reason: "it waits for clusters that join", q: questionWith(func(q *question) { q.placement.Spec.Count = &v1alpha1.Count{} }), engine: chooses("a"),
			want: want{on: "a", reason: v1alpha1.ReasonPlaced, waiting: true, write: details},
		},
		"as many as it may have": {
			reason: "it waits for none", q: questionWith(func(q *question) { q.placement.Spec.Count = &v1alpha1.Count{Max: new(int32(1))} }), engine: chooses("a"),
			want: want{on: "a", reason: v1alpha1.ReasonPlaced, write: details},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := controllerWith(t, &says{decision: tc.engine})
			before := tc.q.placement.DeepCopy()
			a, err := c.decide(t.Context(), tc.q)
			require.NoError(t, err)
			got := want{on: summarize(a.status.Targets), moves: a.moves, again: a.again, waiting: a.interest.waiting, write: compareStatus(&tc.q.placement.Status, &a.status)}
			if outcome := placed(&a.status); outcome != nil {
				got.reason = outcome.Reason
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			require.Equal(t, before, tc.q.placement, "what is shared with the cache is not changed")
			require.Equal(t, clustersOf(a.status.Targets), a.interest.clusters)
		})
	}
}

func TestDecideAsksWithAllThatTheEngineNeeds(t *testing.T) {
	engine := &says{decision: placement.Decision{Targets: targets("b")}}
	q := questionWith(was("(a)", "b"))
	_, err := controllerWith(t, engine).decide(t.Context(), q)
	require.NoError(t, err)
	want := &placement.Request{
		Workspace: "w", Namespace: "n", Name: "p", Spec: &q.placement.Spec, Workloads: q.workloads,
		Current: targets("(a)", "b"), Now: noon,
	}
	require.Empty(t, cmp.Diff(want, engine.asked))
}

func TestDecidePassesErrorsOn(t *testing.T) {
	boom := errors.New("boom")
	_, err := controllerWith(t, &says{err: boom}).decide(t.Context(), questionWith())
	require.ErrorIs(t, err, boom)
}

func TestPutOffTakesEverythingBackAndTellsWhoeverWaitsForLong(t *testing.T) {
	const retry = 3 * time.Second
	told := func(reason string) func(*question) {
		return func(q *question) {
			q.placement.Status.Conditions = append(q.placement.Status.Conditions, metav1.Condition{Type: ConditionMovesHeld, Status: metav1.ConditionTrue, Reason: reason})
		}
	}
	tests := map[string]struct {
		reason string
		edit   func(*question)
		tellIn time.Duration
		want   difference
		again  time.Duration
	}{
		"at first":       {reason: "a storm that passes quickly costs no write", edit: edited, tellIn: time.Minute, want: same, again: retry},
		"shortly before": {reason: "it is told when it is time", edit: edited, tellIn: time.Second, want: same, again: time.Second},
		"for long":       {reason: "the owner reads why nothing happens", edit: edited, tellIn: 0, want: material, again: retry},
		"told before":    {reason: "once is enough, after a restart too", edit: told(ReasonOverBudget), tellIn: time.Minute, want: same, again: retry},
		"another reason": {reason: "what holds the moves up is another thing now", edit: told(ReasonPartialOutage), tellIn: time.Minute, want: material, again: retry},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			q := questionWith(tc.edit)
			a, err := controllerWith(t, &says{decision: placement.Decision{Targets: targets("b")}}).decide(t.Context(), q)
			require.NoError(t, err)
			a.putOff(q, Verdict{Reason: ReasonOverBudget, RetryAfter: retry}, tc.tellIn)
			require.Equal(t, tc.want, compareStatus(&q.placement.Status, &a.status), tc.reason)
			require.Equal(t, tc.again, a.again)
			require.Equal(t, []string{"a"}, a.interest.clusters)
			if tc.want == material {
				held := meta.FindStatusCondition(a.status.Conditions, ConditionMovesHeld)
				require.Equal(t, ReasonOverBudget, held.Reason)
				require.Contains(t, held.Message, "leave a (")
			}
		})
	}
}

func TestHeldMovesAreForgottenWhenNothingHasToMove(t *testing.T) {
	q := questionWith(func(q *question) {
		q.placement.Status.Conditions = append(q.placement.Status.Conditions, metav1.Condition{Type: ConditionMovesHeld, Status: metav1.ConditionTrue, Reason: ReasonPartialOutage})
	})
	a, err := controllerWith(t, &says{decision: placement.Decision{Targets: targets("a")}}).decide(t.Context(), q)
	require.NoError(t, err)
	require.Nil(t, meta.FindStatusCondition(a.status.Conditions, ConditionMovesHeld))
	require.Equal(t, material, compareStatus(&q.placement.Status, &a.status))
}

func controllerWith(t *testing.T, engine Engine) *Controller {
	t.Helper()
	m, err := newMetrics(nil, newIndex(), newLedger(0))
	require.NoError(t, err)
	c := &Controller{watcher: workspaces.NewWatcher(nil, nil, nil), engine: engine, metrics: m, poll: time.Minute, index: newIndex(), ledger: newLedger(0), neighbours: newNeighbours(), usage: newUsages(), preemptions: newPreemptions(), gate: newGate()}
	c.opts.now = func() time.Time { return noon }
	return c
}

// onlyAlone is an Engine that refuses any fleet but one of a single cluster
// that does not drain.
type onlyAlone struct{}

func (onlyAlone) Place(_ context.Context, _ *placement.Request, fleet *cluster.Snapshot) (*placement.Decision, error) {
	if fleet.Len() == 1 && !fleet.At(0).Draining {
		return &placement.Decision{Targets: targets(fleet.At(0).Name)}, nil
	}
	return &placement.Decision{Reason: v1alpha1.ReasonSpreadUnsatisfiable, Message: "Add a region."}, nil
}

func TestDecideKeepsWhatMayStayWhereNotAllCanBeHad(t *testing.T) {
	q := questionWith(was("a", "b", "(c)"), with("b", func(s *cluster.State) { s.Draining = true }))
	q.placement.Status.Targets[0].Share = new(int64(7))
	a, err := controllerWith(t, onlyAlone{}).decide(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, "a:7 (b) (c)", summarize(a.status.Targets), "that one must leave is no reason for the other to")
	require.Equal(t, v1alpha1.ReasonSpreadUnsatisfiable, placed(&a.status).Reason)
	require.Equal(t, []Move{{Cluster: "b", Region: "r-b", Cause: CauseDrained}}, a.moves)
	require.True(t, a.interest.waiting)
}
