package controller

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// fleetOf returns a fleet of clusters of which the first so many are lost.
func fleetOf(all, lost int) *cluster.Snapshot {
	states := make([]*cluster.State, 0, all)
	for i := range all {
		s := &cluster.State{Name: fmt.Sprintf("c%03d", i), Ready: true, Reachable: true}
		if i < lost {
			s.Ready, s.Reachable, s.UnreachableSince = false, false, noon
		}
		states = append(states, s)
	}
	return cluster.NewSnapshot(states...)
}

func movesOf(workspace, name string, at time.Time, moves ...Move) *Moves {
	return &Moves{
		Workspace: multicluster.ClusterName(workspace), Placement: types.NamespacedName{Namespace: "default", Name: name},
		Moves: moves, Fleet: fleetOf(10, 1), Now: at,
	}
}

func TestBudgetStopsEvictingInAPartialOutage(t *testing.T) {
	tests := map[string]struct {
		reason    string
		share     float64
		all, lost int
		cause     Cause
		want      bool
	}{
		"one of three":            {reason: "a single failure is what failover is for", all: 3, lost: 1, cause: CauseLost, want: true},
		"one of two":              {reason: "few clusters are no sign of a fault on our side", all: 2, lost: 1, cause: CauseLost, want: true},
		"two of three":            {reason: "two may fail for two reasons", all: 3, lost: 2, cause: CauseLost, want: true},
		"all of one":              {reason: "there is nowhere to go, and the fault is likely ours", all: 1, lost: 1, cause: CauseLost},
		"all of a hundred":        {reason: "there is nowhere to go", all: 100, lost: 100, cause: CauseLost},
		"54 of a hundred":         {reason: "below the share", all: 100, lost: 54, cause: CauseLost, want: true},
		"55 of a hundred":         {reason: "the share itself", all: 100, lost: 55, cause: CauseLost},
		"a drain in an outage":    {reason: "what is left could not bear it, and it can wait", all: 100, lost: 60, cause: CauseDrained},
		"a drain without one":     {reason: "a few failures stop no maintenance", all: 100, lost: 10, cause: CauseDrained, want: true},
		"removals in an outage":   {reason: "whoever removes them may be led astray by the same fault", all: 100, lost: 60, cause: CauseRemoved},
		"rebalance in an outage":  {reason: "it is never urgent", all: 100, lost: 60, cause: CauseRebalanced},
		"a policy in an outage":   {reason: "it can wait", all: 100, lost: 60, cause: CausePolicy},
		"a request in an outage":  {reason: "the owner asked for it", all: 100, lost: 60, cause: CauseRequested, want: true},
		"a share of one's own":    {reason: "the platform is careful", share: 0.1, all: 100, lost: 10, cause: CauseLost},
		"a share that is not met": {reason: "the platform is bold", share: 1, all: 100, lost: 99, cause: CauseLost, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := NewBudget(BudgetOptions{MaxLostShare: tc.share})
			m := movesOf("w", "p", noon, Move{Cluster: "c000", Cause: tc.cause})
			m.Fleet = fleetOf(tc.all, tc.lost)
			verdict := b.Limit(t.Context(), m)
			require.Equal(t, tc.want, verdict.Allowed(), tc.reason)
			if !tc.want {
				require.Equal(t, ReasonPartialOutage, verdict.Reason)
				require.Positive(t, verdict.RetryAfter)
			}
		})
	}
}

