package placement_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Whatever workloads are placed together: what each object gets on a cluster by
// Divide, all of them together, has room there; and it stays when the clusters
// report it.
func TestSetsOfWorkloadsHaveRoom(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		r := &placement.Request{Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}}}
		if kind := rapid.SampledFrom([]v1alpha1.DivisionType{v1alpha1.DivisionDuplicated, v1alpha1.DivisionEven, v1alpha1.DivisionCapacity, v1alpha1.DivisionPacked}).Draw(t, "division"); kind != v1alpha1.DivisionDuplicated {
			r.Spec.Division = divided(kind)
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "workloads") {
			w := placement.Workload{Name: fmt.Sprintf("w%d", i), Requests: facts.Resources{MilliCPU: rapid.Int64Range(0, 3000).Draw(t, "cpu"), Memory: rapid.Int64Range(0, 9).Draw(t, "memory")}}
			if rapid.IntRange(0, 4).Draw(t, "kind") > 0 {
				w.Replicas = new(rapid.Int32Range(0, 12).Draw(t, "replicas"))
			}
			r.Workloads = append(r.Workloads, w)
		}
		var states []*facts.State
		for i := range rapid.IntRange(1, 6).Draw(t, "clusters") {
			states = append(states, state(fmt.Sprintf("c%d", i), "eu", func(s *facts.State) {
				s.Allocatable = facts.Resources{MilliCPU: rapid.Int64Range(0, 30_000).Draw(t, "cores"), Memory: rapid.Int64Range(0, 60).Draw(t, "bytes")}
			}))
		}
		fleet := facts.NewSnapshot(states...)
		d, err := engine.Place(context.Background(), r, fleet)
		require.NoError(t, err)
		if d.Reason != "" {
			return
		}
		used := usedBy(r, d.Targets)
		for name, u := range used {
			s, _ := fleet.Lookup(name)
			require.LessOrEqual(t, u.MilliCPU, s.Allocatable.MilliCPU, d.Explain())
			require.LessOrEqual(t, u.Memory, s.Allocatable.Memory, d.Explain())
		}
		r.Current = d.Targets
		again, err := engine.Place(context.Background(), r, placement.Overlay(fleet, used))
		require.NoError(t, err)
		require.Equal(t, outcome(d), outcome(again))
	})
}

// usedBy returns what the workloads use on each target.
func usedBy(r *placement.Request, targets []v1alpha1.Target) map[string]facts.Resources {
	used := map[string]facts.Resources{}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		var parts map[string]int32
		if w.Replicas != nil {
			parts = placement.Divide(*w.Replicas, targets)
		}
		for _, target := range targets {
			n := int64(1)
			switch {
			case parts != nil:
				n = int64(parts[target.Cluster])
			case w.Replicas != nil:
				n = int64(*w.Replicas)
			}
			for range n {
				used[target.Cluster] = used[target.Cluster].Add(w.Requests)
			}
		}
	}
	return used
}
