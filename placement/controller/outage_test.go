package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// regionsOf returns a fleet of regions of so many clusters each, of which the
// first so many are lost, one a minute before noon after the other.
func regionsOf(sizes, lost map[string]int) *cluster.Snapshot {
	var states []*cluster.State
	for region, n := range sizes {
		for i := range n {
			s := &cluster.State{Name: fmt.Sprintf("%s-%d", region, i), Region: region, Ready: true, Reachable: true}
			if i < lost[region] {
				s.Ready, s.Reachable, s.UnreachableSince = false, false, noon.Add(time.Duration(i-lost[region]+1)*time.Minute)
			}
			states = append(states, s)
		}
	}
	return cluster.NewSnapshot(states...)
}

func TestBudgetHoldsMovesOffARegionOfWhichManyAreLost(t *testing.T) {
	sizes := map[string]int{"eu": 5, "us": 20, "small": 2, "": 5}
	off := func(region string, cause Cause) []Move {
		return []Move{{Cluster: region + "-0", Region: region, Cause: cause}}
	}
	tests := map[string]struct {
		reason string
		opts   BudgetOptions
		lost   map[string]int
		moves  []Move
		after  time.Duration
		want   string
	}{
		"two of five":             {reason: "two may fail for two reasons", lost: map[string]int{"eu": 2}, moves: off("eu", CauseLost)},
		"three of five":           {reason: "more than the share", lost: map[string]int{"eu": 3}, moves: off("eu", CauseLost), want: ReasonRegionOutage},
		"all of five":             {reason: "the region may soon be back", lost: map[string]int{"eu": 5}, moves: off("eu", CauseLost), want: ReasonRegionOutage},
		"a drain there":           {reason: "what is left of the region can't bear it", lost: map[string]int{"eu": 3}, moves: off("eu", CauseDrained), want: ReasonRegionOutage},
		"elsewhere":               {reason: "another region has nothing to do with it", lost: map[string]int{"eu": 5}, moves: off("us", CauseLost)},
		"there and elsewhere":     {reason: "the moves of a Placement happen together", lost: map[string]int{"eu": 5}, moves: append(off("us", CauseLost), off("eu", CauseLost)...), want: ReasonRegionOutage},
		"asked for":               {reason: "the owner knows why", lost: map[string]int{"eu": 5}, moves: off("eu", CauseRequested)},
		"asked for and elsewhere": {reason: "what is held is not what was asked for", lost: map[string]int{"eu": 5}, moves: append(off("us", CauseLost), off("eu", CauseRequested)...)},
		"all of two":              {reason: "few clusters are no sign of anything", lost: map[string]int{"small": 2}, moves: off("small", CauseLost)},
		"no region":               {reason: "who says none may be anywhere", lost: map[string]int{"": 5}, moves: off("", CauseLost)},
		"nearly ten minutes":      {reason: "it may still be back", lost: map[string]int{"eu": 3}, moves: off("eu", CauseLost), after: 10*time.Minute - time.Second, want: ReasonRegionOutage},
		"ten minutes":             {reason: "the region stays away", lost: map[string]int{"eu": 3}, moves: off("eu", CauseLost), after: 10 * time.Minute},
		"began with the third":    {reason: "more that are lost later do not begin it anew: the third of five was lost two minutes before noon", lost: map[string]int{"eu": 5}, moves: off("eu", CauseLost), after: 8 * time.Minute},
		"for ever":                {reason: "the platform decides itself when a region is given up", opts: BudgetOptions{RegionHold: -1}, lost: map[string]int{"eu": 3}, moves: off("eu", CauseLost), after: time.Hour, want: ReasonRegionOutage},
		"a hold of one's own":     {reason: "the platform is quick", opts: BudgetOptions{RegionHold: time.Minute}, lost: map[string]int{"eu": 3}, moves: off("eu", CauseLost), after: time.Minute},
		"a share of one's own":    {reason: "the platform is bold", opts: BudgetOptions{MaxRegionLostShare: 0.9}, lost: map[string]int{"eu": 4}, moves: off("eu", CauseLost)},
		"the rates alone":         {reason: "the platform wants no such thing", opts: BudgetOptions{MaxRegionLostShare: 2}, lost: map[string]int{"eu": 5}, moves: off("eu", CauseLost)},
		"the fleet comes first":   {reason: "it has no end", lost: map[string]int{"eu": 5, "us": 20}, moves: off("eu", CauseLost), after: time.Hour, want: ReasonPartialOutage},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, m := NewBudget(tc.opts), movesOf("w", "p", noon.Add(tc.after), tc.moves...)
			m.Fleet = regionsOf(sizes, tc.lost)
			verdict := b.Limit(t.Context(), m)
			require.Equal(t, tc.want, verdict.Reason, tc.reason)
			require.Equal(t, tc.want != "", verdict.RetryAfter > 0)
		})
	}
}

// A region that is away for a few minutes moves nothing; one that stays away is
// left, at the rate of the region, and the others never notice.
func TestRegionThatIsAwayForLongIsLeftAtItsRate(t *testing.T) {
	s := newSimulation(t, 12, 30, BudgetOptions{PerRegion: 3, Burst: 1})
	inRegion := func(edit func(*cluster.State)) {
		for i := range 4 {
			s.change(t, fmt.Sprintf("c%02d", 3*i), edit)
		}
	}
	goes := func() { // no answer at once, and the taint when the grace is over
		inRegion(func(c *cluster.State) { c.Ready, c.Reachable, c.UnreachableSince = false, false, s.now })
		inRegion(func(c *cluster.State) { s.taint(c, clusterv1alpha1.TaintUnreachable, corev1.TaintEffectNoExecute) })
	}
	for _, k := range s.keys() {
		s.reconcile(t, k)
	}
	s.advance(t, time.Hour) // buckets fill
	goes()
	s.advance(t, 9*time.Minute)
	require.Empty(t, s.moves, "it may soon be back")
	inRegion(func(c *cluster.State) {
		c.Ready, c.Reachable, c.UnreachableSince, c.Taints = true, true, time.Time{}, nil
	})
	s.advance(t, time.Hour)
	require.Empty(t, s.moves, "and was")
	goes()
	start := s.now
	s.advance(t, 2*time.Hour)
	require.NotEmpty(t, s.moves, "it stays away")
	for i, m := range s.moves {
		require.Equal(t, "r0", m.Region, "the others stay as they are")
		require.GreaterOrEqual(t, m.at.Sub(start), 10*time.Minute)
		if i > 0 {
			require.GreaterOrEqual(t, m.at.Sub(s.moves[i-1].at), 19*time.Second, "three a minute")
		}
	}
	for k, p := range s.placements {
		for _, target := range p.Status.Targets {
			state, _ := s.fleet.Lookup(target.Cluster)
			require.True(t, target.Leaving || state.Region != "r0" || target.EvictAfter == nil || placed(&p.Status).Reason != v1alpha1.ReasonPlaced, "%s is still on %s: %s", k, target.Cluster, text(&p.Status))
		}
	}
}
