package controller_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkSettle measures how long Placements take to settle that all wait
// when the controller starts, with how many writes each; how long a restart
// takes to find them settled, with no write; and how long it takes until all
// are decided anew when their cluster drains. The workspaces are two.
//
//	go test ./placement/controller -run '^$' -bench Settle -benchtime 1x
func BenchmarkSettle(b *testing.B) {
	for _, n := range []int{200, 1000} {
		b.Run(fmt.Sprintf("placements=%d", n), func(b *testing.B) {
			for b.Loop() {
				settle(b, n)
			}
		})
	}
}

func settle(b *testing.B, n int) {
	b.Helper()
	w := newWorld(b, newFleet(state("a")))
	start := time.Now()
	applyApps(b, w, n)
	b.ReportMetric(float64(2*n)/time.Since(start).Seconds(), "raw-writes/s")
	start = time.Now()
	w.start(b)
	w.await(b, n, "PATCH placements/status")
	b.ReportMetric(time.Since(start).Seconds(), "s-settle")
	for _, tn := range w.tenants {
		w.settled(b, tn)
	}
	require.Equal(b, map[string]int{"PATCH placements/status": n}, w.writes.placements())

	w.stop()
	start = time.Now()
	w.start(b)
	require.Eventually(b, func() bool { return w.decisions(b) >= float64(n) }, 5*time.Minute, 5*time.Millisecond)
	b.ReportMetric(time.Since(start).Seconds(), "s-restart")
	for _, tn := range w.tenants {
		w.settled(b, tn)
	}
	require.Empty(b, w.writes.placements())

	w.fleet.set(state("b"))
	w.copies.set("a", false)
	start = time.Now()
	w.fleet.change("a", drain)
	w.await(b, n, "PATCH placements/status")
	b.ReportMetric(time.Since(start).Seconds(), "s-drain")
}

// await waits for a number of writes.
func (w *world) await(b *testing.B, n int, write string) {
	b.Helper()
	require.Eventually(b, func() bool { return w.writes.placements()[write] >= n }, 5*time.Minute, 5*time.Millisecond)
}

// applyApps creates Placements with a Deployment each, divided over the tenants.
func applyApps(b *testing.B, w *world, n int) {
	b.Helper()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < n; i += 4 {
				tn, name := w.tenants[i%len(w.tenants)], fmt.Sprintf("app-%d", i)
				tn.place(b, "default", name, `{resources: [{group: apps, kind: Deployment, name: `+name+`}]}`)
				tn.deploy(b, "default", name)
			}
		})
	}
	wg.Wait()
}
