package placement_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
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

// Whom a plan does not look at would not be decided otherwise.
func TestWhatIfOverlooksNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, drawShape(t), 6, allDivisions...)
		if rapid.Bool().Draw(t, "duplicated") {
			in.request.Spec.Division = nil
		}
		if rapid.Bool().Draw(t, "no spread") {
			in.request.Spec.Spread = nil
		}
		if settled(t, in).Reason != "" {
			return
		}
		fleet, change := facts.NewSnapshot(in.fleet...), placement.Change{}
		with := *in.fleet[rapid.IntRange(0, len(in.fleet)-1).Draw(t, "which")]
		switch rapid.SampledFrom([]string{"lost", "joins", "cordoned", "full", "evicts"}).Draw(t, "change") {
		case "lost":
			change.Lost = []string{with.Name}
		case "joins":
			with.Name, with.Allocated = "new", facts.Resources{}
			with.Properties = map[string]facts.Property{"rank": facts.ParseProperty("100", time.Time{})}
			change.Clusters = []*facts.State{&with}
		case "cordoned":
			with.Unschedulable = true
			change.Clusters = []*facts.State{&with}
		case "full":
			with.Allocated.MilliCPU = with.Allocatable.MilliCPU
			change.Clusters = []*facts.State{&with}
		case "evicts":
			with.Taints = []clusterv1alpha1.Taint{{Key: "gone", Effect: corev1.TaintEffectNoExecute}}
			change.Clusters = []*facts.State{&with}
		}
		plan, err := rankEngine(t).WhatIf(context.Background(), []*placement.Request{in.request}, fleet, change)
		require.NoError(t, err)
		d, err := rankEngine(t).Place(context.Background(), in.request, fleet.Without(change.Lost...).With(change.Clusters...))
		require.NoError(t, err)
		require.Equal(t, outcome(d) == nil, len(d.Targets) == 0)
		if plan.Empty() {
			require.Equal(t, names(in.request.Current), names(d.Targets))
		} else {
			require.Equal(t, d.Targets, plan.Changed[0].After)
		}
	})
}

func names(targets []v1alpha1.Target) (list []string) {
	for i := range targets {
		list = append(list, targets[i].Cluster)
	}
	return list
}

func TestPlansDecideWhatAChangeConcerns(t *testing.T) {
	decided := map[string]int{}
	engine, err := placement.NewEngine(placement.WithFilter(placement.FilterFunc("Counts", func(r *placement.Request, _ *facts.State) *placement.Reason {
		decided[r.Name]++
		return nil
	})))
	require.NoError(t, err)
	fleet := facts.NewSnapshot(state("a", "eu"), state("b", "eu"), state("c", "us"), state("cordoned", "us", func(s *facts.State) { s.Unschedulable = true }))
	on := func(name, cluster string, spec v1alpha1.PlacementSpec) *placement.Request {
		return &placement.Request{Name: name, Workloads: replicas(1, 1000), Current: []v1alpha1.Target{{Cluster: cluster}}, Spec: &spec}
	}
	requests := []*placement.Request{
		on("on-a", "a", v1alpha1.PlacementSpec{}), on("on-b", "b", v1alpha1.PlacementSpec{}), on("in-no-good-standing", "cordoned", v1alpha1.PlacementSpec{}),
		on("wants-all", "b", v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}}), on("wants-two", "b", v1alpha1.PlacementSpec{Count: exactly(2)}),
		on("spread", "b", v1alpha1.PlacementSpec{Spread: []v1alpha1.Spread{{TopologyKey: "region"}}}),
		{Name: "nowhere", Workloads: replicas(1, 1000), Spec: &v1alpha1.PlacementSpec{Clusters: &v1alpha1.ClusterSelector{Names: []string{"none"}}}},
	}
	who := func(change placement.Change) []string {
		clear(decided)
		plan, err := engine.WhatIf(t.Context(), requests, fleet, change)
		require.NoError(t, err)
		require.Equal(t, len(requests), len(plan.Changed)+plan.Unchanged)
		return slices.Sorted(maps.Keys(decided))
	}
	require.Equal(t, []string{"in-no-good-standing", "on-a"}, who(placement.Change{Lost: []string{"a"}}))
	require.Equal(t, []string{"in-no-good-standing", "spread", "wants-all", "wants-two"}, who(placement.Change{Clusters: []*facts.State{state("d", "eu")}}))
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

