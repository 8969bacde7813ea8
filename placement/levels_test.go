package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// BenchmarkLevels is spread over several levels on 10,000 clusters: regions and
// zones, which nest, and regions and providers, which cross.
func BenchmarkLevels(b *testing.B) {
	states := slices.Collect(referenceFleet(10_000).All())
	for i, s := range states {
		s.Zone = fmt.Sprintf("%s-%d", s.Region, i/10%3)
		s.Provider = fmt.Sprintf("provider-%d", i/2%7)
		s.Labels["owner"] = fmt.Sprintf("owner-%d", i/2%7)
		if i%10 == i/2%7 { // no owner is in every region
			s.Labels["owner"] = "owner-0"
		}
	}
	fleet := facts.NewSnapshot(states...)
	for name, spread := range map[string][]v1alpha1.Spread{
		"nesting":              {{TopologyKey: "region", MinGroups: new(int32(3)), MaxGroups: new(int32(3))}, {TopologyKey: "zone", MinGroups: new(int32(5)), MaxSkew: new(int32(1))}},
		"crossing":             {{TopologyKey: "region", MinGroups: new(int32(3)), MaxGroups: new(int32(3))}, {TopologyKey: "provider", MinGroups: new(int32(3)), MaxGroups: new(int32(4)), MaxSkew: new(int32(1))}},
		"crossing, impossible": {{TopologyKey: "region", MinGroups: new(int32(5))}, {TopologyKey: "owner", MaxGroups: new(int32(1))}, {TopologyKey: "provider", MinGroups: new(int32(6)), MaxSkew: new(int32(1))}},
	} {
		b.Run(name, func(b *testing.B) {
			engine, err := placement.NewEngine()
			require.NoError(b, err)
			r := referenceRequest()
			r.Spec.Spread = spread
			d, err := engine.Place(b.Context(), r, fleet)
			require.NoError(b, err)
			require.Equal(b, name == "crossing, impossible", d.Reason != "", d.Message)
			for b.Loop() {
				if _, err := engine.Place(b.Context(), r, fleet); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
