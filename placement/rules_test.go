package placement_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func labelled(key, value string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
}

func property(key, value string) func(*facts.State) {
	return func(s *facts.State) {
		s.Properties = map[string]facts.Property{key: facts.ParseProperty(value, time.Time{})}
	}
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// using has metrics-server have measured.
func using(milliCPU, memory int64, at time.Time) func(*facts.State) {
	return func(s *facts.State) { s.Used, s.UsedAt = facts.Resources{MilliCPU: milliCPU, Memory: memory}, at }
}

func weighing(name string, weight int32) *v1alpha1.Scoring {
	return &v1alpha1.Scoring{Weights: []v1alpha1.ScorerWeight{{Name: name, Weight: weight}}}
}

// db is a Placement whose work is on eu-1.
func db(modify ...func(*placement.Neighbour)) []placement.Neighbour {
	n := placement.Neighbour{Namespace: "shop", Name: "db", Labels: map[string]string{"app": "db"}, Clusters: []string{"eu-1"}}
	for _, m := range modify {
		m(&n)
	}
	return []placement.Neighbour{n}
}

func TestFilters(t *testing.T) {
	now := time.Unix(1000, 0)
	three := []*facts.State{state("eu-1", "eu"), state("eu-2", "eu"), state("us-1", "us")}
	near := func(key string, scope v1alpha1.AffinityScope) *v1alpha1.Affinity {
		return &v1alpha1.Affinity{Required: []v1alpha1.AffinityTerm{{PlacementSelector: labelled("app", "db"), TopologyKey: key, Scope: scope}}}
	}
	all := &v1alpha1.Count{}
	for name, tc := range map[string]struct {
		reason  string
		request placement.Request
		fleet   []*facts.State
		want    []string
	}{
		"affinity to a cluster": {
			reason:  "the default is the same cluster",
			request: placement.Request{Namespace: "shop", Neighbours: db(), Spec: &v1alpha1.PlacementSpec{Count: all, Affinity: near("", "")}},
			want:    []string{"eu-1"},
		},
		"affinity to a region": {
			reason:  "near is what the topology key says",
			request: placement.Request{Namespace: "shop", Neighbours: db(), Spec: &v1alpha1.PlacementSpec{Count: all, Affinity: near("region", "")}},
			want:    []string{"eu-1", "eu-2"},
		},
		"anti-affinity to a region": {
			reason:  "keeps away from all that is near",
			request: placement.Request{Namespace: "shop", Neighbours: db(), Spec: &v1alpha1.PlacementSpec{Count: all, AntiAffinity: near("region", "")}},
			want:    []string{"us-1"},
		},
		"another namespace": {
			reason:  "a term looks at its own namespace",
			request: placement.Request{Namespace: "other", Neighbours: db(), Spec: &v1alpha1.PlacementSpec{Count: all, AntiAffinity: near("region", "")}},
			want:    []string{"eu-1", "eu-2", "us-1"},
		},
		"the workspace": {
			reason:  "unless its scope is the workspace",
			request: placement.Request{Namespace: "other", Neighbours: db(), Spec: &v1alpha1.PlacementSpec{Count: all, AntiAffinity: near("region", v1alpha1.AffinityWorkspace)}},
			want:    []string{"us-1"},
		},
		"nobody is there": {
			reason:  "affinity to what is not placed can't be satisfied",
			request: placement.Request{Namespace: "shop", Spec: &v1alpha1.PlacementSpec{Count: all, Affinity: near("", "")}},
		},
		"the first of its kind": {
			reason:  "one that selects itself may be the first",
			request: placement.Request{Namespace: "shop", Labels: map[string]string{"app": "db"}, Spec: &v1alpha1.PlacementSpec{Count: all, Affinity: near("", "")}},
			want:    []string{"eu-1", "eu-2", "us-1"},
		},
		"kept away by others": {
			reason: "anti-affinity holds both ways",
			request: placement.Request{Namespace: "shop", Labels: map[string]string{"app": "web"}, Spec: &v1alpha1.PlacementSpec{Count: all}, Neighbours: db(func(n *placement.Neighbour) {
				n.AntiAffinity = []v1alpha1.AffinityTerm{{PlacementSelector: labelled("app", "web"), TopologyKey: "region"}}
			})},
			want: []string{"us-1"},
		},
		"what is there stays": {
			reason:  "affinity is for new work",
			request: placement.Request{Namespace: "shop", Neighbours: db(), Current: []v1alpha1.Target{{Cluster: "eu-2"}}, Spec: &v1alpha1.PlacementSpec{AntiAffinity: near("region", "")}},
			want:    []string{"eu-2"},
		},
		"oneself is no neighbour": {
			reason:  "a Placement does not keep away from itself",
			request: placement.Request{Namespace: "shop", Name: "db", Neighbours: db(), Labels: map[string]string{"app": "db"}, Spec: &v1alpha1.PlacementSpec{Count: all, AntiAffinity: near("region", "")}},
			want:    []string{"eu-1", "eu-2", "us-1"},
		},
		"evicted": {
			reason:  "work does not return to where it was evicted from, for a while",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: all}, Now: now, Evicted: []placement.Eviction{{Cluster: "eu-1", Until: now.Add(time.Second)}, {Cluster: "us-1", Until: now}}},
			want:    []string{"eu-2", "us-1"},
		},
		"evicted now": {
			reason:  "work that is there leaves",
			request: placement.Request{Current: []v1alpha1.Target{{Cluster: "eu-1"}}, Evicted: []placement.Eviction{{Cluster: "eu-1"}}},
			want:    []string{"eu-2"},
		},
		"reserved": {
			reason:  "what others were just given counts as used",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: all}, Workloads: replicas(3, 1000), Reserved: map[string]facts.Resources{"eu-1": {MilliCPU: 8000}, "us-1": {MilliCPU: 7000}, "gone": {MilliCPU: 1}}},
			want:    []string{"eu-2", "us-1"},
		},
		"not divided": {
			reason:  "a workload without replicas needs room as well",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: all}, Workloads: []placement.Workload{{Requests: facts.Resources{MilliCPU: 5000}}}},
			fleet:   []*facts.State{state("a", "eu", allocated(5000)), state("b", "eu", allocated(5001))},
			want:    []string{"a"},
		},
		"templates": {
			reason: "the pods of one replica land together",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: all}, Workloads: []placement.Workload{{
				Replicas: new(int32(2)), Templates: []placement.PodTemplate{{Name: "head", Count: 1, Requests: facts.Resources{MilliCPU: 1000}}, {Name: "worker", Count: 3, Requests: facts.Resources{MilliCPU: 500}}},
			}}},
			fleet: []*facts.State{state("a", "eu", allocated(5000)), state("b", "eu", allocated(5001))},
			want:  []string{"a"},
		},
		"reserve": {
			reason:  "what the spec keeps free is as good as used; more than the platform does",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: all, ReservePercent: new(int32(20))}, Workloads: replicas(1, 3000)},
			fleet:   []*facts.State{state("a", "eu", allocated(5000)), state("b", "eu", allocated(5001))},
			want:    []string{"a"},
		},
		"several workloads": {
			reason: "a big one and a small one need their sum, not the biggest for every replica",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: all}, Workloads: []placement.Workload{
				{Replicas: new(int32(1)), Requests: facts.Resources{MilliCPU: 4000}}, {Replicas: new(int32(10)), Requests: facts.Resources{MilliCPU: 100}},
			}},
			fleet: []*facts.State{state("a", "eu", allocated(5000)), state("b", "eu", allocated(5001))},
			want:  []string{"a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := placement.NewEngine()
			require.NoError(t, err)
			fleet := tc.fleet
			if fleet == nil {
				fleet = three
			}
			d, err := engine.Place(t.Context(), &tc.request, facts.NewSnapshot(fleet...))
			require.NoError(t, err)
			if diff := cmp.Diff(tc.want, outcome(d)); diff != "" {
				t.Errorf("%s (-want +got):\n%s\n%s", tc.reason, diff, d.Explain())
			}
		})
	}
}

