package controller

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func names(fleet *cluster.Snapshot) (out []string) {
	for s := range fleet.All() {
		out = append(out, s.Name)
	}
	return out
}

func TestPensHoldWhatAllLayersAllowAndSayWhoIsOutside(t *testing.T) {
	states := make([]*cluster.State, 0, 12)
	for i := range 12 {
		states = append(states, &cluster.State{Name: fmt.Sprintf("c%02d", i), Labels: map[string]string{"half": fmt.Sprint(i % 2), "third": fmt.Sprint(i % 3)}})
	}
	fleet := cluster.NewSnapshot(states...)
	half := &Policy{Clusters: &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"half": "0"}}}
	third := &Policy{Clusters: &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"third": "0"}}}
	policies := []named{{"platform", half}, {"none", &Policy{}}, {"workspace", third}}

	var p pens
	got, err := p.of(fleet, policies)
	require.NoError(t, err)
	require.Equal(t, []string{"c00", "c06"}, names(got.fleet))
	want := []v1alpha1.Rejection{
		{Filter: FilterLayer, Reason: ReasonForbidden, Count: 6, Message: `Layer "platform" does not allow the cluster: ask those who run the platform.`, Clusters: []string{"c01", "c03", "c05", "c07", "c09", "c11"}},
		{Filter: "Taints", Reason: "Tainted", Count: 5},
		{Filter: FilterLayer, Reason: ReasonForbidden, Count: 4, Message: `Layer "workspace" does not allow the cluster: ask those who run the platform.`, Clusters: []string{"c02", "c04", "c08", "c10"}},
	}
	require.Empty(t, cmp.Diff(want, got.explain([]v1alpha1.Rejection{{Filter: "Taints", Reason: "Tainted", Count: 5}})), "the largest group first")

	again, err := p.of(fleet, policies)
	require.NoError(t, err)
	require.Same(t, got.fleet, again.fleet, "Placements under the same layers share it")
	other, err := p.of(fleet.Without("c06"), policies)
	require.NoError(t, err)
	require.Equal(t, []string{"c00"}, names(other.fleet), "another fleet, another pen")
	require.Len(t, p.made, 2, "what was made of the fleet before is forgotten")

	bad := &Policy{Clusters: &v1alpha1.ClusterSelector{MatchExpressions: []v1alpha1.Requirement{{Key: "half", Operator: "Nonsense"}}}}
	_, err = p.of(fleet, []named{{"platform", bad}})
	require.ErrorContains(t, err, `"platform"`)
}

func TestDecideWithinLayers(t *testing.T) {
	engine := &says{decision: placement.Decision{Targets: targets("b")}}
	q := questionWith(was("a"))
	q.policies = []named{{"platform", &Policy{
		Clusters: &v1alpha1.ClusterSelector{Names: []string{"b", "c"}, MatchProperties: []v1alpha1.Requirement{{Key: "x", Operator: v1alpha1.OpDoesNotExist}}},
		Defaults: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{Min: new(int32(1)), Max: new(int32(1))}},
	}}}
	a, err := controllerWith(t, engine).decide(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, int32(1), *engine.asked.Spec.Count.Max)
	require.Nil(t, q.placement.Spec.Count)
	require.Equal(t, "(a) b", summarize(a.status.Targets), "what is outside leaves, and stays on record")
	require.Equal(t, CausePolicy, a.moves[0].Cause)
	require.Equal(t, `The work goes to b. By default of layer "platform": count.`, placed(&a.status).Message)
	require.Equal(t, []string{"a"}, a.status.Rejected[0].Clusters)
	require.True(t, a.interest.properties, "a property of a cluster can put it outside")

	q.policies[0].policy.MaxClusters = 1
	q.placement.Spec.Count = &v1alpha1.Count{Min: new(int32(2))}
	a, err = controllerWith(t, engine).decide(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, v1alpha1.ReasonInvalid, placed(&a.status).Reason)
	require.Equal(t, "a", summarize(a.status.Targets), "the decision stays")
}
