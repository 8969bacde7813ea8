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

// A region is lost: what moves, and where to?
func ExampleEngine_WhatIf() {
	engine, err := placement.NewEngine()
	if err != nil {
		panic(err)
	}
	fleet := facts.NewSnapshot(state("eu-1", "eu", allocated(4000)), state("us-1", "us"), state("us-2", "us", allocated(5000)))
	requests := []*placement.Request{
		{Namespace: "shop", Name: "web", Workloads: replicas(4, 1000), Current: []v1alpha1.Target{{Cluster: "eu-1"}}},
		{Namespace: "shop", Name: "batch", Workloads: replicas(7, 1000), Current: []v1alpha1.Target{{Cluster: "eu-1"}}, Spec: &v1alpha1.PlacementSpec{Priority: 5}},
		{Namespace: "shop", Name: "db", Workloads: replicas(1, 1000), Current: []v1alpha1.Target{{Cluster: "us-2"}}},
	}
	plan, err := engine.WhatIf(context.Background(), requests, fleet, placement.Change{Lost: []string{"eu-1"}})
	if err != nil {
		panic(err)
	}
	fmt.Print(plan.Explain())
	// Output:
	// 2 placements change, 1 stay; 11 replicas start elsewhere
	// shop/batch: eu-1 -> us-1
	// shop/web: eu-1 -> us-2
	// cluster eu-1: 11 -> 0 replicas
	// cluster us-1: 0 -> 7 replicas
	// cluster us-2: 0 -> 4 replicas
}

func TestWhatIf(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	fleet := facts.NewSnapshot(state("a", "eu"), state("b", "us"))
	web := &placement.Request{Name: "web", Workloads: replicas(8, 1000), Current: []v1alpha1.Target{{Cluster: "a"}}}
	moved := new(*web)
	moved.Current, moved.Spec = nil, &v1alpha1.PlacementSpec{Clusters: &v1alpha1.ClusterSelector{Names: []string{"b"}}}
	for name, tc := range map[string]struct {
		reason   string
		requests []*placement.Request
		change   placement.Change
		want     string
	}{
		"nothing": {
			reason: "what stays is counted", requests: []*placement.Request{web, nil},
			want: "0 placements change, 1 stay; 0 replicas start elsewhere\n",
		},
		"a changed placement": {
			reason: "it moves from where it is", requests: []*placement.Request{web}, change: placement.Change{Requests: []*placement.Request{moved, nil}},
			want: "1 placements change, 0 stay; 8 replicas start elsewhere\nweb: a -> b\ncluster a: 8 -> 0 replicas\ncluster b: 0 -> 8 replicas\n",
		},
		"a new placement": {
			reason: "it counts what others were given", requests: []*placement.Request{{Name: "x", Workloads: replicas(8, 1000)}}, change: placement.Change{Requests: []*placement.Request{web, {Name: "y", Workloads: replicas(8, 1000)}}},
			want: "2 placements change, 1 stay; 16 replicas start elsewhere\nweb: nowhere -> a\ny: nowhere -> b\ncluster a: 0 -> 8 replicas\ncluster b: 0 -> 8 replicas\n",
		},
		"a new cluster": {
			reason: "one that waits is placed", requests: []*placement.Request{{Name: "x", Workloads: replicas(20, 1000)}}, change: placement.Change{Clusters: []*facts.State{state("c", "", func(s *facts.State) { s.Allocatable.MilliCPU = 20_000 })}},
			want: "1 placements change, 0 stay; 20 replicas start elsewhere\nx: nowhere -> c\ncluster c: 0 -> 20 replicas\n",
		},
		"no room": {
			reason: "what can't be placed is said", requests: []*placement.Request{web}, change: placement.Change{Lost: []string{"a", "b"}},
			want: "1 placements change, 0 stay; 0 replicas start elsewhere\nweb: a -> nowhere (NoClusterFits: no cluster fits; status.rejected says why)\ncluster a: 8 -> 0 replicas\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a new placement" {
				free := new(*web)
				free.Current = nil
				tc.change.Requests[0] = free
				tc.requests[0].Spec = &v1alpha1.PlacementSpec{Clusters: &v1alpha1.ClusterSelector{Names: []string{"none"}}}
			}
			plan, err := engine.WhatIf(t.Context(), tc.requests, fleet, tc.change)
			require.NoError(t, err)
			require.Equal(t, tc.want, plan.Explain(), tc.reason)
			require.Equal(t, len(plan.Changed) == 0, plan.Empty())
		})
	}
}