func TestScorers(t *testing.T) {
	scoring := func(s v1alpha1.Scoring) *v1alpha1.PlacementSpec {
		s.Weights = append(s.Weights, v1alpha1.ScorerWeight{Name: "FreeCapacity"}, v1alpha1.ScorerWeight{Name: "Preferred"}, v1alpha1.ScorerWeight{Name: "Taints"})
		return &v1alpha1.PlacementSpec{Scoring: &s}
	}
	costs := []*facts.State{state("a", "eu", property("cost", "10")), state("b", "eu", property("cost", "15")), state("c", "eu", property("cost", "30")), state("d", "eu", property("cost", "dear"))}
	twoKinds := []*facts.State{
		state("full", "eu", func(s *facts.State) { s.Allocated.MilliCPU, s.Allocated.Memory = 9000, 32<<30 }),
		state("half", "us", func(s *facts.State) { s.Allocated.MilliCPU, s.Allocated.Memory = 5000, 32<<30 }),
		state("free", "", func(s *facts.State) { s.CapacityKnown = false }),
	}
	preferred := func(weight int32) []v1alpha1.PreferredAffinityTerm {
		return []v1alpha1.PreferredAffinityTerm{{AffinityTerm: v1alpha1.AffinityTerm{PlacementSelector: labelled("app", "db"), TopologyKey: "region"}, Weight: weight}}
	}
	for name, tc := range map[string]struct {
		reason  string
		request placement.Request
		fleet   []*facts.State
		want    string
	}{
		"ascending": {
			reason: "the cheapest scores 100, the dearest 0", fleet: costs, want: "a:100 b:75 c:0 d:0",
			request: placement.Request{Spec: scoring(v1alpha1.Scoring{Properties: []v1alpha1.PropertyScore{{Key: "cost"}}})},
		},
		"descending": {
			reason: "the other way round", fleet: costs, want: "a:0 b:25 c:100 d:0",
			request: placement.Request{Spec: scoring(v1alpha1.Scoring{Properties: []v1alpha1.PropertyScore{{Key: "cost", Order: v1alpha1.ScoreDescending}}})},
		},
		"within bounds": {
			reason: "what is beyond the bounds scores as they do", fleet: costs, want: "a:100 b:50 c:0 d:0",
			request: placement.Request{Spec: scoring(v1alpha1.Scoring{Properties: []v1alpha1.PropertyScore{{Key: "cost", Lowest: "10", Highest: "20"}}})},
		},
		"two properties": {
			reason: "the mean by weight", fleet: costs, want: "a:75 b:68 c:25 d:0",
			request: placement.Request{Spec: scoring(v1alpha1.Scoring{
				Properties:  []v1alpha1.PropertyScore{{Key: "cost", Weight: new(int32(3))}},
				Expressions: []v1alpha1.ExpressionScore{{Expression: `cluster.properties.cost * 10.0 - 100.0`}},
			})},
		},
		"nobody has it": {
			reason: "a property that no cluster has does not count", fleet: costs[:1], want: "a:100",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Scoring: &v1alpha1.Scoring{Weights: []v1alpha1.ScorerWeight{{Name: "Preferred", Weight: 0}, {Name: "Taints", Weight: 0}}, Properties: []v1alpha1.PropertyScore{{Key: "carbon", Weight: new(int32(1000))}}}}},
		},
		"from outside": {
			reason: "only what the spec names counts, and within 0 to 100", fleet: costs, want: "a:100 b:40 c:0 d:0",
			request: placement.Request{
				Spec:   scoring(v1alpha1.Scoring{External: []v1alpha1.ScorerWeight{{Name: "latency", Weight: 2}, {Name: "absent", Weight: 5}}}),
				Scores: []placement.ExternalScores{{Name: "other", Clusters: map[string]int64{"d": 100}}, {Name: "latency", Clusters: map[string]int64{"a": 1000, "b": 40, "c": -3}}},
			},
		},
		"most allocated": {
			reason: "the fuller the better", fleet: twoKinds, want: "free:50 full:70 half:50",
			request: placement.Request{Spec: scoring(*weighing("MostAllocated", 1))},
		},
		"balance": {
			reason: "cpu and memory used alike", fleet: twoKinds, want: "free:50 full:60 half:100",
			request: placement.Request{Spec: scoring(*weighing("Balance", 1))},
		},
		"least used": {
			reason: "by what was measured lately, not by requests", want: "fresh:35 idle:83 never:50 stale:50",
			fleet: []*facts.State{
				state("never", "eu"), state("idle", "eu", using(1000, 16<<30, noon)), state("fresh", "eu", using(8000, 32<<30, noon.Add(-10*time.Minute))),
				state("stale", "eu", using(1000, 1<<30, noon.Add(-10*time.Minute-time.Second))),
			},
			request: placement.Request{Now: noon, Spec: scoring(*weighing("LeastUsed", 1))},
		},
		"stability": {
			reason: "where it is", fleet: twoKinds, want: "free:0 full:0 half:100",
			request: placement.Request{Spec: scoring(*weighing("Stability", 1)), Current: []v1alpha1.Target{{Cluster: "half"}}},
		},
		"topology spread": {
			reason: "where fewer neighbours are", fleet: twoKinds, want: "free:0 full:0 half:50",
			request: placement.Request{Spec: scoring(*weighing("TopologySpread", 1)), Neighbours: []placement.Neighbour{
				{Name: "x", Clusters: []string{"full", "half", "gone"}}, {Name: "y", Clusters: []string{"full"}},
			}},
		},
		"preferred affinity": {
			reason: "near is better, far from what is avoided too", fleet: twoKinds, want: "free:50 full:66 half:50",
			request: placement.Request{Namespace: "shop", Neighbours: []placement.Neighbour{{Namespace: "shop", Name: "db", Labels: map[string]string{"app": "db"}, Clusters: []string{"full"}}}, Spec: func() *v1alpha1.PlacementSpec {
				s := scoring(v1alpha1.Scoring{})
				s.Affinity, s.AntiAffinity = &v1alpha1.Affinity{Preferred: preferred(2)}, &v1alpha1.Affinity{Preferred: preferred(1)}
				return s
			}()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := placement.NewEngine()
			require.NoError(t, err)
			d, err := engine.Place(t.Context(), &tc.request, facts.NewSnapshot(tc.fleet...))
			require.NoError(t, err)
			var got []string
			for _, v := range d.Verdicts() {
				got = append(got, fmt.Sprintf("%s:%d", v.Cluster, v.Score))
			}
			require.Equal(t, tc.want, fmt.Sprint(got)[1:len(fmt.Sprint(got))-1], "%s\n%s", tc.reason, d.Explain())
		})
	}
}

