package placement_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// state returns a ready cluster of 10 cores, changed by the modifiers.
func state(name, region string, modify ...func(*facts.State)) *facts.State {
	s := &facts.State{
		Name: name, Region: region, Ready: true, Reachable: true, Version: "v1.36.3", CapacityKnown: true,
		Labels:      map[string]string{"env": "prod"},
		Properties:  map[string]facts.Property{"cost": facts.ParseProperty("2", time.Time{})},
		Allocatable: facts.Resources{MilliCPU: 10_000, Memory: 64 << 30, Pods: 110},
	}
	for _, m := range modify {
		m(s)
	}
	return s
}

func allocated(milliCPU int64) func(*facts.State) {
	return func(s *facts.State) { s.Allocated.MilliCPU = milliCPU }
}

// forWorkspace has the taints concern one workspace alone.
func forWorkspace(name string) func(*facts.State) {
	return func(s *facts.State) {
		for i := range s.Taints {
			s.Taints[i].Workspace = name
		}
	}
}

func tainted(effect corev1.TaintEffect, at time.Time) func(*facts.State) {
	return func(s *facts.State) {
		s.Taints = append(s.Taints, clusterv1alpha1.Taint{Key: "down", Effect: effect, TimeAdded: &metav1.Time{Time: at}})
	}
}

func replicas(n int32, milliCPU int64) []placement.Workload {
	return []placement.Workload{{
		Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Name: "web",
		Replicas: &n, Requests: facts.Resources{MilliCPU: milliCPU, Pods: 1},
	}}
}

func exactly(n int32) *v1alpha1.Count { return &v1alpha1.Count{Min: &n, Max: &n} }

func overRegions(n int32) []v1alpha1.Spread {
	return []v1alpha1.Spread{{TopologyKey: "region", MinGroups: &n}}
}

func divided(kind v1alpha1.DivisionType) *v1alpha1.Division { return &v1alpha1.Division{Type: kind} }

// outcome renders targets briefly.
func outcome(d *placement.Decision) []string {
	var list []string
	for _, t := range d.Targets {
		if t.Share != nil {
			list = append(list, fmt.Sprintf("%s:%d", t.Cluster, *t.Share))
		} else {
			list = append(list, t.Cluster)
		}
	}
	return list
}

func ExampleEngine_Place() {
	engine, err := placement.NewEngine()
	if err != nil {
		panic(err)
	}
	fleet := facts.NewSnapshot(
		state("eu-1", "eu", allocated(4000)),
		state("eu-2", "eu", allocated(9000)),
		state("us-1", "us", func(s *facts.State) { s.Unschedulable = true }),
	)
	decision, err := engine.Place(context.Background(), &placement.Request{Workloads: replicas(3, 1000)}, fleet)
	if err != nil {
		panic(err)
	}
	fmt.Print(decision.Explain())
	// Output:
	// eu-1: chosen; score 80 (FreeCapacity 80×1, Preferred 50×2, Taints 100×3)
	// eu-2: refused by Capacity (InsufficientCapacity): the cluster has room for 1 of the 3 replicas that it would get at least; it lacks 2 cpu
	// us-1: refused by Schedulable (Cordoned): the cluster is cordoned and takes no new work; uncordon it
}

