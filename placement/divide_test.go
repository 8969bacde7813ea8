package placement_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func targets(shares ...int64) []v1alpha1.Target {
	list := make([]v1alpha1.Target, len(shares))
	for i, s := range shares {
		list[i] = v1alpha1.Target{Cluster: fmt.Sprintf("c%02d", i), Share: &s}
	}
	return list
}

func ExampleDivide() {
	three, one := int64(3), int64(1)
	parts := placement.Divide(10, []v1alpha1.Target{
		{Cluster: "eu-1", Share: &three},
		{Cluster: "us-1", Share: &one},
	})
	fmt.Println(parts)
	// Output: map[eu-1:8 us-1:2]
}

func TestDivide(t *testing.T) {
	for name, tc := range map[string]struct {
		reason   string
		replicas int32
		targets  []v1alpha1.Target
		want     map[string]int32
	}{
		"duplicated":    {"no share means all on every target", 5, []v1alpha1.Target{{Cluster: "a"}, {Cluster: "b"}}, nil},
		"exact":         {"shares that sum to the replicas are kept", 10, targets(6, 4), map[string]int32{"c00": 6, "c01": 4}},
		"even":          {"ties go by name", 4, targets(1, 1, 1), map[string]int32{"c00": 2, "c01": 1, "c02": 1}},
		"none":          {"nothing to divide", 0, targets(1, 2), map[string]int32{"c00": 0, "c01": 0}},
		"negative":      {"a bad count harms nothing", -3, targets(1), map[string]int32{"c00": 0}},
		"all zero":      {"zero shares count as equal", 2, targets(0, 0), map[string]int32{"c00": 1, "c01": 1}},
		"one zero":      {"a zero share gets none", 3, targets(0, 1), map[string]int32{"c00": 0, "c01": 3}},
		"huge shares":   {"no overflow", math.MaxInt32, targets(math.MaxInt64, math.MaxInt64, math.MaxInt64), map[string]int32{"c00": 715827883, "c01": 715827882, "c02": 715827882}},
		"negative some": {"a negative share counts as zero", 3, targets(-1, 1), map[string]int32{"c00": 0, "c01": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, placement.Divide(tc.replicas, tc.targets)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDivideSumsAndGrowsByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := targets(rapid.SliceOfN(rapid.Int64Range(0, 50), 1, 12).Draw(t, "shares")...)
		n := rapid.Int32Range(0, 500).Draw(t, "replicas")
		now, next := placement.Divide(n, list), placement.Divide(n+1, list)
		sum, moved := int32(0), 0
		for c, part := range now {
			sum += part
			switch next[c] - part {
			case 0:
			case 1:
				moved++
			default:
				t.Fatalf("%s goes from %d to %d", c, part, next[c])
			}
		}
		require.Equal(t, n, sum)
		require.Equal(t, 1, moved, "one replica more changes one target")
	})
}

func TestDivideIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := targets(rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 8).Draw(t, "shares")...)
		n := rapid.Int32Range(0, 100).Draw(t, "replicas")
		want := placement.Divide(n, list)
		shuffled := slices.Clone(list)
		slices.Reverse(shuffled)
		require.True(t, maps.Equal(want, placement.Divide(n, shuffled)))
	})
}
