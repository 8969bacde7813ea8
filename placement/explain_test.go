package placement_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func ExampleDecision_Explain() {
	engine, err := placement.NewEngine()
	if err != nil {
		panic(err)
	}
	fleet := facts.NewSnapshot(
		state("eu-1", "eu"), state("eu-2", "eu"), state("us-1", "us", allocated(2000)),
		state("us-2", "us", allocated(9000), func(s *facts.State) { s.Labels["env"] = "dev" }),
	)
	decision, err := engine.Place(context.Background(), &placement.Request{
		Workloads: replicas(9, 1000),
		Layers:    map[string]string{"clusters": "platform"},
		Spec: &v1alpha1.PlacementSpec{
			Clusters: &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"env": "prod"}},
			Spread:   []v1alpha1.Spread{{TopologyKey: "region", MinGroups: new(int32(2))}},
			Division: &v1alpha1.Division{Type: v1alpha1.DivisionEven, MinPerCluster: new(int32(2))},
		},
	}, fleet)
	if err != nil {
		panic(err)
	}
	fmt.Print(decision.Explain())
	fmt.Println(decision.Event())
	// Output:
	// spec.clusters is of layer "platform"
	// 3 clusters fit, 2 to 2 are asked for, 2 are chosen
	// spread over region: eu=1 us=1 (groups: at least 2; skew: any)
	// eu-1: chosen with a share of 5; score 83 (FreeCapacity 100×1, Preferred 50×2, Taints 100×3)
	// eu-2: fits, others are better; score 83 (FreeCapacity 100×1, Preferred 50×2, Taints 100×3)
	// us-1: chosen with a share of 4; score 81 (FreeCapacity 90×1, Preferred 50×2, Taints 100×3)
	// us-2: refused by Selector (NotSelected): spec.clusters (of layer "platform") does not select the cluster: label env is "dev", and In prod is asked for; and by Capacity (InsufficientCapacity): the cluster has room for 1 of the 2 replicas that it would get at least; it lacks 1 cpu
	// placed on eu-1:5 us-1:4; refused: 1 NotSelected (Selector)
}

// What a verdict says of a cluster is what a mended cluster needs.
func TestWhatWouldHaveToChange(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	r := &placement.Request{Workloads: replicas(3, 2000), Spec: &v1alpha1.PlacementSpec{Clusters: &v1alpha1.ClusterSelector{
		Names:            []string{"a", "c"},
		MatchProperties:  []v1alpha1.Requirement{{Key: "cost", Operator: v1alpha1.OpLt, Values: []string{"2"}}, {Key: "gpu", Operator: v1alpha1.OpExists}},
		MatchExpressions: []v1alpha1.Requirement{{Key: "env", Operator: v1alpha1.OpNotIn, Values: []string{"prod", "test"}}},
		Expression:       `cluster.region == "us"`,
	}}}
	d, err := engine.Place(t.Context(), r, facts.NewSnapshot(state("b", "eu", allocated(7000))))
	require.NoError(t, err)
	v, ok := d.Verdict("b")
	require.True(t, ok)
	require.Equal(t, `b: refused by Selector (NotSelected): spec.clusters does not select the cluster: its name is not among those given; `+
		`label env is "prod", and NotIn prod, test is asked for; property cost is "2", and Lt 2 is asked for; it has no property gpu, and Exists is asked for; the expression is false; `+
		`and by Capacity (InsufficientCapacity): the cluster has room for 1 of the 3 replicas that it would get at least; it lacks 3 cpu`, v.String())
	_, ok = d.Verdict("c")
	require.False(t, ok)
}

// However much there is to say, what goes into a status and an event is
// bounded.
func TestExplanationsAreBounded(t *testing.T) {
	var opts []placement.Option
	for f := range 40 {
		opts = append(opts, placement.WithFilter(placement.FilterFunc(fmt.Sprintf("filter-%d", f), func(_ *placement.Request, c *facts.State) *placement.Reason {
			if strings.HasPrefix(c.Name, fmt.Sprintf("%d-", f)) {
				return &placement.Reason{Code: "Code" + c.Name, Message: strings.Repeat("ä", 10_000)}
			}
			return nil
		})))
	}
	engine, err := placement.NewEngine(opts...)
	require.NoError(t, err)
	var states []*facts.State
	for f := range 40 {
		for i := range 50 {
			states = append(states, state(fmt.Sprintf("%d-%d", f, i), "eu"))
		}
	}
	d, err := engine.Place(t.Context(), &placement.Request{}, facts.NewSnapshot(states...))
	require.NoError(t, err)
	require.LessOrEqual(t, len(d.Rejected), 16)
	for _, r := range d.Rejected {
		require.LessOrEqual(t, len(r.Clusters), 8)
		require.LessOrEqual(t, len(r.Message), 512)
	}
	require.LessOrEqual(t, len(d.Event()), 1024)
}