func TestPlace(t *testing.T) {
	now := time.Unix(1000, 0)
	six := int64(6)
	four := int64(4)
	for name, tc := range map[string]struct {
		reason  string
		request placement.Request
		fleet   []*facts.State
		want    []string
		problem string
	}{
		"the best by score": {
			reason: "the cluster with more room scores higher",
			fleet:  []*facts.State{state("a", "eu", allocated(5000)), state("b", "eu")}, want: []string{"b"},
		},
		"ties go by name": {
			reason: "every replica of the controller must answer alike",
			fleet:  []*facts.State{state("b", "eu"), state("a", "eu")}, want: []string{"a"},
		},
		"sticky": {
			reason:  "a better cluster is no reason to move",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "a"}}},
			fleet:   []*facts.State{state("a", "eu", allocated(9000)), state("b", "eu")}, want: []string{"a"},
		},
		"leaving is not current": {
			reason:  "what is on its way out has no claim",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "a", Leaving: true}}},
			fleet:   []*facts.State{state("a", "eu", allocated(9000)), state("b", "eu")}, want: []string{"b"},
		},
		"a cordon keeps": {
			reason:  "no new work, old work stays",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "a"}}},
			fleet:   []*facts.State{state("a", "eu", func(s *facts.State) { s.Unschedulable = true }), state("b", "eu")}, want: []string{"a"},
		},
		"not ready keeps": {
			reason:  "only a NoExecute taint moves work",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "a"}}},
			fleet:   []*facts.State{state("a", "eu", func(s *facts.State) { s.Ready = false }, tainted("NoSchedule", now)), state("b", "eu")}, want: []string{"a"},
		},
		"NoExecute for its workspace moves": {
			reason:  "the eviction is of this tenant",
			request: placement.Request{Workspace: "w1", Current: []v1alpha1.Target{{Cluster: "a"}}, Now: now},
			fleet:   []*facts.State{state("a", "eu", tainted("NoExecute", now), forWorkspace("w1")), state("b", "eu")}, want: []string{"b"},
		},
		"NoExecute for another workspace": {
			reason:  "it is none of this tenant's business, for work that is there and for new work",
			request: placement.Request{Workspace: "w2", Current: []v1alpha1.Target{{Cluster: "a"}}, Now: now, Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}}},
			fleet:   []*facts.State{state("a", "eu", tainted("NoExecute", now), forWorkspace("w1")), state("b", "eu", tainted("NoSchedule", now), forWorkspace("w1"))}, want: []string{"a", "b"},
		},
		"NoExecute moves": {
			reason:  "an untolerated NoExecute taint evicts",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "a"}}, Now: now},
			fleet:   []*facts.State{state("a", "eu", tainted("NoExecute", now)), state("b", "eu")}, want: []string{"b"},
		},
		"tolerated for a while": {
			reason: "tolerationSeconds count from when the taint was added",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "a"}}, Now: now.Add(59 * time.Second), Spec: &v1alpha1.PlacementSpec{
				Tolerations: []v1alpha1.Toleration{{Key: "down", Operator: "Exists", TolerationSeconds: new(int64(60))}},
			}},
			fleet: []*facts.State{state("a", "eu", tainted("NoExecute", now)), state("b", "eu")}, want: []string{"a"},
		},
		"and no longer": {
			reason: "then the work moves",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "a"}}, Now: now.Add(60 * time.Second), Spec: &v1alpha1.PlacementSpec{
				Tolerations: []v1alpha1.Toleration{{Key: "down", Operator: "Exists", TolerationSeconds: new(int64(60))}},
			}},
			fleet: []*facts.State{state("a", "eu", tainted("NoExecute", now)), state("b", "eu")}, want: []string{"b"},
		},
		"a time on record": {
			reason: "a fleet that forgot since when a cluster is tainted grants no second grace",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "a", EvictAfter: &metav1.Time{Time: now.Add(60 * time.Second)}}}, Now: now.Add(60 * time.Second), Spec: &v1alpha1.PlacementSpec{
				Tolerations: []v1alpha1.Toleration{{Key: "down", Operator: "Exists", TolerationSeconds: new(int64(60))}},
			}},
			fleet: []*facts.State{state("a", "eu", tainted("NoExecute", now.Add(30*time.Second))), state("b", "eu")}, want: []string{"b"},
		},
		"own use counts as free": {
			reason:  "work does not push itself out",
			request: placement.Request{Workloads: replicas(9, 1000), Current: []v1alpha1.Target{{Cluster: "a"}}},
			fleet:   []*facts.State{state("a", "eu", allocated(9000))}, want: []string{"a"},
		},
		"spread over regions": {
			reason:  "two groups need two clusters",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Spread: overRegions(2)}},
			fleet:   []*facts.State{state("a", "eu"), state("b", "eu"), state("c", "us", allocated(9000))}, want: []string{"a", "c"},
		},
		"spread that can't be": {
			reason:  "one region is not two",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Spread: overRegions(2)}},
			fleet:   []*facts.State{state("a", "eu"), state("b", "eu")}, problem: v1alpha1.ReasonSpreadUnsatisfiable,
		},
		"soft spread": {
			reason: "ScheduleAnyway gives way",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: exactly(2), Spread: []v1alpha1.Spread{
				{TopologyKey: "region", MinGroups: new(int32(2)), WhenUnsatisfiable: corev1.ScheduleAnyway},
			}}},
			fleet: []*facts.State{state("a", "eu"), state("b", "eu")}, want: []string{"a", "b"},
		},
		"two levels": {
			reason: "regions and providers at once",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: exactly(2), Spread: []v1alpha1.Spread{
				{TopologyKey: "region", MinGroups: new(int32(2))}, {TopologyKey: "provider", MaxGroups: new(int32(1))},
			}}},
			fleet: []*facts.State{
				state("a", "eu", func(s *facts.State) { s.Provider = "x" }), state("b", "us", func(s *facts.State) { s.Provider = "y" }),
				state("c", "us", func(s *facts.State) { s.Provider = "x" }, allocated(5000)),
			}, want: []string{"a", "c"},
		},
		"too few": {
			reason:  "fewer than asked for is no decision",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: exactly(3)}},
			fleet:   []*facts.State{state("a", "eu")}, problem: v1alpha1.ReasonTooFewClusters,
		},
		"nothing fits": {reason: "an empty fleet fits nothing", problem: v1alpha1.ReasonNoClusterFits},
		"divided by capacity": {
			reason:  "shares follow the free slots and sum to the replicas",
			request: placement.Request{Workloads: replicas(10, 1000), Spec: &v1alpha1.PlacementSpec{Count: exactly(2), Division: divided(v1alpha1.DivisionCapacity)}},
			fleet:   []*facts.State{state("a", "eu"), state("b", "eu", allocated(5000))}, want: []string{"a:7", "b:3"},
		},
		"shares by capacity stay": {
			reason: "free capacity that changes is no reason to move replicas",
			request: placement.Request{
				Workloads: replicas(10, 1000), Spec: &v1alpha1.PlacementSpec{Count: exactly(2), Division: divided(v1alpha1.DivisionCapacity)},
				Current: []v1alpha1.Target{{Cluster: "a", Share: &six}, {Cluster: "b", Share: &four}},
			},
			fleet: []*facts.State{state("a", "eu", allocated(9000)), state("b", "eu", allocated(4000))}, want: []string{"a:6", "b:4"},
		},
		"a lost cluster's replicas move, the others stay": {
			reason: "as few as possible move",
			request: placement.Request{
				Workloads: replicas(10, 1000), Spec: &v1alpha1.PlacementSpec{Count: exactly(2), Division: divided(v1alpha1.DivisionCapacity)},
				Current: []v1alpha1.Target{{Cluster: "a", Share: &six}, {Cluster: "b", Share: &four}},
			},
			fleet: []*facts.State{state("a", "eu", allocated(6000)), state("c", "eu")}, want: []string{"a:6", "c:4"},
		},
		"every chosen cluster is used": {
			reason:  "a share of none would be a target without work, to be swapped at the next look",
			request: placement.Request{Workloads: replicas(3, 1000), Spec: &v1alpha1.PlacementSpec{Count: exactly(2), Division: divided(v1alpha1.DivisionCapacity)}},
			fleet:   []*facts.State{state("a", "eu"), state("b", "eu", allocated(9000))}, want: []string{"a:2", "b:1"},
		},
		"packed": {
			reason:  "as few clusters as hold the replicas",
			request: placement.Request{Workloads: replicas(12, 1000), Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}, Division: divided(v1alpha1.DivisionPacked)}},
			fleet:   []*facts.State{state("a", "eu"), state("b", "eu"), state("c", "eu")}, want: []string{"a:10", "b:2"},
		},
		"even": {
			reason:  "the same share for all",
			request: placement.Request{Workloads: replicas(7, 0), Spec: &v1alpha1.PlacementSpec{Count: exactly(3), Division: divided(v1alpha1.DivisionEven)}},
			fleet:   []*facts.State{state("a", "eu"), state("b", "eu"), state("c", "eu")}, want: []string{"a:3", "b:2", "c:2"},
		},
		"weighted": {
			reason: "by the weights that selectors give",
			request: placement.Request{Workloads: replicas(8, 0), Spec: &v1alpha1.PlacementSpec{Count: exactly(2), Division: &v1alpha1.Division{
				Type: v1alpha1.DivisionWeighted, Weights: []v1alpha1.ClusterWeight{{Clusters: v1alpha1.ClusterSelector{Names: []string{"a"}}, Weight: 3}},
			}}},
			fleet: []*facts.State{state("a", "eu"), state("b", "eu")}, want: []string{"a:6", "b:2"},
		},
		"by expression and version": {
			reason: "CEL and semantic versions select",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Clusters: &v1alpha1.ClusterSelector{
				Expression:      `cluster.region == "us" && cluster.labels["env"] == "prod"`,
				MatchProperties: []v1alpha1.Requirement{{Key: "cost", Operator: "Lt", Values: []string{"3"}}},
			}}},
			fleet: []*facts.State{state("a", "eu"), state("b", "us")}, want: []string{"b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := placement.NewEngine()
			require.NoError(t, err)
			d, err := engine.Place(t.Context(), &tc.request, facts.NewSnapshot(tc.fleet...))
			require.NoError(t, err)
			require.Equal(t, tc.problem, d.Reason, "%s: %s", tc.reason, d.Message)
			if diff := cmp.Diff(tc.want, outcome(d)); diff != "" {
				t.Errorf("%s (-want +got):\n%s\n%s", tc.reason, diff, d.Explain())
			}
		})
	}
}