// Losing clusters in a plan is losing them in fact, one request at a time.
func TestWhatIfIsWhatHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, drawShape(t), 8, allDivisions...)
		if settled(t, in).Reason != "" {
			return
		}
		lost := in.fleet[rapid.IntRange(0, len(in.fleet)-1).Draw(t, "lost")].Name
		fleet := facts.NewSnapshot(in.fleet...)
		plan, err := rankEngine(t).WhatIf(context.Background(), []*placement.Request{in.request}, fleet, placement.Change{Lost: []string{lost}})
		require.NoError(t, err)
		d, err := rankEngine(t).Place(context.Background(), in.request, fleet.Without(lost))
		require.NoError(t, err)
		if plan.Empty() {
			require.Equal(t, len(in.request.Current), len(d.Targets))
			return
		}
		require.Equal(t, d.Targets, plan.Changed[0].After)
	})
}

func ExampleEngine_Preempt() {
	engine, err := placement.NewEngine()
	if err != nil {
		panic(err)
	}
	fleet := facts.NewSnapshot(state("a", "eu", allocated(10_000)))
	placed := []*placement.Request{
		{Namespace: "shop", Name: "batch", Workloads: replicas(4, 1000), Current: []v1alpha1.Target{{Cluster: "a"}}, Spec: &v1alpha1.PlacementSpec{Priority: 1}},
		{Namespace: "shop", Name: "report", Workloads: replicas(3, 1000), Current: []v1alpha1.Target{{Cluster: "a"}}, Spec: &v1alpha1.PlacementSpec{Priority: 2}},
		{Namespace: "shop", Name: "db", Workloads: replicas(3, 1000), Current: []v1alpha1.Target{{Cluster: "a"}}, Spec: &v1alpha1.PlacementSpec{Priority: 10}},
	}
	web := &placement.Request{Namespace: "shop", Name: "web", Workloads: replicas(4, 1000), Spec: &v1alpha1.PlacementSpec{
		Priority: 10, PreemptionPolicy: v1alpha1.PreemptLowerPriority,
	}}
	p, err := engine.Preempt(context.Background(), web, fleet, placed)
	if err != nil {
		panic(err)
	}
	fmt.Print(p.Explain())
	// Output: shop/batch (priority 1) leaves a: shop/web (priority 10) finds no other room
}

// A preemption makes room; none of the victims could stay; none has the
// priority of the request; and where it is not asked for, there is none.
func TestPreemption(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		var states []*facts.State
		var placed []*placement.Request
		used := map[string]int64{}
		for i := range rapid.IntRange(1, 4).Draw(t, "clusters") {
			name := fmt.Sprintf("c%d", i)
			for range rapid.IntRange(0, 4).Draw(t, "placements") {
				n := rapid.Int32Range(1, 4).Draw(t, "replicas")
				used[name] += int64(n) * 1000
				placed = append(placed, &placement.Request{
					Name: fmt.Sprintf("p%d", len(placed)), Workloads: replicas(n, 1000), Current: []v1alpha1.Target{{Cluster: name}},
					Spec: &v1alpha1.PlacementSpec{Priority: rapid.Int32Range(0, 4).Draw(t, "priority")},
				})
			}
			states = append(states, state(name, "eu", allocated(used[name])))
		}
		r := &placement.Request{Name: "r", Workloads: replicas(rapid.Int32Range(1, 10).Draw(t, "wanted"), 1000), Spec: &v1alpha1.PlacementSpec{
			Priority: 3, PreemptionPolicy: v1alpha1.PreemptLowerPriority, Count: exactly(rapid.Int32Range(1, 2).Draw(t, "count")),
		}}
		fleet := facts.NewSnapshot(states...)
		p, err := engine.Preempt(context.Background(), r, fleet, placed)
		require.NoError(t, err)
		room := func(fleet *facts.Snapshot, victims map[string]bool) bool {
			freed := map[string]int64{}
			for _, v := range placed {
				if victims[v.Name] {
					freed[v.Current[0].Cluster] += int64(*v.Workloads[0].Replicas) * 1000
				}
			}
			after := fleet
			for name, n := range freed {
				s, ok := fleet.Lookup(name)
				if !ok {
					continue
				}
				with := *s
				with.Allocated.MilliCPU -= n
				after = after.With(&with)
			}
			d, err := engine.Place(context.Background(), r, after)
			require.NoError(t, err)
			return d.Reason == ""
		}
		victims, lower := map[string]bool{}, map[string]bool{}
		for _, v := range placed {
			lower[v.Name] = v.Spec.Priority < 3
		}
		if p == nil {
			require.False(t, room(fleet, lower), "there was room to be made")
			return
		}
		for _, v := range p.Victims {
			require.Less(t, v.Priority, int32(3))
			victims[v.Name] = true
		}
		require.True(t, room(fleet, victims))
		there := facts.NewSnapshot()
		for _, target := range p.Decision.Targets {
			s, _ := fleet.Lookup(target.Cluster)
			there = there.With(s)
		}
		for name := range victims {
			delete(victims, name)
			require.False(t, room(there, victims), "%s could stay", name)
			victims[name] = true
		}
		r.Spec.PreemptionPolicy = ""
		asked, err := engine.Preempt(context.Background(), r, fleet, placed)
		require.NoError(t, err)
		require.Equal(t, len(victims) > 0, asked == nil)
	})
}
