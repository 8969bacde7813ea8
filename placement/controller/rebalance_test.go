package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// rebalancing is a simulation of work that moves without need, on clusters
// whose load the test sets.
func rebalancing(t require.TestingT, clusters, placements int, policy v1alpha1.Rebalance, limits BudgetOptions) *simulation {
	s := newSimulation(t, clusters, placements, limits)
	s.load = map[string]int64{}
	for _, p := range s.placements {
		p.Spec = v1alpha1.PlacementSpec{Moves: &v1alpha1.MovePolicy{Rebalance: &policy}}
	}
	for _, k := range s.keys() {
		s.reconcile(t, k)
	}
	s.sync(t)
	return s
}

func TestRebalanceMovesOnceForAGainThatLasts(t *testing.T) {
	s := rebalancing(t, 2, 1, v1alpha1.Rebalance{}, BudgetOptions{})
	k := s.keys()[0]
	home := s.placements[k].Status.Targets[0].Cluster
	busy := func(percent int64) {
		s.load[home] = 100 * percent
		s.report()
	}

	busy(80)
	s.advance(t, 30*time.Minute)
	require.Empty(t, s.moves, "what came lately stays for an hour")
	busy(0)
	s.advance(t, time.Hour)
	for range 12 {
		busy(80)
		s.advance(t, 4*time.Minute)
		busy(0)
		s.advance(t, 20*time.Minute)
	}
	require.Empty(t, s.moves, "a peak that passes moves nothing")
	busy(10)
	s.advance(t, 24*time.Hour)
	require.Empty(t, s.moves, "a small gain is not worth a move")
	busy(80)
	s.advance(t, 24*time.Hour)
	require.Len(t, s.moves, 1, "a gain that lasts moves the work, once")
	require.Equal(t, CauseRebalanced, s.moves[0].Cause)
}

func TestRebalanceIsAskedForAndForgetsAtARestart(t *testing.T) {
	s := rebalancing(t, 2, 2, v1alpha1.Rebalance{MinGain: new(int32(5)), MinStaySeconds: new(int64(60))}, BudgetOptions{})
	content := s.keys()[0]
	s.placements[content].Spec.Moves = nil
	for state := range s.fleet.All() {
		s.load[state.Name] = 0
	}
	s.load[s.placements[s.keys()[1]].Status.Targets[0].Cluster] = 8000
	s.report()
	s.advance(t, 2*time.Hour)
	for _, m := range s.moves {
		require.NotEqual(t, content, m.of, "who did not ask for it stays")
	}

	s = rebalancing(t, 2, 1, v1alpha1.Rebalance{}, BudgetOptions{})
	s.advance(t, 2*time.Hour)
	s.load[s.placements[s.keys()[0]].Status.Targets[0].Cluster] = 8000
	s.report()
	for range 6 {
		s.advance(t, 3*time.Minute)
		s.restart(t)
	}
	require.Empty(t, s.moves, "a controller that restarts all the time moves nothing: it has not seen a gain that lasts")
	s.advance(t, time.Hour)
	require.Len(t, s.moves, 1)
}

// Whatever the load does, over days and restarts: no work moves more often than
// its policy says, the budget is kept, and a load that stays brings rest.
func TestRebalancingNeitherFlapsNorBreaksTheBudget(t *testing.T) {
	limits := BudgetOptions{PerMinute: 1, PerWorkspace: 0.5, PerRegion: 0.5, Burst: 2}
	rapid.Check(t, func(t *rapid.T) {
		stay := time.Duration(rapid.IntRange(60, 7200).Draw(t, "stay")) * time.Second
		s := rebalancing(t, 4, 6, v1alpha1.Rebalance{MinStaySeconds: new(int64(stay.Seconds()))}, limits)
		for range rapid.IntRange(5, 12).Draw(t, "events") {
			name := fmt.Sprintf("c%02d", rapid.IntRange(0, 3).Draw(t, "cluster"))
			s.load[name] = int64(rapid.IntRange(0, 95).Draw(t, "load")) * 100
			s.report()
			s.advance(t, time.Duration(rapid.IntRange(0, 240).Draw(t, "minutes"))*time.Minute)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				s.restart(t)
			}
		}
		s.advance(t, 12*time.Hour)
		rest := len(s.moves)
		s.advance(t, 6*time.Hour)
		require.Len(t, s.moves, rest, "a load that stays brings rest")
		last := map[Key]time.Time{}
		for _, m := range s.moves {
			if at, ok := last[m.of]; ok && m.Cause == CauseRebalanced {
				require.GreaterOrEqual(t, m.at.Sub(at)+timePrecision, stay, "%s", m.of)
			}
			last[m.of] = m.at
		}
		require.True(t, withinBudget(s.moves, limits.PerMinute, limits.Burst), "%v", s.moves)
		for group, of := range groups(s.moves) {
			require.True(t, withinBudget(of, 0.5, limits.Burst), "%s: %v", group, of)
		}
	})
}

func TestDryRunShowsTheDecisionAndKeepsTheRecord(t *testing.T) {
	dry := func(p *v1alpha1.Placement) { p.Spec.DryRun, p.Generation = true, 2 }
	s := newSimulation(t, 3, 1, BudgetOptions{})
	k := s.keys()[0]
	s.reconcile(t, k)
	s.sync(t)
	home := s.placements[k].Status.Targets[0].Cluster
	dry(s.placements[k])
	s.placements[k].Spec.Clusters = &v1alpha1.ClusterSelector{MatchExpressions: []v1alpha1.Requirement{{Key: "half", Operator: v1alpha1.OpIn, Values: []string{"1"}}}}
	s.reconcile(t, k)
	status := s.placements[k].Status
	require.Equal(t, home, status.Summary, "the work stays")
	require.Equal(t, &v1alpha1.Preview{
		ObservedGeneration: 2, Reason: v1alpha1.ReasonPlaced, Message: "The work goes to c01.", Summary: "c01",
		Added: []string{"c01"}, Removed: []string{"c00"},
	}, status.Preview)
	require.Empty(t, s.moves, "a dry run is on nobody's budget")
	require.Equal(t, metav1.ConditionTrue, placed(&status).Status)
	writes := s.writes
	s.reconcile(t, k)
	require.Equal(t, writes, s.writes, "once is enough")

	s.placements[k].Spec.DryRun, s.placements[k].Generation = false, 3
	s.reconcile(t, k)
	require.Equal(t, "(c00) c01", s.placements[k].Status.Summary[:9])
	require.Nil(t, s.placements[k].Status.Preview)
	require.Equal(t, CauseRequested, s.moves[0].Cause)
}

func TestDryRunOfWhatWasNeverDecided(t *testing.T) {
	s := newSimulation(t, 1, 1, BudgetOptions{})
	k := s.keys()[0]
	s.placements[k].Spec.DryRun = true
	s.reconcile(t, k)
	require.Empty(t, s.placements[k].Status.Targets)
	require.Equal(t, ReasonDryRun, placed(&s.placements[k].Status).Reason)
	require.Equal(t, []string{"c00"}, s.placements[k].Status.Preview.Added)
}