func TestPlaceSurvivesNil(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	d, err := engine.Place(t.Context(), &placement.Request{}, nil)
	require.NoError(t, err)
	require.Equal(t, v1alpha1.ReasonNoClusterFits, d.Reason)
	_, err = engine.Place(t.Context(), nil, nil)
	require.Error(t, err)
}

func TestValidateSpecNamesTheField(t *testing.T) {
	for want, spec := range map[string]v1alpha1.PlacementSpec{
		"spec.clusters.expression":                    {Clusters: &v1alpha1.ClusterSelector{Expression: "1 +"}},
		"spec.clusters.matchExpressions[0].operator":  {Clusters: &v1alpha1.ClusterSelector{MatchExpressions: []v1alpha1.Requirement{{Key: "a", Operator: "Like"}}}},
		"spec.clusters.matchProperties[0].values[0]":  {Clusters: &v1alpha1.ClusterSelector{MatchProperties: []v1alpha1.Requirement{{Key: "a", Operator: "Gt", Values: []string{"x"}}}}},
		"spec.count.min":                              {Count: &v1alpha1.Count{Min: new(int32(3)), Max: new(int32(2))}},
		"spec.spread[0].maxSkew":                      {Spread: []v1alpha1.Spread{{TopologyKey: "region", MaxSkew: new(int32(0))}}},
		"spec.division.type":                          {Division: &v1alpha1.Division{Type: "Half"}},
		"spec.resources[0].kind":                      {Resources: []v1alpha1.ResourceSelector{{}}},
		"spec.preferred[0].clusters.matchExpressions": {Preferred: []v1alpha1.Preference{{Clusters: v1alpha1.ClusterSelector{MatchExpressions: []v1alpha1.Requirement{{Key: "a", Operator: "In"}}}}}},
	} {
		require.ErrorContains(t, placement.ValidateSpec(&spec), want)
	}
}

