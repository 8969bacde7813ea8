package placementtest

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Option adds to what a plugin is asked about.
type Option func(*suite)

// WithStates adds clusters to the fleet: those that the plugin's rules are
// about. One with the name of a cluster of the fleet takes its place.
func WithStates(states ...*facts.State) Option {
	return func(s *suite) { s.states = append(s.states, states...) }
}

// WithRequests adds requests.
func WithRequests(requests ...*placement.Request) Option {
	return func(s *suite) { s.requests = append(s.requests, requests...) }
}

var (
	now        = time.Unix(1_000_000, 0)
	deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
)

// States returns the clusters that plugins are asked about: more than one chunk
// of them, a bit of everything. The caller owns them.
func States() []*facts.State {
	apis := facts.NewAPISet(facts.API{Kind: deployment, Resource: deployment.GroupVersion().WithResource("deployments")})
	states := make([]*facts.State, 0, 300)
	for i := range 299 {
		s := &facts.State{
			Name: fmt.Sprintf("cluster-%03d", i), Region: fmt.Sprintf("region-%d", i%4), Zone: fmt.Sprintf("zone-%d", i%8), Provider: "one",
			Labels:     map[string]string{"env": []string{"prod", "dev", "test"}[i%3]},
			Properties: map[string]facts.Property{"cost": facts.ParseProperty(fmt.Sprint(i), now), "tier": facts.ParseProperty("gold", now)},
			Ready:      i%11 != 0, Reachable: i%13 != 0, Unschedulable: i%17 == 0, Draining: i%34 == 0, Version: "v1.36.3", Nodes: int32(i % 5), APIs: apis,
			CapacityKnown: i%7 != 0,
			Allocatable:   facts.Resources{MilliCPU: 10_000, Memory: 64 << 30, EphemeralStorage: 1 << 40, Pods: 110, Extended: map[corev1.ResourceName]int64{"example.com/gpu": int64(i % 3)}},
			Allocated:     facts.Resources{MilliCPU: int64(i%12) * 1000, Memory: int64(i%70) << 30, Pods: int64(i % 120)},
		}
		if i%2 == 0 {
			s.FreeSlots, s.MoreSlots = []facts.Resources{
				{MilliCPU: int64(i%9) * 200, Memory: int64(i%3) << 30, Pods: 10},
				{MilliCPU: int64(i%4) * 200, Memory: 4 << 30, Pods: int64(i % 6), Extended: map[corev1.ResourceName]int64{"example.com/gpu": int64(i % 3)}},
			}, i%46 == 0
			if i%4 == 0 {
				s.NodeRoom = []facts.Lot{{Each: s.FreeSlots[0], Count: int64(i%3) + 1}, {Each: s.FreeSlots[1], Count: 1}}
			}
		}
		if i%5 == 0 {
			effect := []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}[i%3]
			s.Taints = []clusterv1alpha1.Taint{{Key: "dedicated", Value: "x", Effect: effect, TimeAdded: &metav1.Time{Time: now.Add(-time.Minute)}}}
		}
		if i%19 == 0 {
			s.APIs = facts.NewAPISet()
		}
		states = append(states, s)
	}
	return append(states, &facts.State{Name: "bare"}) // nothing is known of it
}

// Requests returns the requests that plugins are asked about. The caller owns
// them.
func Requests() []*placement.Request {
	workload := placement.Workload{Kind: deployment, Name: "web", Replicas: new(int32(3)), Requests: facts.Resources{MilliCPU: 500, Memory: 1 << 30, Pods: 1}}
	full := &placement.Request{
		Workspace: "root:acme", Namespace: "shop", Name: "web", Now: now, Labels: map[string]string{"app": "web"},
		Workloads: []placement.Workload{workload, {Kind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Name: "settings"}},
		Current:   []v1alpha1.Target{{Cluster: "bare", Leaving: true}, {Cluster: "cluster-003", Share: new(int64(2))}, {Cluster: "cluster-290", Share: new(int64(1))}},
		Neighbours: []placement.Neighbour{
			{Namespace: "shop", Name: "db", Labels: map[string]string{"app": "db"}, Clusters: []string{"cluster-001", "gone"}},
		},
		Evicted: []placement.Eviction{{Cluster: "cluster-004"}, {Cluster: "cluster-005", Until: now.Add(time.Minute)}},
		Scores:  []placement.ExternalScores{{Name: "latency", Clusters: map[string]int64{"cluster-001": 70}}},
		Spec: &v1alpha1.PlacementSpec{
			Clusters:     &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"env": "prod"}, MatchProperties: []v1alpha1.Requirement{{Key: "cost", Operator: v1alpha1.OpLt, Values: []string{"200"}}}},
			Preferred:    []v1alpha1.Preference{{Weight: 20, Clusters: v1alpha1.ClusterSelector{Expression: `cluster.region == "region-1"`}}},
			Tolerations:  []v1alpha1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists, TolerationSeconds: new(int64(30))}},
			Spread:       []v1alpha1.Spread{{TopologyKey: v1alpha1.TopologyRegion, MinGroups: new(int32(2))}},
			Division:     &v1alpha1.Division{Type: v1alpha1.DivisionCapacity},
			Affinity:     &v1alpha1.Affinity{Preferred: []v1alpha1.PreferredAffinityTerm{{Weight: 5}}},
			AntiAffinity: &v1alpha1.Affinity{Required: []v1alpha1.AffinityTerm{{PlacementSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}}}},
		},
	}
	return []*placement.Request{{Spec: &v1alpha1.PlacementSpec{}}, {Spec: &v1alpha1.PlacementSpec{}, Name: "web", Now: now, Workloads: []placement.Workload{workload}}, full}
}
