package placement_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// referenceFleet is the fleet of the reference scenario: 10 regions, 30 zones,
// half of the clusters in production, every 20th tainted.
func referenceFleet(n int) *facts.Snapshot {
	apis := facts.NewAPISet(facts.API{
		Kind:     schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
	})
	states := make([]*facts.State, n)
	for i := range states {
		s := &facts.State{
			Name: fmt.Sprintf("cluster-%07d", i), Ready: true, Reachable: true, CapacityKnown: true, APIs: apis,
			Region: fmt.Sprintf("region-%d", i%10), Zone: fmt.Sprintf("zone-%d", i%30),
			Labels: map[string]string{"env": "prod"},
		}
		if i%2 == 1 {
			s.Labels = map[string]string{"env": "dev"}
		}
		if i%20 == 0 {
			s.Taints = []clusterv1alpha1.Taint{{Key: "dedicated", Value: "other", Effect: corev1.TaintEffectNoSchedule}}
		}
		s.Allocatable = facts.Resources{MilliCPU: int64(100+i%400) * 1000, Memory: 1000 << 30, Pods: 10_000}
		s.Allocated = facts.Resources{MilliCPU: int64(i%100) * 1000, Memory: 100 << 30}
		states[i] = s
	}
	return facts.NewSnapshot(states...)
}

// referenceRequest asks for 100 replicas of 1 cpu and 1Gi in production, on 5
// to 10 clusters in exactly 3 regions, divided by free capacity.
func referenceRequest() *placement.Request {
	return &placement.Request{
		Workloads: []placement.Workload{{
			Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Name: "web", Replicas: new(int32(100)),
			Requests: facts.Resources{MilliCPU: 1000, Memory: 1 << 30, Pods: 1},
		}},
		Spec: &v1alpha1.PlacementSpec{
			Clusters: &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"env": "prod"}},
			Count:    &v1alpha1.Count{Min: new(int32(5)), Max: new(int32(10))},
			Spread:   []v1alpha1.Spread{{TopologyKey: "region", MinGroups: new(int32(3)), MaxGroups: new(int32(3))}},
			Division: &v1alpha1.Division{Type: v1alpha1.DivisionCapacity},
		},
	}
}

// BenchmarkProperties is the reference with more of what a fleet tells: what is
// free on nodes, and three properties that score.
func BenchmarkProperties(b *testing.B) {
	const n = 10_000
	states := make([]*facts.State, 0, n)
	for s := range referenceFleet(n).All() {
		with := *s
		free := with.Free()
		for i := range int64(4) {
			with.FreeSlots = append(with.FreeSlots, facts.Resources{MilliCPU: free.MilliCPU / (i + 2), Memory: free.Memory / (6 - i), Pods: 100})
		}
		states = append(states, &with)
	}
	slotted := facts.NewSnapshot(states...)
	for i := range states {
		with := *states[i]
		with.Properties = map[string]facts.Property{
			"cost":    facts.ParseProperty(fmt.Sprint(i%100), time.Time{}),
			"carbon":  facts.ParseProperty(fmt.Sprint(i*7919%10_007), time.Time{}),
			"latency": facts.ParseProperty(fmt.Sprintf("%dm", i%977), time.Time{}),
		}
		states[i] = &with
	}
	described := facts.NewSnapshot(states...)
	scored, expressed := referenceRequest(), referenceRequest()
	scored.Spec.Scoring = &v1alpha1.Scoring{Properties: []v1alpha1.PropertyScore{{Key: "cost"}, {Key: "carbon"}, {Key: "latency", Lowest: "0", Highest: "1"}}}
	expressed.Spec.Scoring = &v1alpha1.Scoring{Expressions: []v1alpha1.ExpressionScore{{Expression: `100.0 - cluster.properties.cost`}}}
	for _, bc := range []struct {
		name  string
		fleet *facts.Snapshot
		r     *placement.Request
	}{{"nodes", slotted, referenceRequest()}, {"nodes+properties", described, scored}, {"nodes+expression", described, expressed}} {
		b.Run(bc.name, func(b *testing.B) { benchmark(b, bc.fleet, bc.r) })
	}
}

func BenchmarkReference(b *testing.B) {
	for _, n := range []int{100, 1000, 5000, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("clusters=%d", n), func(b *testing.B) {
			benchmark(b, referenceFleet(n), referenceRequest())
		})
	}
}

func benchmark(b *testing.B, fleet *facts.Snapshot, r *placement.Request) {
	b.Helper()
	engine, err := placement.NewEngine()
	require.NoError(b, err)
	d, err := engine.Place(b.Context(), r, fleet) // warm: the columns are computed once per snapshot
	require.NoError(b, err)
	require.Empty(b, d.Reason, d.Message)
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		if _, err := engine.Place(b.Context(), r, fleet); err != nil {
			b.Fatal(err)
		}
	}
	if spent := cpuTime() - before; spent > 0 {
		b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
	}
}