// problem is a small instance: clusters with regions and scores, one level.
type problem struct {
	fleet  []*facts.State
	spread v1alpha1.Spread
	n      int32
}

func drawProblem(t *rapid.T) problem {
	var p problem
	for i := range rapid.IntRange(1, 9).Draw(t, "clusters") {
		region := rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(t, "region")
		p.fleet = append(p.fleet, state(fmt.Sprintf("c%d", i), region, allocated(rapid.Int64Range(0, 9000).Draw(t, "allocated"))))
	}
	bound := func(name string) *int32 {
		if rapid.Bool().Draw(t, name+" given") {
			return new(rapid.Int32Range(1, 4).Draw(t, name))
		}
		return nil
	}
	p.spread = v1alpha1.Spread{TopologyKey: "region", MinGroups: bound("min"), MaxGroups: bound("max"), MaxSkew: bound("skew")}
	if p.spread.MinGroups != nil && p.spread.MaxGroups != nil && *p.spread.MinGroups > *p.spread.MaxGroups {
		p.spread.MinGroups, p.spread.MaxGroups = p.spread.MaxGroups, p.spread.MinGroups
	}
	p.n = rapid.Int32Range(1, 6).Draw(t, "n")
	return p
}

// bruteForce tries every subset of n clusters.
func (p problem) bruteForce(score map[string]int64) (best int64, feasible bool) {
	for set := range 1 << len(p.fleet) {
		groups, n, sum, complete := map[string]int32{}, int32(0), int64(0), true
		for i, s := range p.fleet {
			if set&(1<<i) == 0 {
				continue
			}
			complete = complete && s.Region != ""
			n++
			groups[s.Region]++
			sum += score[s.Name]
		}
		if n != p.n || !complete || !holds(p.spread, groups) {
			continue
		}
		if !feasible || sum > best {
			best, feasible = sum, true
		}
	}
	return best, feasible
}

