package placement_test

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// instance is a small question that can be answered by trying everything.
type instance struct {
	fleet   []*facts.State
	request *placement.Request
}

// byRank scores by a property, to have scores that tests choose.
var byRank = placement.ScorerFunc("Rank", func(_ *placement.Request, c *facts.State) int64 { return int64(c.Properties["rank"].Number) })

func rankEngine(t require.TestingT) *placement.Engine {
	engine, err := placement.NewEngine(placement.WithScorer(byRank, 1),
		placement.WithScorer(placement.FreeCapacity{}, 0), placement.WithScorer(placement.Preferred{}, 0), placement.WithScorer(placement.Taints{}, 0))
	require.NoError(t, err)
	return engine
}

// shape says how the levels of an instance lie to each other.
type shape int

const (
	nesting shape = iota
	crossing
	// tight levels cross, and every one is hard and bounded: what breaks one of
	// them by little is the best there is for who does not see it.
	tight
)

func drawInstance(t *rapid.T, how shape, most int, kinds ...v1alpha1.DivisionType) *instance {
	in := &instance{request: &placement.Request{Spec: &v1alpha1.PlacementSpec{}, Workloads: replicas(0, 1000)}}
	keys := []string{"region", "zone", "rack"}
	none, fewest, ranks := 0, 1, 100 // the first value of a level is none
	if how == tight {
		none, fewest, ranks = 1, most-2, 3
	}
	for i := range rapid.IntRange(fewest, most).Draw(t, "clusters") {
		region := rapid.SampledFrom([]string{"", "a", "b", "c"}[none:]).Draw(t, "region")
		zone := rapid.SampledFrom([]string{"", "1", "2", "3"}[none:]).Draw(t, "zone")
		rack := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "rack")
		if how == nesting && zone != "" {
			zone = region + zone
			rack = zone + rack
		}
		in.fleet = append(in.fleet, state(fmt.Sprintf("c%d", i), region, func(s *facts.State) {
			s.Zone = zone
			s.Labels["rack"] = rack
			s.Allocated.MilliCPU = 1000 * rapid.Int64Range(0, 10).Draw(t, "allocated")
			s.Properties["rank"] = facts.ParseProperty(fmt.Sprint(rapid.IntRange(0, ranks).Draw(t, "rank")), time.Time{})
		}))
	}
	bound := func(name string, low, high int32) *int32 {
		if how == tight || rapid.Bool().Draw(t, name+" given") {
			return new(rapid.Int32Range(low, high).Draw(t, name))
		}
		return nil
	}
	ordered := func(a, b **int32) {
		if *a != nil && *b != nil && **a > **b {
			*a, *b = *b, *a
		}
	}
	spec := in.request.Spec
	levels := rapid.IntRange(2*none, 3).Draw(t, "levels")
	for _, key := range keys[:levels] {
		s := v1alpha1.Spread{TopologyKey: key, MinGroups: bound("min groups", 1, 3), MaxGroups: bound("max groups", 1, 3), MaxSkew: bound("skew", 1, 2)}
		ordered(&s.MinGroups, &s.MaxGroups)
		if how != tight && rapid.IntRange(0, 3).Draw(t, "soft") == 0 {
			s.WhenUnsatisfiable = corev1.ScheduleAnyway
		}
		spec.Spread = append(spec.Spread, s)
	}
	if how == tight || rapid.Bool().Draw(t, "count given") {
		spec.Count = &v1alpha1.Count{Min: bound("min", 1, 5), Max: bound("max", 1, 6)}
		ordered(&spec.Count.Min, &spec.Count.Max)
	}
	if len(kinds) > 0 {
		spec.Division = divided(rapid.SampledFrom(kinds).Draw(t, "division"))
		spec.Division.MinPerCluster, spec.Division.MaxPerCluster = bound("min per cluster", 1, 6), bound("max per cluster", 1, 12)
		ordered(&spec.Division.MinPerCluster, &spec.Division.MaxPerCluster)
		in.request.Workloads = replicas(rapid.Int32Range(1, 30).Draw(t, "replicas"), 1000)
	}
	return in
}

// work puts some work where it could be.
func (in *instance) work(t *rapid.T) {
	for _, s := range in.fleet {
		if rapid.IntRange(0, 2).Draw(t, "current") == 0 {
			in.request.Current = append(in.request.Current, v1alpha1.Target{Cluster: s.Name})
		}
	}
}

func (in *instance) place(t require.TestingT) *placement.Decision {
	d, err := rankEngine(t).Place(context.Background(), in.request, facts.NewSnapshot(in.fleet...))
	require.NoError(t, err)
	return d
}

// bounds of the number of clusters, as the API documents them.
func (in *instance) bounds(fitting int) (least, most int) {
	spec := in.request.Spec
	least = 1
	most = fitting
	for _, s := range spec.Spread {
		if s.MinGroups != nil && s.WhenUnsatisfiable != corev1.ScheduleAnyway {
			least = max(least, int(*s.MinGroups))
		}
	}
	if spec.Count == nil {
		return least, least
	}
	if spec.Count.Min != nil {
		least = max(least, int(*spec.Count.Min))
	}
	if spec.Count.Max != nil {
		most = min(most, int(*spec.Count.Max))
	}
	return least, most
}

// room returns how many replicas a cluster may get, and the fewest that it must.
func (in *instance) room(s *facts.State) (least, most int64) {
	least, most = 1, s.Free().MilliCPU/1000
	d := in.request.Spec.Division
	if d.MinPerCluster != nil {
		least = int64(*d.MinPerCluster)
	}
	if d.MaxPerCluster != nil {
		most = min(most, int64(*d.MaxPerCluster))
	}
	return min(least, int64(*in.request.Workloads[0].Replicas)), most
}

