package main

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// TestLoad has the controller keep many workspaces for a while, under changes and
// faults, and looks at three things: that everything is as its tenant wrote it
// after each fault, that no copy was ever made anew, and that memory is flat. It
// runs if TMC_LOAD says how much: workspaces x objects in each x rounds, or small:
//
//	TMC_LOAD=small go test ./examples/controller -run TestLoad -v
//	TMC_LOAD=200x10x12 go test ./examples/controller -run TestLoad -v -timeout 90m
//
// A workspace costs kcp up to 10 MiB. Memory is compared from ten rounds on.
func TestLoad(t *testing.T) {
	var workspaces, each, rounds int
	size := os.Getenv("TMC_LOAD")
	switch size {
	case "":
		t.Skip("takes long: set TMC_LOAD to workspaces x objects x rounds, as 200x10x12, or to small")
	case "small":
		size = "6x5x10"
	}
	_, err := fmt.Sscanf(size, "%dx%dx%d", &workspaces, &each, &rounds)
	require.NoError(t, err, "TMC_LOAD is workspaces x objects x rounds, as 200x10x12, or small")
	l := newLoad(t)
	began := time.Now()
	l.makeTenants(workspaces)
	t.Logf("%d workspaces were bound after %s", workspaces, time.Since(began).Round(time.Second))
	began = time.Now()
	l.deploy(each)
	l.settle("all is healthy", 30*time.Minute)
	t.Logf("%d objects were healthy after %s", workspaces*each, time.Since(began).Round(time.Second))

	copies := l.copies()
	require.Len(t, copies, workspaces*each)
	faults := l.faults()
	var sizes []uint64
	for round := range rounds {
		fault := faults[round%len(faults)]
		began := time.Now()
		fault.strike()
		changed := l.change(round)
		if fault.heal != nil {
			fault.heal()
		}
		l.settle(fault.name, 20*time.Minute)
		inUse, goroutines := heap()
		sizes = append(sizes, inUse)
		t.Logf("round %2d: %-28s %4d changed, settled after %6s, heap %4d MiB, %d goroutines",
			round+1, fault.name, changed, time.Since(began).Round(100*time.Millisecond), inUse>>20, goroutines)
	}
	require.Equal(t, copies, l.copies(), "no copy was deleted or made anew")
	l.logMetrics()
	if half := len(sizes) / 2; half >= len(faults) {
		before, after := slices.Max(sizes[:half]), slices.Max(sizes[half:])
		require.LessOrEqual(t, after, before+before/5, "memory grows: %v", sizes)
	}
}

// fault is something that befalls the platform while tenants write.
type fault struct {
	name   string
	strike func()
	heal   func()
}

func (l *load) faults() []fault {
	t := l.t
	one := l.clusters[0]
	return []fault{
		{"nothing", func() {}, nil},
		{"a cluster is cut off", one.Proxy().Cut, one.Proxy().Heal},
		{"a cluster is killed", one.Kill, func() { require.NoError(t, one.Restart(t.Context())) }},
		{"kcp restarts", func() { require.NoError(t, l.kcp.Restart(t.Context())) }, nil},
		{"a storm of 429 and 500", func() {
			one.Proxy().Storm(
				tmcenvtest.Storm{Share: 0.3, Answer: tmcenvtest.Throttle(time.Second)},
				tmcenvtest.Storm{Share: 0.2, Answer: tmcenvtest.Fail(http.StatusInternalServerError)})
		}, one.Proxy().Heal},
	}
}

// heap returns what is in use after a collection.
func heap() (bytes uint64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, runtime.NumGoroutine()
}

// logMetrics prints the sums of the counters that say what it cost.
func (l *load) logMetrics() {
	families, err := l.registry.Gather()
	require.NoError(l.t, err)
	for _, f := range families {
		sum := 0.0
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue()
		}
		if strings.HasPrefix(f.GetName(), "tmc_") && strings.HasSuffix(f.GetName(), "_total") && sum > 0 {
			l.t.Logf("%-45s %8.0f", f.GetName(), sum)
		}
	}
}

// until asks again and again, until it holds.
func until(what string, patience time.Duration, holds func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		err := holds()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
	}
}
