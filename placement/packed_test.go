package placement_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// ranked is a cluster of ten cores in a region, with a provider and a rank.
func ranked(name, region, provider string, rank int) *facts.State {
	return state(name, region, func(s *facts.State) {
		s.Provider = provider
		s.Properties["rank"] = facts.ParseProperty(fmt.Sprint(rank), time.Time{})
	})
}

// What random instances seldom hit: the order in which packing fills and empties,
// and what levels that cross demand to the last group.
func TestChosenAndDividedInOrder(t *testing.T) {
	on := func(pairs ...any) (list []v1alpha1.Target) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, v1alpha1.Target{Cluster: pairs[i].(string), Share: new(int64(pairs[i+1].(int)))})
		}
		return list
	}
	packed := func(least int32) *v1alpha1.Division {
		d := divided(v1alpha1.DivisionPacked)
		if least > 0 {
			d.MinPerCluster = &least
		}
		return d
	}
	upTo := func(n int32) *v1alpha1.Count { return &v1alpha1.Count{Max: &n} }
	ladder := []*facts.State{ranked("bad", "a", "x", 10), ranked("best", "a", "x", 90), ranked("good", "a", "x", 50)}
	crossing := []*facts.State{ranked("a1", "a", "x", 90), ranked("a2", "a", "y", 80), ranked("a3", "a", "y", 70), ranked("b1", "b", "x", 10)}
	tests := map[string]struct {
		reason   string
		fleet    []*facts.State
		spec     v1alpha1.PlacementSpec
		replicas int32
		current  []v1alpha1.Target
		want     []string
	}{
		"packing fills the best first": {
			reason: "the worst gets what is left", fleet: ladder, spec: v1alpha1.PlacementSpec{Count: upTo(3), Division: packed(0)},
			replicas: 13, want: []string{"best:10", "good:3"},
		},
		"packing empties the worst first": {
			reason: "six of 9 and 3 would leave the worse with less than two", fleet: ladder,
			spec:     v1alpha1.PlacementSpec{Count: upTo(3), Division: packed(2)},
			replicas: 6, current: on("best", 9, "good", 3), want: []string{"best:4", "good:2"},
		},
		"packing moves nothing that fits": {
			reason: "one cluster would hold them, and nothing makes them move", fleet: ladder,
			spec:     v1alpha1.PlacementSpec{Count: upTo(3), Division: packed(0)},
			replicas: 6, current: on("best", 3, "good", 3), want: []string{"best:3", "good:3"},
		},
		"packing leaves an empty cluster no lower than the least number": {
			reason: "two clusters are asked for, though one holds all", fleet: ladder,
			spec:     v1alpha1.PlacementSpec{Count: &v1alpha1.Count{Min: new(int32(2)), Max: new(int32(3))}, Division: packed(0)},
			replicas: 6, want: []string{"best:6", "good:0"},
		},
		"a skew over levels that cross": {
			reason: "all four would be three and one", fleet: crossing,
			spec: v1alpha1.PlacementSpec{Count: upTo(4), Spread: []v1alpha1.Spread{
				{TopologyKey: "region", MinGroups: new(int32(2)), MaxSkew: new(int32(1))}, {TopologyKey: "provider", MinGroups: new(int32(2))},
			}},
			want: []string{"a1", "a2", "b1"},
		},
		"groups over levels that cross": {
			reason: "the worst is the only one of its region", fleet: crossing,
			spec: v1alpha1.PlacementSpec{Count: exactly(2), Spread: []v1alpha1.Spread{
				{TopologyKey: "region", MinGroups: new(int32(2))}, {TopologyKey: "provider", MaxGroups: new(int32(2))},
			}},
			want: []string{"a1", "b1"},
		},
		"no weight, no room": {
			reason: "the best two hold nothing by weight", fleet: ladder,
			spec: v1alpha1.PlacementSpec{Count: exactly(1), Division: &v1alpha1.Division{Type: v1alpha1.DivisionWeighted, Weights: []v1alpha1.ClusterWeight{
				{Clusters: v1alpha1.ClusterSelector{Names: []string{"best", "good"}}, Weight: 0},
			}}},
			replicas: 5, want: []string{"bad:5"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := &placement.Request{Spec: &tc.spec, Workloads: replicas(tc.replicas, 1000), Current: tc.current}
			d, err := rankEngine(t).Place(t.Context(), r, facts.NewSnapshot(tc.fleet...))
			require.NoError(t, err)
			if diff := cmp.Diff(tc.want, outcome(d)); diff != "" {
				t.Errorf("%s (-want +got):\n%s%s", tc.reason, diff, d.Explain())
			}
		})
	}
}