func (in *instance) fits(s *facts.State) bool {
	if in.request.Spec.Division == nil {
		return true // instances without a division have no replicas
	}
	least, _ := in.room(s)
	return least <= s.Free().MilliCPU/1000
}

// answer is the best of all choices.
type oracleAnswer struct {
	feasible bool
	levels   int // that hold
	clusters int
	kept     int
	score    int64
}

// solve tries every choice of clusters.
func (in *instance) solve() (best oracleAnswer) {
	var fitting []*facts.State
	for _, s := range in.fleet {
		if in.fits(s) {
			fitting = append(fitting, s)
		}
	}
	least, most := in.bounds(len(fitting))
	var levels []v1alpha1.Spread
	for _, soft := range []bool{false, true} {
		for _, s := range in.request.Spec.Spread {
			if (s.WhenUnsatisfiable == corev1.ScheduleAnyway) == soft {
				levels = append(levels, s)
			}
		}
	}
	hard := len(in.request.Spec.Spread)
	for _, s := range in.request.Spec.Spread {
		if s.WhenUnsatisfiable == corev1.ScheduleAnyway {
			hard--
		}
	}
	for set := range 1 << len(fitting) {
		n := bits.OnesCount(uint(set))
		if n < least || n > most {
			continue
		}
		chosen := make([]*facts.State, 0, n)
		for i, s := range fitting {
			if set&(1<<i) != 0 {
				chosen = append(chosen, s)
			}
		}
		a := oracleAnswer{feasible: true, clusters: n}
		for a.levels < len(levels) && satisfied(levels[a.levels], chosen) {
			a.levels++
		}
		if a.levels < hard || !in.holds(chosen) {
			continue
		}
		for _, s := range chosen {
			a.score += int64(s.Properties["rank"].Number)
			if in.request.On(s.Name) {
				a.kept++
			}
		}
		if !best.feasible || best.less(a) {
			best = a
		}
	}
	return best
}

func (a oracleAnswer) less(b oracleAnswer) bool {
	return slices.Compare([]int64{int64(a.levels), int64(a.clusters), int64(a.kept), a.score}, []int64{int64(b.levels), int64(b.clusters), int64(b.kept), b.score}) < 0
}

func satisfied(s v1alpha1.Spread, chosen []*facts.State) bool {
	groups := map[string]int32{}
	for _, c := range chosen {
		value, ok := c.Topology(s.TopologyKey)
		if !ok {
			return false
		}
		groups[value]++
	}
	return holds(s, groups)
}

// holds says whether the replicas can be divided over a choice.
func (in *instance) holds(chosen []*facts.State) bool {
	if in.request.Spec.Division == nil {
		return true
	}
	total, low, high := int64(*in.request.Workloads[0].Replicas), int64(0), int64(0)
	for _, s := range chosen {
		least, most := in.room(s)
		if in.request.Spec.Division.MinPerCluster == nil {
			least = 0 // a cluster may be left without, where there are fewer replicas than clusters
		}
		if least > most {
			return false
		}
		low, high = low+least, high+most
	}
	return low <= total && total <= high
}

// outcomeOf is a decision in the terms of the oracle.
func (in *instance) outcomeOf(d *placement.Decision) (a oracleAnswer) {
	a.feasible = d.Reason == "" && len(d.Targets) > 0
	a.clusters = len(d.Targets)
	for _, target := range d.Targets {
		for _, s := range in.fleet {
			if s.Name == target.Cluster {
				a.score += int64(s.Properties["rank"].Number)
			}
		}
		if in.request.On(target.Cluster) {
			a.kept++
		}
	}
	return a
}

func TestChoiceAgreesWithBruteForce(t *testing.T) {
	for name, how := range map[string]shape{"nesting levels": nesting, "crossing levels": crossing, "tight levels": tight} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				in := drawInstance(t, how, 9)
				in.work(t)
				want, d := in.solve(), in.place(t)
				got := in.outcomeOf(d)
				want.levels = 0
				require.Equal(t, want, got, "%s\n%s", d.Reason, d.Explain())
			})
		})
	}
}

// With replicas to divide, what can be is found, over as many clusters as can
// be; of the scores no more is lost than those of one cluster.
func TestDividedChoiceAgreesWithBruteForce(t *testing.T) {
	for name, how := range map[string]shape{"nesting levels": nesting, "crossing levels": crossing} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				in := drawInstance(t, how, 8, v1alpha1.DivisionEven, v1alpha1.DivisionWeighted, v1alpha1.DivisionCapacity)
				want, d := in.solve(), in.place(t)
				got := in.outcomeOf(d)
				require.Equal(t, want.feasible, got.feasible, "%s: %s\n%s", d.Reason, d.Message, d.Explain())
				if !got.feasible {
					return
				}
				require.Equal(t, want.clusters, got.clusters, d.Explain())
				require.GreaterOrEqual(t, got.score, want.score-100, d.Explain())
				in.checkShares(t, d)
			})
		})
	}
}

// checkShares checks that shares sum to the replicas, within their bounds.
func (in *instance) checkShares(t *rapid.T, d *placement.Decision) {
	var sum int64
	for _, target := range d.Targets {
		i := slices.IndexFunc(in.fleet, func(s *facts.State) bool { return s.Name == target.Cluster })
		_, most := in.room(in.fleet[i])
		require.LessOrEqual(t, *target.Share, most, d.Explain())
		if m := in.request.Spec.Division.MinPerCluster; m != nil {
			require.GreaterOrEqual(t, *target.Share, min(int64(*m), int64(*in.request.Workloads[0].Replicas)), d.Explain())
		}
		sum += *target.Share
	}
	require.EqualValues(t, *in.request.Workloads[0].Replicas, sum, d.Explain())
}
