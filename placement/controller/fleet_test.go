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
		p := newPulse()
		var mu sync.Mutex
		var beats []map[string]effect
		go p.run(ctx, time.Second, func(changes map[string]effect) {
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
		join := func(i int) cluster.Change {
			return cluster.Change{New: &cluster.State{Name: fmt.Sprint(i), Ready: true}}
		}
		p.note(join(0))
		require.Equal(t, []map[string]effect{{"0": wakesNamed | wakesWaiting}}, seen(), "the first at once")

		for i := range 1000 {
			p.note(join(i % 10))
		}
		p.note(cluster.Change{Old: join(3).New})
		p.note(cluster.Change{Old: join(0).New, New: join(0).New})
		require.Len(t, seen(), 1)
		time.Sleep(time.Second)
		require.Len(t, seen(), 2, "the rest together")
		require.Len(t, seen()[1], 10)

		time.Sleep(time.Hour)
		require.Len(t, seen(), 2, "and then silence")
		cancel()
	})
}