func holds(s v1alpha1.Spread, groups map[string]int32) bool {
	low, high := int32(1<<30), int32(0)
	for _, n := range groups {
		low, high = min(low, n), max(high, n)
	}
	n := int32(len(groups))
	return (s.MinGroups == nil || n >= *s.MinGroups) && (s.MaxGroups == nil || n <= *s.MaxGroups) && (s.MaxSkew == nil || high-low <= *s.MaxSkew)
}

// The choice over one level is exact: feasible if and only if some subset is,
// and of the greatest sum of scores.
func TestSpreadAgreesWithBruteForce(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t)
		d, err := engine.Place(context.Background(), &placement.Request{Spec: &v1alpha1.PlacementSpec{
			Count: exactly(p.n), Spread: []v1alpha1.Spread{p.spread},
		}}, facts.NewSnapshot(p.fleet...))
		require.NoError(t, err)
		score := map[string]int64{}
		for _, v := range d.Verdicts() {
			score[v.Cluster] = v.Score
		}
		best, feasible := p.bruteForce(score)
		if feasible && p.spread.MinGroups != nil && *p.spread.MinGroups > p.n {
			t.Fatal("brute force is wrong")
		}
		require.Equal(t, feasible, len(d.Targets) > 0, d.Explain())
		var sum int64
		for _, target := range d.Targets {
			sum += score[target.Cluster]
		}
		if feasible {
			require.Equal(t, best, sum, d.Explain())
		}
	})
}

// Shares always sum to the replicas, within the capacity of each cluster, and
// the next decision over an unchanged fleet changes nothing.
func TestSharesSumFitAndStay(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t)
		kind := rapid.SampledFrom([]v1alpha1.DivisionType{v1alpha1.DivisionEven, v1alpha1.DivisionWeighted, v1alpha1.DivisionCapacity, v1alpha1.DivisionPacked}).Draw(t, "division")
		n := rapid.Int32Range(0, 60).Draw(t, "replicas")
		r := &placement.Request{Workloads: replicas(n, 1000), Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}, Division: divided(kind)}}
		fleet := facts.NewSnapshot(p.fleet...)
		d, err := engine.Place(context.Background(), r, fleet)
		require.NoError(t, err)
		if d.Reason != "" || n == 0 {
			return
		}
		var sum int64
		for _, target := range d.Targets {
			s, _ := fleet.Lookup(target.Cluster)
			sum += *target.Share
			require.LessOrEqual(t, *target.Share*1000, s.Free().MilliCPU)
		}
		require.EqualValues(t, n, sum)
		r.Current = d.Targets
		for _, target := range d.Targets { // the clusters report the work
			s, _ := fleet.Lookup(target.Cluster)
			with := *s
			with.Allocated.MilliCPU += *target.Share * 1000
			fleet = fleet.With(&with)
		}
		again, err := engine.Place(context.Background(), r, fleet)
		require.NoError(t, err)
		require.Equal(t, outcome(d), outcome(again))
	})
}
