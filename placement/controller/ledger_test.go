package controller

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// burst is a controller, its fleet of some clusters of 16 cores, and questions
// for one core each about Placements that are nowhere yet.
func burst(t *testing.T, clusters, placements int) (*Controller, []*question) {
	t.Helper()
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	c := controllerWith(t, engine)
	c.ledger = newLedger(2 * time.Minute)
	var states []*cluster.State
	for i := range clusters {
		states = append(states, &cluster.State{
			Name: fmt.Sprintf("c%02d", i), Ready: true, Reachable: true, CapacityKnown: true,
			Allocatable: cluster.Resources{MilliCPU: 16_000, Memory: 64 << 30, Pods: 100},
		})
	}
	fleet := cluster.NewSnapshot(states...)
	questions := make([]*question, placements)
	for i := range questions {
		questions[i] = &question{
			workspace: "w", now: noon, fleet: fleet,
			placement: &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: fmt.Sprintf("p%03d", i), Generation: 1, ResourceVersion: "1"}},
			workloads: []placement.Workload{{Name: "a", Replicas: new(int32(1)), Requests: cluster.Resources{MilliCPU: 1000, Memory: 1 << 30, Pods: 1}}},
		}
	}
	return c, questions
}

func TestBurstDoesNotPileOntoOneClusterBeforeCapacityShows(t *testing.T) {
	c, questions := burst(t, 10, 100)
	var mu sync.Mutex
	per := map[string]int{}
	var wg sync.WaitGroup
	for _, q := range questions {
		wg.Go(func() {
			a, err := c.decide(t.Context(), q)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && len(a.status.Targets) == 1 {
				per[a.status.Targets[0].Cluster]++
			}
		})
	}
	wg.Wait()
	require.Len(t, per, 10, "%v", per)
	for name, n := range per {
		require.LessOrEqual(t, n, 16, "%s has room for no more: %v", name, per)
		require.InDelta(t, 10, n, 2, "the load is even: %v", per)
	}
}

func TestWhatIsReservedIsRefusedUntilItExpires(t *testing.T) {
	c, questions := burst(t, 1, 18)
	for _, q := range questions[:16] {
		a, err := c.decide(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, a.status.Targets, 1)
	}
	a, err := c.decide(t.Context(), questions[16])
	require.NoError(t, err)
	require.Empty(t, a.status.Targets, "the cluster reports that it is free, and all of it is spoken for")
	require.Equal(t, 2*time.Minute, a.again, "there may be room then")
	questions[17].now = noon.Add(2 * time.Minute)
	a, err = c.decide(t.Context(), questions[17])
	require.NoError(t, err)
	require.Len(t, a.status.Targets, 1, "what never came does not count for ever")
}

// A decision that could not be recorded is made again: what it had reserved is
// no reason to go elsewhere.
func TestDecisionMadeAgainIsTheSame(t *testing.T) {
	c, questions := burst(t, 3, 1)
	first, err := c.decide(t.Context(), questions[0])
	require.NoError(t, err)
	second, err := c.decide(t.Context(), questions[0])
	require.NoError(t, err)
	require.Equal(t, first.status.Targets, second.status.Targets)
	require.Equal(t, 1, c.ledger.owners())
}

func TestLedgerTakesWhatShowsForWhatWasDecidedFirst(t *testing.T) {
	cpu := func(milli int64) cluster.Resources { return cluster.Resources{MilliCPU: milli, Pods: milli / 1000} }
	shows := func(l *ledger, before, after int64) {
		l.seen(cluster.Change{Old: &cluster.State{Name: "a", Allocated: cpu(before)}, New: &cluster.State{Name: "a", Allocated: cpu(after)}})
	}
	l := newLedger(time.Minute)
	for _, owner := range []string{"first", "second", "third"} {
		l.reserve(owner, map[string]cluster.Resources{"a": cpu(2000)}, noon)
	}
	reserved := func() int64 { return l.open("nobody", nil, noon)["a"].MilliCPU }
	require.Equal(t, int64(6000), reserved())
	shows(l, 0, 3000)
	require.Equal(t, int64(3000), reserved(), "one shows, and half of the next")
	shows(l, 3000, 1000)
	require.Equal(t, int64(3000), reserved(), "what ends reserves nothing")
	shows(l, 1000, 9000)
	require.Zero(t, reserved())
	require.Zero(t, l.owners())
	l.reserve("fourth", map[string]cluster.Resources{"a": cpu(1000), "b": cpu(1000)}, noon)
	l.release("fourth")
	require.Zero(t, l.owners(), "who is gone reserves nothing")
	l = newLedger(0)
	l.reserve("a", map[string]cluster.Resources{"a": cpu(1000)}, noon)
	require.Zero(t, l.owners(), "it is turned off")
}

// Whatever happens, what is reserved is never negative, is never more than what
// was decided, and is nothing when the time is over.
func TestLedgerAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, now, used := newLedger(time.Minute), noon, int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			owner := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "owner")
			amount := int64(rapid.IntRange(1, 5).Draw(t, "amount")) * 1000
			pods := int64(rapid.IntRange(0, 2).Draw(t, "pods"))
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				l.reserve(owner, map[string]cluster.Resources{"a": {MilliCPU: amount, Pods: pods}}, now)
			case 1:
				l.seen(cluster.Change{Old: &cluster.State{Name: "a", Allocated: cluster.Resources{MilliCPU: used}}, New: &cluster.State{Name: "a", Allocated: cluster.Resources{MilliCPU: used + amount, Pods: pods}}})
				used += amount
			case 2:
				l.release(owner)
			case 3:
				now = now.Add(time.Duration(amount/200) * time.Second)
			}
			sum := int64(0)
			reserved := l.open("nobody", nil, now)
			for _, e := range l.entries["a"] {
				sum += e.amount.MilliCPU
			}
			if reserved["a"].MilliCPU != sum || sum < 0 || sum > 15_000 {
				t.Fatalf("%d is reserved, the entries are %d", reserved["a"].MilliCPU, sum)
			}
		}
		if left := l.open("nobody", nil, now.Add(time.Minute)); len(left) != 0 || l.owners() != 0 || len(l.entries) != 0 {
			t.Fatalf("%v is left", left)
		}
	})
}