func TestNormalized(t *testing.T) {
	raw := placement.ScorerFunc("Latency", func(_ *placement.Request, c *facts.State) int64 { return int64(c.Properties["ms"].Number) * 1000 })
	engine, err := placement.NewEngine(placement.WithScorer(placement.Normalized(raw), 1),
		placement.WithScorer(placement.FreeCapacity{}, 0), placement.WithScorer(placement.Preferred{}, 0), placement.WithScorer(placement.Taints{}, 0))
	require.NoError(t, err)
	d, err := engine.Place(t.Context(), &placement.Request{}, facts.NewSnapshot(state("a", "", property("ms", "-20")), state("b", "", property("ms", "80")), state("c", "", property("ms", "5"))))
	require.NoError(t, err)
	var got []int64
	for _, v := range d.Verdicts() {
		got = append(got, v.Score)
	}
	require.Equal(t, []int64{0, 100, 25}, got)
}

func TestCapacityReserve(t *testing.T) {
	engine, err := placement.NewEngine(placement.WithCapacityReserve(20))
	require.NoError(t, err)
	r := &placement.Request{Workloads: replicas(1, 3000), Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}}}
	d, err := engine.Place(t.Context(), r, facts.NewSnapshot(state("a", "", allocated(5000)), state("b", "", allocated(5001))))
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, outcome(d), "8 of 10 cores may be used")
	_, err = placement.NewEngine(placement.WithCapacityReserve(101))
	require.Error(t, err)
}