func TestBudgetBoundsRates(t *testing.T) {
	off := func(region string) Move { return Move{Cluster: "c000", Region: region, Cause: CauseDrained} }
	requested := Move{Cluster: "c000", Region: "eu", Cause: CauseRequested}
	type ask struct {
		workspace string
		after     time.Duration
		moves     []Move
		want      bool
	}
	tests := map[string]struct {
		reason string
		opts   BudgetOptions
		asks   []ask
	}{
		"no bounds": {
			reason: "the zero value bounds no rate",
			asks:   []ask{{"a", 0, []Move{off("eu"), off("us")}, true}, {"a", 0, []Move{off("eu")}, true}},
		},
		"global": {
			reason: "one token a minute for all workspaces together",
			opts:   BudgetOptions{PerMinute: 1},
			asks:   []ask{{"a", 0, []Move{off("eu")}, true}, {"b", time.Second, []Move{off("us")}, false}, {"b", time.Minute, []Move{off("us")}, true}},
		},
		"per workspace": {
			reason: "one tenant's moves do not use up another's",
			opts:   BudgetOptions{PerWorkspace: 1},
			asks:   []ask{{"a", 0, []Move{off("eu")}, true}, {"a", 0, []Move{off("eu")}, false}, {"b", 0, []Move{off("eu")}, true}},
		},
		"per region": {
			reason: "a region is emptied slowly while another moves",
			opts:   BudgetOptions{PerRegion: 1},
			asks:   []ask{{"a", 0, []Move{off("eu")}, true}, {"b", 0, []Move{off("eu")}, false}, {"b", 0, []Move{off("us")}, true}},
		},
		"all or none": {
			reason: "what is refused for one bucket takes nothing from another",
			opts:   BudgetOptions{PerMinute: 4, PerRegion: 1},
			asks:   []ask{{"a", 0, []Move{off("eu")}, true}, {"a", 0, []Move{off("eu")}, false}, {"a", 0, []Move{off("us")}, true}},
		},
		"more than the bucket": {
			reason: "a Placement on many clusters can move at all, at the price of the whole bucket",
			opts:   BudgetOptions{PerMinute: 2, Burst: 1},
			asks:   []ask{{"a", 0, []Move{off("eu"), off("eu"), off("eu")}, true}, {"b", 0, []Move{off("eu")}, false}},
		},
		"requests": {
			reason: "a tenant that changes its mind again and again leaves what failures need",
			opts:   BudgetOptions{PerMinute: 1, PerRegion: 1, PerWorkspace: 100},
			asks:   []ask{{"a", 0, []Move{requested}, true}, {"a", 0, []Move{requested}, true}, {"b", 0, []Move{off("eu")}, true}},
		},
		"requests of one tenant": {
			reason: "they count for the workspace",
			opts:   BudgetOptions{PerWorkspace: 1},
			asks:   []ask{{"a", 0, []Move{requested}, true}, {"a", 0, []Move{requested}, false}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.opts.Start = noon.Add(-time.Hour)
			b, now := NewBudget(tc.opts), noon
			for i, a := range tc.asks {
				now = now.Add(a.after)
				verdict := b.Limit(t.Context(), movesOf(a.workspace, "p", now, a.moves...))
				require.Equal(t, a.want, verdict.Allowed(), "question %d: %s", i, tc.reason)
				if !a.want {
					require.Equal(t, ReasonOverBudget, verdict.Reason)
				}
			}
		})
	}
}

// A hundred Placements lose their cluster at once; each asks again when it is
// told to.
func TestBudgetIsKeptByAStormAndServesEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const storm, perMinute, burst = 100, 60, 5
		start := time.Now()
		b := NewBudget(BudgetOptions{PerMinute: perMinute, Burst: burst, Start: start.Add(-time.Hour)})
		moved := make(chan time.Duration, storm)
		for i := range storm {
			go func() {
				for {
					verdict := b.Limit(t.Context(), movesOf("w", fmt.Sprint(i), time.Now(), Move{Cluster: "c000", Cause: CauseLost}))
					if verdict.Allowed() {
						moved <- time.Since(start)
						return
					}
					time.Sleep(verdict.RetryAfter)
				}
			}()
		}
		synctest.Wait()
		require.Len(t, moved, burst, "at once, no more than the burst")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.LessOrEqual(t, len(moved), burst+perMinute, "a minute's worth a minute")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.Len(t, moved, storm, "everyone is served")
	})
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMinute := rapid.Float64Range(0.5, 120).Draw(t, "perMinute")
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		b, now, allowed := NewBudget(BudgetOptions{PerMinute: perMinute, Burst: burst}), noon, 0 // and restarts in between
		for range rapid.IntRange(1, 200).Draw(t, "questions") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			if rapid.IntRange(0, 20).Draw(t, "restart") == 0 {
				b = NewBudget(BudgetOptions{PerMinute: perMinute, Burst: burst})
				b.Started(now)
			}
			if b.Limit(t.Context(), movesOf("w", "p", now, Move{Cluster: "c000", Cause: CauseDrained})).Allowed() {
				allowed++
			}
		}
		if most := float64(burst) + now.Sub(noon).Minutes()*perMinute + 1e-6; float64(allowed) > most {
			t.Fatalf("%d moves in %s, at most %g may be", allowed, now.Sub(noon), most)
		}
	})
}

func TestBudgetForgetsWorkspacesThatRest(t *testing.T) {
	b := NewBudget(BudgetOptions{PerWorkspace: 60})
	for i := range 3 * maxBuckets {
		b.Limit(t.Context(), movesOf(fmt.Sprint(i), "p", noon.Add(time.Duration(i)*time.Minute), Move{Cluster: "c000", Cause: CauseDrained}))
	}
	require.LessOrEqual(t, len(b.workspaces), maxBuckets)
}
