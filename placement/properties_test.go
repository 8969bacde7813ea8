package placement_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

var allDivisions = []v1alpha1.DivisionType{v1alpha1.DivisionEven, v1alpha1.DivisionWeighted, v1alpha1.DivisionCapacity, v1alpha1.DivisionPacked}

func drawShape(t *rapid.T) shape {
	return rapid.SampledFrom([]shape{nesting, crossing}).Draw(t, "shape")
}

// settled is an instance whose work is where a decision put it, and which the
// clusters report.
func settled(t *rapid.T, in *instance) *placement.Decision {
	d := in.place(t)
	in.request.Current = d.Targets
	for _, target := range d.Targets {
		i := slices.IndexFunc(in.fleet, func(s *facts.State) bool { return s.Name == target.Cluster })
		with := *in.fleet[i]
		if target.Share != nil {
			with.Allocated.MilliCPU += *target.Share * 1000
			with.Allocated.Pods += *target.Share
		}
		in.fleet[i] = &with
	}
	return d
}

// The order in which anything is given makes no difference.
func TestOrderMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, drawShape(t), 9, allDivisions...)
		in.work(t)
		in.request.Neighbours = []placement.Neighbour{{Name: "x", Clusters: []string{"c1"}}, {Name: "y", Clusters: []string{"c0", "c2"}}}
		in.request.Spec.AntiAffinity = &v1alpha1.Affinity{Required: []v1alpha1.AffinityTerm{{TopologyKey: "rack"}}}
		want := in.place(t)
		seed := rapid.Uint64().Draw(t, "seed")
		shuffle := rand.New(rand.NewPCG(seed, 0))
		other := &instance{slices.Clone(in.fleet), new(*in.request)}
		other.request.Current, other.request.Neighbours = slices.Clone(in.request.Current), slices.Clone(in.request.Neighbours)
		for _, swap := range []func(){
			func() {
				shuffle.Shuffle(len(other.fleet), func(i, j int) { other.fleet[i], other.fleet[j] = other.fleet[j], other.fleet[i] })
			},
			func() {
				c := other.request.Current
				shuffle.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
			},
			func() { slices.Reverse(other.request.Neighbours) },
		} {
			swap()
		}
		got := other.place(t)
		require.Equal(t, want.Targets, got.Targets)
		require.Equal(t, want.Reason+want.Message, got.Reason+got.Message)
		require.Equal(t, want.Rejected, got.Rejected)
		require.Equal(t, want.Explain(), got.Explain())
	})
}

// A decision that was made is made again, also when clusters change that have
// nothing to do with it: what does not fit, or what is full, or what is worse.
func TestUnrelatedChangeChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, drawShape(t), 8, allDivisions...)
		if rapid.Bool().Draw(t, "duplicated") {
			in.request.Spec.Division = nil
		}
		d := settled(t, in)
		if d.Reason != "" {
			return
		}
		again := in.place(t)
		require.Equal(t, outcome(d), outcome(again), again.Explain())
		if d.Targets != nil && rapid.Bool().Draw(t, "newcomer") {
			in.fleet = append(in.fleet, state("zz", "zz", func(s *facts.State) { s.Unschedulable = true }))
		}
		for i, s := range in.fleet { // what is not chosen goes, fills up or gets worse
			if in.request.On(s.Name) {
				continue
			}
			with := *s
			switch rapid.IntRange(0, 2).Draw(t, "change") {
			case 0:
				with.Unschedulable = true
			case 1:
				with.Allocated.MilliCPU = 10_000
			default:
				with.Ready = false
			}
			in.fleet[i] = &with
		}
		require.Equal(t, outcome(d), outcome(in.place(t)), "none of those that were not chosen matter to those that were")
	})
}

// The score of a cluster is the mean of its scores by weight, rounded down.
func TestScoreIsTheMeanByWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var opts []placement.Option
		for _, s := range []placement.Scorer{placement.FreeCapacity{}, placement.Preferred{}, placement.PreferredAffinity{}, placement.Taints{}} {
			opts = append(opts, placement.WithScorer(s, 0))
		}
		sum, weights := int64(0), int64(0)
		for i := range rapid.IntRange(1, 4).Draw(t, "scorers") {
			score, weight := rapid.Int64Range(-10, 110).Draw(t, "score"), rapid.Int64Range(0, 1000).Draw(t, "weight")
			name := string(rune('a' + i))
			opts = append(opts, placement.WithScorer(placement.ScorerFunc(name, func(*placement.Request, *facts.State) int64 { return score }), weight))
			sum, weights = sum+weight*min(100, max(0, score)), weights+weight
		}
		engine, err := placement.NewEngine(opts...)
		require.NoError(t, err)
		d, err := engine.Place(t.Context(), &placement.Request{}, facts.NewSnapshot(state("a", "a")))
		require.NoError(t, err)
		require.Equal(t, sum/max(1, weights), d.Targets[0].Score)
	})
}

// More room on any cluster never makes impossible what was possible.
func TestMoreCapacityNeverHurts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, drawShape(t), 8, allDivisions...)
		if in.place(t).Reason != "" {
			return
		}
		i := rapid.IntRange(0, len(in.fleet)-1).Draw(t, "which")
		with := *in.fleet[i]
		with.Allocatable.MilliCPU += 1000 * rapid.Int64Range(1, 20).Draw(t, "more")
		in.fleet[i] = &with
		d := in.place(t)
		require.Empty(t, d.Reason, "%s\n%s", d.Message, d.Explain())
	})
}

// A new cluster that fits never makes impossible what was possible, unless every
// cluster that fits is asked for.
func TestMoreClustersNeverHurt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, drawShape(t), 8, allDivisions...)
		if in.place(t).Reason != "" {
			return
		}
		in.fleet = append(in.fleet, state("new", rapid.SampledFrom([]string{"", "a", "n"}).Draw(t, "region"), func(s *facts.State) {
			s.Zone, s.Labels["rack"] = "nz", "nzx"
		}))
		d := in.place(t)
		require.Empty(t, d.Reason, "%s\n%s", d.Message, d.Explain())
	})
}

// Between two decisions that both keep shares where they can, as few replicas
// move as the chosen clusters allow.
func TestFewestReplicasMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, drawShape(t), 8, v1alpha1.DivisionCapacity)
		before := settled(t, in)
		if before.Reason != "" || len(before.Targets) == 0 {
			return
		}
		lost := before.Targets[rapid.IntRange(0, len(before.Targets)-1).Draw(t, "lost")].Cluster
		in.fleet = slices.DeleteFunc(in.fleet, func(s *facts.State) bool { return s.Name == lost })
		after := in.place(t)
		if after.Reason != "" {
			return
		}
		old, homeless, due := map[string]int64{}, int64(0), int64(0)
		for _, target := range before.Targets {
			old[target.Cluster] = *target.Share
			if !slices.ContainsFunc(after.Targets, func(o v1alpha1.Target) bool { return o.Cluster == target.Cluster }) {
				homeless += *target.Share
			}
		}
		moved := int64(0)
		for _, target := range after.Targets {
			moved += max(0, *target.Share-old[target.Cluster])
			least := int64(1) // a cluster is chosen to be used
			if m := in.request.Spec.Division.MinPerCluster; m != nil {
				least = int64(*m)
			}
			due += max(0, least-old[target.Cluster])
		}
		require.LessOrEqual(t, moved, max(homeless, due), "%v\n%s", outcome(before), after.Explain())
	})
}