func TestAScorerThatIsNotThereIsNamed(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	_, err = engine.Place(t.Context(), &placement.Request{Spec: &v1alpha1.PlacementSpec{Scoring: weighing("Nonsense", 1)}}, nil)
	var spec *placement.SpecError
	require.ErrorAs(t, err, &spec)
	require.ErrorContains(t, err, "spec.scoring.weights[0].name")
}

// Workloads of unlike size are divided together, and every cluster has room for
// its part of each.
func TestSeveralWorkloadsFitAsOneSet(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	apps := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	r := &placement.Request{
		Workloads: []placement.Workload{
			{Kind: apps, Name: "big", Replicas: new(int32(4)), Requests: facts.Resources{MilliCPU: 3000}},
			{Kind: apps, Name: "small", Replicas: new(int32(20)), Requests: facts.Resources{MilliCPU: 100}},
		},
		Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}, Division: divided(v1alpha1.DivisionCapacity)},
	}
	d, err := engine.Place(t.Context(), r, facts.NewSnapshot(state("a", ""), state("b", "")))
	require.NoError(t, err)
	require.Empty(t, d.Reason, d.Message)
	require.Equal(t, []string{"a:12", "b:12"}, outcome(d), "the biggest for every replica would be 72 cores; these are 14")
}

func TestNodes(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	nodes := func(slots ...facts.Resources) func(*facts.State) {
		return func(s *facts.State) { s.FreeSlots = slots }
	}
	slot := func(milliCPU, memory int64) facts.Resources {
		return facts.Resources{MilliCPU: milliCPU, Memory: memory << 30, Pods: 10}
	}
	gpus := slot(100, 100)
	gpus.Extended = map[corev1.ResourceName]int64{"gpu": 1}
	fleet := facts.NewSnapshot(
		state("big", "", nodes(slot(3000, 1), slot(1000, 4))), state("small", "", nodes(slot(1000, 1))), state("gpu", "", nodes(slot(4000, 64), gpus)),
		state("unknown", ""), state("many", "", func(s *facts.State) { s.MoreSlots = true }),
	)
	for _, s := range []string{"big", "small", "gpu", "unknown", "many"} {
		known, _ := fleet.Lookup(s)
		with := *known
		with.Allocatable.Extended = map[corev1.ResourceName]int64{"gpu": 100}
		fleet = fleet.With(&with)
	}
	pods := func(n int64, requests facts.Resources) facts.Resources { requests.Pods = n; return requests }
	for name, tc := range map[string]struct {
		reason   string
		workload placement.Workload
		on       string
		want     []string
		says     string
	}{
		"a pod like any other":     {reason: "every node has room", workload: placement.Workload{Replicas: new(int32(1)), Requests: slot(1000, 1)}, want: []string{"big", "gpu", "many", "small", "unknown"}},
		"a big pod":                {reason: "room in sum is no room for a big pod", workload: placement.Workload{Replicas: new(int32(1)), Requests: slot(2000, 1)}, want: []string{"big", "gpu", "many", "unknown"}, says: "which requests 2 cpu and 1Gi memory: the nearest has 1 cpu, 1Gi memory and 10 pods free"},
		"on another node":          {reason: "that with the most cpu is not the only one", workload: placement.Workload{Replicas: new(int32(1)), Requests: slot(1000, 3)}, want: []string{"big", "gpu", "many", "unknown"}},
		"on no one node":           {reason: "cpu of one and memory of another make no room", workload: placement.Workload{Replicas: new(int32(1)), Requests: slot(2000, 3)}, want: []string{"gpu", "many", "unknown"}, says: "the nearest has 1 cpu, 4Gi memory and 10 pods free"},
		"a device":                 {reason: "no column has it", workload: placement.Workload{Replicas: new(int32(1)), Requests: facts.Resources{Pods: 1, Extended: map[corev1.ResourceName]int64{"gpu": 1}}}, want: []string{"gpu", "many", "unknown"}, says: "which requests 1 gpu"},
		"where it is":              {reason: "what runs stays", workload: placement.Workload{Replicas: new(int32(1)), Requests: slot(2000, 1)}, on: "small", want: []string{"big", "gpu", "many", "small", "unknown"}},
		"several pods, as a job's": {reason: "each of them goes to a node of its own", workload: placement.Workload{Requests: pods(4, slot(4000, 4))}, want: []string{"big", "gpu", "many", "small", "unknown"}},
		"several big pods":         {reason: "none of them has room", workload: placement.Workload{Requests: pods(4, slot(8000, 4))}, want: []string{"big", "gpu", "many", "unknown"}},
		"scaled to nothing":        {reason: "no pod needs room", workload: placement.Workload{Replicas: new(int32(0)), Requests: slot(9000, 1)}, want: []string{"big", "gpu", "many", "small", "unknown"}},
		"one of several kinds":     {reason: "its head is big", workload: placement.Workload{Replicas: new(int32(1)), Templates: []placement.PodTemplate{{Name: "worker", Count: 2, Requests: slot(10, 0)}, {Name: "head", Count: 1, Requests: slot(2000, 1)}}}, want: []string{"big", "gpu", "many", "unknown"}, says: "no single node of the cluster has room for a pod head of web"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.workload.Name = "web"
			if tc.workload.Requests.Pods == 10 {
				tc.workload.Requests.Pods = 1
			}
			for i := range tc.workload.Templates {
				tc.workload.Templates[i].Requests.Pods = 1
			}
			r := &placement.Request{Workloads: []placement.Workload{tc.workload}, Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}}}
			if tc.on != "" {
				r.Current = []v1alpha1.Target{{Cluster: tc.on}}
			}
			d, err := engine.Place(t.Context(), r, fleet)
			require.NoError(t, err)
			require.Equal(t, tc.want, outcome(d), "%s\n%s", tc.reason, d.Explain())
			require.Contains(t, d.Explain(), tc.says)
		})
	}
}

