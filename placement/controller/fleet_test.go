package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster"
)

func TestPulseHandsOnAStormOfChangesInFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPulse(time.Second, 10*time.Second)
		var mu sync.Mutex
		var beats []map[string]effect
		go p.run(ctx, func(changes map[string]effect) {
			mu.Lock()
			defer mu.Unlock()
			beats = append(beats, changes)
		})
		seen := func() []map[string]effect {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(beats)
		}
		synctest.Wait()
		full := &cluster.State{Name: "f", Ready: true, CapacityKnown: true}
		free := &cluster.State{Name: "f", Ready: true, CapacityKnown: true, Allocatable: cluster.Resources{MilliCPU: 1}}
		join := func(i int) cluster.Change {
			return cluster.Change{New: &cluster.State{Name: fmt.Sprint(i), Ready: true}}
		}
		p.note(join(0))
		require.Equal(t, []map[string]effect{{"0": wakesNamed | wakesWaiting}}, seen(), "the first at once")

		for i := range 1000 {
			p.note(join(i % 10))
		}
		p.note(join(3))
		p.note(cluster.Change{Old: join(0).New, New: join(0).New})
		require.Len(t, seen(), 1)
		time.Sleep(time.Second)
		require.Len(t, seen(), 2, "the rest together")
		require.Len(t, seen()[1], 10)

		time.Sleep(time.Second)
		p.note(cluster.Change{Old: full, New: free})
		time.Sleep(9 * time.Second)
		require.Len(t, seen(), 2, "capacity can wait")
		time.Sleep(time.Second)
		require.Equal(t, map[string]effect{"f": wakesLater}, seen()[2])

		time.Sleep(time.Hour)
		require.Len(t, seen(), 3, "and then silence")
		cancel()
	})
}

func TestMissedFindsWhatCameBetweenADecisionAndTheIndex(t *testing.T) {
	ready := func(name string) *cluster.State { return &cluster.State{Name: name, Ready: true} }
	a, b := ready("a"), ready("b")
	old := cluster.NewSnapshot(a, b)
	tainted := *a
	tainted.Draining = true
	property := *a
	property.Version = "v2"
	tests := map[string]struct {
		reason string
		now    *cluster.Snapshot
		in     interest
		want   bool
	}{
		"nothing":            {reason: "the same fleet", now: old, in: interest{clusters: []string{"a"}, waiting: true}},
		"nothing but a copy": {reason: "another snapshot of the same states", now: old.With(), in: interest{clusters: []string{"a"}, waiting: true}},
		"named drained":      {reason: "it must leave", now: old.With(&tainted), in: interest{clusters: []string{"a"}}, want: true},
		"named gone":         {reason: "it must leave", now: old.Without("a"), in: interest{clusters: []string{"a"}}, want: true},
		"another drained":    {reason: "not its business", now: old.With(&tainted), in: interest{clusters: []string{"b"}}},
		"joined, waiting":    {reason: "it may fit", now: old.With(ready("c")), in: interest{waiting: true}, want: true},
		"joined, placed":     {reason: "it has its place", now: old.With(ready("c")), in: interest{clusters: []string{"a"}}},
		"property, looked":   {reason: "it may be ruled out", now: old.With(&property), in: interest{clusters: []string{"a"}, properties: true}, want: true},
		"property, not":      {reason: "it does not look", now: old.With(&property), in: interest{clusters: []string{"a"}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, missed(old, tc.now, tc.in), tc.reason) })
	}
}