func TestPreemptionDisturbsAsLittleAsItCan(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	on := func(name, cluster string, replicaCount, priority int32) *placement.Request {
		return &placement.Request{Name: name, Workloads: replicas(replicaCount, 1000), Current: []v1alpha1.Target{{Cluster: cluster}}, Spec: &v1alpha1.PlacementSpec{Priority: priority}}
	}
	better := func(s *facts.State) { s.Allocatable.Memory *= 2; s.Allocated.Memory = 1 << 30 } // by score, a is
	for name, tc := range map[string]struct {
		reason string
		placed []*placement.Request
		count  int32
		want   string
	}{
		"fewer leave": {
			reason: "one is disturbed rather than two",
			placed: []*placement.Request{on("a1", "a", 4, 1), on("a2", "a", 4, 1), on("a3", "a", 2, 9), on("b1", "b", 10, 1), on("c1", "c", 10, 9)},
			want:   "b1 (priority 1) leaves b: x (priority 9) finds no other room\n",
		},
		"smaller ones leave": {
			reason: "as many, and fewer replicas start anew",
			placed: []*placement.Request{on("a1", "a", 10, 1), on("b1", "b", 6, 1), on("b2", "b", 4, 9)},
			want:   "b1 (priority 1) leaves b: x (priority 9) finds no other room\n",
		},
		"the less important leave": {
			reason: "priority comes before number, where a higher one is needed at all",
			placed: []*placement.Request{on("a1", "a", 3, 1), on("a2", "a", 7, 3), on("b1", "b", 5, 1), on("b2", "b", 5, 2), on("c1", "c", 10, 9)},
			want:   "b1 (priority 1) leaves b: x (priority 9) finds no other room\n",
		},
		"both are needed": {
			reason: "what is asked for comes first",
			placed: []*placement.Request{on("a1", "a", 10, 1), on("b1", "b", 10, 1), on("c1", "c", 10, 9)}, count: 2,
			want: "a1 (priority 1) leaves a: x (priority 9) finds no other room\nb1 (priority 1) leaves b: x (priority 9) finds no other room\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			fleet := facts.NewSnapshot(state("a", "eu", allocated(10_000), better), state("b", "eu", allocated(10_000)), state("c", "eu", allocated(10_000)))
			x := &placement.Request{Name: "x", Workloads: replicas(5, 1000), Spec: &v1alpha1.PlacementSpec{Priority: 9, PreemptionPolicy: v1alpha1.PreemptLowerPriority}}
			if tc.count > 0 {
				x.Spec.Count = exactly(tc.count)
			}
			p, err := engine.Preempt(t.Context(), x, fleet, tc.placed)
			require.NoError(t, err)
			require.NotNil(t, p, tc.reason)
			require.Equal(t, tc.want, p.Explain(), tc.reason)
		})
	}
}

// What is near is near though it is not chosen: a preemption that looks at a few
// clusters keeps the others in sight.
func TestPreemptionKeepsAffinity(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	fleet := facts.NewSnapshot(state("a", "eu", allocated(10_000)), state("b", "eu", allocated(10_000)), state("c", "us", allocated(10_000)))
	db := metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}
	x := &placement.Request{
		Name: "x", Workloads: replicas(5, 1000), Neighbours: []placement.Neighbour{{Name: "db", Labels: db.MatchLabels, Clusters: []string{"b"}}},
		Spec: &v1alpha1.PlacementSpec{
			Priority: 9, PreemptionPolicy: v1alpha1.PreemptLowerPriority,
			Affinity: &v1alpha1.Affinity{Required: []v1alpha1.AffinityTerm{{PlacementSelector: db, TopologyKey: "region"}}},
		},
	}
	p, err := engine.Preempt(t.Context(), x, fleet, []*placement.Request{
		{Name: "low", Workloads: replicas(6, 1000), Current: []v1alpha1.Target{{Cluster: "a"}}},
		{Name: "us", Workloads: replicas(6, 1000), Current: []v1alpha1.Target{{Cluster: "c"}}},
	})
	require.NoError(t, err)
	require.NotNil(t, p)
	require.Empty(t, p.Decision.Reason, p.Decision.Message)
	require.Equal(t, "low (priority 0) leaves a: x (priority 9) finds no other room\n", p.Explain())
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