// lots are nodes by what is free on each, in thousandths of a core.
func lots(counts map[int64]int64) func(*facts.State) {
	return func(s *facts.State) {
		s.FreeSlots, s.NodeRoom = nil, []facts.Lot{}
		var sum int64
		for _, cpu := range slices.Sorted(maps.Keys(counts)) {
			each := facts.Resources{MilliCPU: cpu, Memory: 64 << 30, Pods: 100}
			s.FreeSlots = []facts.Resources{each} // the last has the most
			s.NodeRoom = append(s.NodeRoom, facts.Lot{Each: each, Count: counts[cpu]})
			sum += cpu * counts[cpu]
		}
		s.Allocatable = facts.Resources{MilliCPU: sum, Memory: 640 << 30, Pods: 1000}
	}
}

// How many replicas a cluster gets is what its nodes hold, not what their sum would.
func TestSharesRespectNodes(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		request placement.Request
		want    []string
		says    string
	}{
		"divided by capacity": {
			reason:  "a has 10 cores in pieces of which each holds one pod of 1.5 cores, b as many on one node",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{Min: new(int32(2)), Max: new(int32(2))}, Clusters: &v1alpha1.ClusterSelector{Names: []string{"a", "b"}}, Division: divided(v1alpha1.DivisionCapacity)}, Workloads: replicas(11, 1500)},
			want:    []string{"a:5", "b:6"},
		},
		"more than nodes hold": {
			reason:  "by the sums there would be room for twelve",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{Min: new(int32(2)), Max: new(int32(2))}, Clusters: &v1alpha1.ClusterSelector{Names: []string{"a", "b"}}, Division: divided(v1alpha1.DivisionCapacity)}, Workloads: replicas(12, 1500)},
			want:    []string{"a:5", "b:6"},
			says:    "take 11 of 12 replicas",
		},
		"what runs there has its place": {
			reason: "three are there, on nodes that show what is left: room for five",
			request: placement.Request{
				Spec:    &v1alpha1.PlacementSpec{Clusters: &v1alpha1.ClusterSelector{Names: []string{"a"}}, Division: divided(v1alpha1.DivisionCapacity)},
				Current: []v1alpha1.Target{{Cluster: "a", Share: new(int64(3))}}, Workloads: replicas(9, 1500),
			},
			want: []string{"a:8"},
			says: "take 8 of 9 replicas",
		},
		"duplicated": {
			reason:  "all of them must have room on nodes",
			request: placement.Request{Spec: &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{}}, Workloads: replicas(6, 1500)},
			want:    []string{"b", "many"},
			says:    "the nodes of the cluster have room for 5 of the 6 pods that it would get at least, each a pod of web, which requests 1500m cpu",
		},
	} {
		t.Run(name, func(t *testing.T) {
			engine, err := placement.NewEngine()
			require.NoError(t, err)
			fleet := facts.NewSnapshot(state("a", "", lots(map[int64]int64{2000: 5})), state("b", "", lots(map[int64]int64{10_000: 1})),
				state("many", "", lots(map[int64]int64{2000: 5, 1500: 100})))
			tc.request.Workloads[0].Name = "web"
			d, err := engine.Place(t.Context(), &tc.request, fleet)
			require.NoError(t, err)
			require.Equal(t, tc.want, outcome(d), "%s\n%s", tc.reason, d.Explain())
			require.Contains(t, d.Explain(), tc.says)
		})
	}
}

func TestPreemptionMakesRoomOnNodes(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	fleet := facts.NewSnapshot(state("a", "", allocated(9000), func(s *facts.State) { s.FreeSlots = []facts.Resources{{MilliCPU: 1000, Memory: 1 << 30, Pods: 10}} }))
	r := &placement.Request{Name: "big", Workloads: replicas(1, 4000), Spec: &v1alpha1.PlacementSpec{Priority: 1, PreemptionPolicy: v1alpha1.PreemptLowerPriority}}
	low := &placement.Request{Name: "low", Workloads: replicas(9, 1000), Current: []v1alpha1.Target{{Cluster: "a"}}}
	p, err := engine.Preempt(t.Context(), r, fleet, []*placement.Request{low})
	require.NoError(t, err)
	require.NotNil(t, p, "nobody knows from which nodes it goes, so it may be from the right one")
	require.Len(t, p.Victims, 1)
}
