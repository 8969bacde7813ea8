package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// What two selectors make together selects what each of them selects.
func TestBothSelectsWhatEachSelects(t *testing.T) {
	selector := rapid.Custom(func(t *rapid.T) *v1alpha1.ClusterSelector {
		if rapid.IntRange(0, 4).Draw(t, "nil") == 0 {
			return nil
		}
		s := &v1alpha1.ClusterSelector{}
		if rapid.Bool().Draw(t, "named") {
			s.Names = rapid.SliceOfN(rapid.SampledFrom([]string{"c0", "c1", "c2", "c3"}), 1, 3).Draw(t, "names")
		}
		if rapid.Bool().Draw(t, "labelled") {
			s.MatchLabels = map[string]string{"env": rapid.SampledFrom([]string{"prod", "dev"}).Draw(t, "env")}
		}
		if rapid.Bool().Draw(t, "wished") {
			s.MatchExpressions = []v1alpha1.Requirement{{Key: "tier", Operator: rapid.SampledFrom([]v1alpha1.Operator{v1alpha1.OpExists, v1alpha1.OpDoesNotExist}).Draw(t, "op")}}
		}
		if rapid.Bool().Draw(t, "written") {
			s.Expression = rapid.SampledFrom([]string{"cluster.name == 'c1' || cluster.name == 'c2'", "cluster.name != 'c2'"}).Draw(t, "expression")
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := selector.Draw(t, "a"), selector.Draw(t, "b")
		for i := range 8 {
			state := &cluster.State{Name: fmt.Sprint("c", i%4), Labels: map[string]string{"env": []string{"prod", "dev"}[i/4]}}
			if i%3 == 0 {
				state.Labels["tier"] = "gold"
			}
			inA, err := placement.Matches(a, state)
			require.NoError(t, err)
			inB, err := placement.Matches(b, state)
			require.NoError(t, err)
			inBoth, err := placement.Matches(both(a, b), state)
			require.NoError(t, err)
			require.Equal(t, inA && inB, inBoth, "%+v and %+v of %s %v", a, b, state.Name, state.Labels)
		}
	})
}
