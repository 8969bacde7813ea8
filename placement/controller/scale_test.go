package controller_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
)

// wide returns a fleet of clusters with room for everything.
func wide(n int) *fleet {
	states := make([]*tmccluster.State, 0, n)
	for i := range n {
		s := state(fmt.Sprintf("c%03d", i), "env", "prod")
		s.Region = fmt.Sprint("r", i%10)
		s.Allocatable = tmccluster.Resources{MilliCPU: 10_000_000, Memory: 1 << 50, Pods: 1_000_000}
		states = append(states, s)
	}
	return newFleet(states...)
}

// settleInMemory puts Placements into workspaces and waits until each is placed.
func settleInMemory(tb testing.TB, workspaces, placements, clusters int) (m *memory, f *fleet, took time.Duration) {
	tb.Helper()
	m, f = newMemory(workspaces), wide(clusters)
	for i := range placements {
		m.app(tb, m.names[i%workspaces], fmt.Sprintf("app-%d", i), "{}", "100m", 2)
	}
	start := time.Now()
	_, stop := m.run(tb, f)
	m.await(tb, placements)
	took = time.Since(start)
	stop()
	writes, perName := m.written()
	require.Equal(tb, map[string]int{"status": placements}, writes)
	require.Len(tb, perName, placements, "one write each")
	return m, f, took
}

func (m *memory) await(tb testing.TB, n int) {
	tb.Helper()
	require.Eventually(tb, func() bool {
		m.mu.RLock()
		defer m.mu.RUnlock()
		return m.writes["status"] >= n
	}, 5*time.Minute, 5*time.Millisecond)
}

// Placements across two hundred workspaces: one status write each, and none after
// a restart. The benchmark has ten thousand of them.
func TestPlacementsInTwoHundredWorkspacesSettleWithOneWriteEach(t *testing.T) {
	const placements = 1000
	m, f, _ := settleInMemory(t, 200, placements, 50)

	metrics := prometheus.NewRegistry()
	m.run(t, f, placementcontroller.WithMetrics(metrics))
	require.Eventually(t, func() bool {
		return sumOf(t, metrics, "tmc_placement_decisions_total") >= float64(placements)
	}, 5*time.Minute, 5*time.Millisecond)
	m.app(t, m.names[0], "barrier", "{}", "100m", 1)
	m.eventually(t, m.names[0], "barrier", decided)
	writes, _ := m.written()
	require.Equal(t, map[string]int{"status": 1}, writes, "after a restart the barrier alone is written")
}

// BenchmarkSettleInMemory measures what the controller itself takes to settle
// Placements in 200 workspaces, writes to a server in memory included, and checks
// that each is written once.
//
//	go test ./placement/controller -run '^$' -bench SettleInMemory -benchtime 1x
func BenchmarkSettleInMemory(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("placements=%d", n), func(b *testing.B) {
			for b.Loop() {
				_, _, took := settleInMemory(b, 200, n, 1000)
				b.ReportMetric(took.Seconds(), "s-settle")
				b.ReportMetric(float64(n)/took.Seconds(), "placements/s")
			}
		})
	}
}

// A status is bounded in size however many clusters there are and refuse.
func TestStatusIsBoundedInAFleetOfAThousand(t *testing.T) {
	f := newFleet()
	for i := range 1000 {
		s := state(fmt.Sprintf("a-cluster-with-a-rather-long-name-%04d.example.org", i), "n", fmt.Sprint(i))
		if i%2 == 0 {
			s.Unschedulable = true
		}
		f.set(s)
	}
	m := newMemory(1)
	m.app(t, m.names[0], "refused", "{clusters: {matchLabels: {n: none}}}", "1", 1)
	m.app(t, m.names[0], "everywhere", "{count: {min: 1}}", "1m", 1)
	m.run(t, f, placementcontroller.WithReservations(time.Minute))
	p := m.eventually(t, m.names[0], "refused", decided)
	require.Equal(t, corev1.ConditionFalse, corev1.ConditionStatus(condition(p).Status))
	require.Less(t, len(show(p)), 8<<10)
	p = m.eventually(t, m.names[0], "everywhere", decided)
	require.Len(t, p.Status.Targets, 500)
	require.Less(t, len(p.Status.Summary), 1024)
	require.Less(t, len(show(p)), 200<<10, "a target is named, with its time, and no more")
}

// What grew where it was, shortly before a restart, is spoken for after it.
func TestWhatGrewBeforeARestartIsReservedAfterIt(t *testing.T) {
	f, m := newFleet(state("a")), newMemory(1)
	m.app(t, m.names[0], "web", "{}", "1", 2)
	_, stop := m.run(t, f)
	m.eventually(t, m.names[0], "web", decided)
	stop()
	f.change("a", func(s *tmccluster.State) { s.Allocated = tmccluster.Resources{MilliCPU: 2000, Pods: 2} })
	grown := deployment("web", "1", 12)
	grown.Object["status"] = map[string]any{"replicas": int64(2)}
	m.put(m.names[0], grown)

	later := func() time.Time { return time.Now().Add(time.Hour) } // what was decided then counts no longer
	m.run(t, f, placementcontroller.WithClock(later), placementcontroller.WithReservations(time.Hour))
	m.app(t, m.names[0], "small", "{}", "1", 4)
	m.app(t, m.names[0], "big", "{}", "1", 8)
	p := m.eventually(t, m.names[0], "small", decided)
	require.Len(t, p.Status.Targets, 1, "there is room for four: %s", show(p))
	p = m.eventually(t, m.names[0], "big", decided)
	require.Empty(t, p.Status.Targets, "14 of 16 cores seem free, and ten of them are spoken for: %s", show(p))
	require.Len(t, m.get(m.names[0], "default", "web").Status.Targets, 1, "it stays")
}
