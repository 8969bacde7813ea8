package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	clusterv1alpha1 "github.com/karmada-io/karmada/pkg/apis/cluster/v1alpha1"
	policyv1alpha1 "github.com/karmada-io/karmada/pkg/apis/policy/v1alpha1"
	workv1alpha2 "github.com/karmada-io/karmada/pkg/apis/work/v1alpha2"
	clusterlister "github.com/karmada-io/karmada/pkg/generated/listers/cluster/v1alpha1"
	schedulercache "github.com/karmada-io/karmada/pkg/scheduler/cache"
	"github.com/karmada-io/karmada/pkg/scheduler/core"
	"github.com/karmada-io/karmada/pkg/scheduler/framework/plugins"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/tmc-sdk/tmc/cluster"
	tmcv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

var deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

// site is one cluster of the reference scenario, which both sides are told of.
type site struct {
	name, region, zone, env  string
	tainted                  bool
	cpu, usedCPU, mem, usedM int64 // cores and GiB
}

func sites(n int) []site {
	list := make([]site, n)
	for i := range list {
		s := site{
			name: fmt.Sprintf("cluster-%07d", i), region: fmt.Sprintf("region-%d", i%10), zone: fmt.Sprintf("zone-%d", i%30), env: "prod",
			tainted: i%20 == 0, cpu: int64(100 + i%400), usedCPU: int64(i % 100), mem: 1000, usedM: 100,
		}
		if i%2 == 1 {
			s.env = "dev"
		}
		list[i] = s
	}
	return list
}

func ours(list []site) *cluster.Snapshot {
	apis := cluster.NewAPISet(cluster.API{Kind: deployment, Resource: deployment.GroupVersion().WithResource("deployments")})
	states := make([]*cluster.State, len(list))
	for i, s := range list {
		states[i] = &cluster.State{
			Name: s.name, Ready: true, Reachable: true, CapacityKnown: true, APIs: apis, Region: s.region, Zone: s.zone, Labels: map[string]string{"env": s.env},
			Allocatable: cluster.Resources{MilliCPU: s.cpu * 1000, Memory: s.mem << 30, Pods: 10_000},
			Allocated:   cluster.Resources{MilliCPU: s.usedCPU * 1000, Memory: s.usedM << 30},
		}
		if s.tainted {
			states[i].Taints = []tmcv1alpha1.Taint{{Key: "dedicated", Value: "other", Effect: corev1.TaintEffectNoSchedule}}
		}
	}
	return cluster.NewSnapshot(states...)
}

func ourRequest() *placement.Request {
	return &placement.Request{
		Workloads: []placement.Workload{{Kind: deployment, Name: "web", Replicas: new(int32(100)), Requests: cluster.Resources{MilliCPU: 1000, Memory: 1 << 30, Pods: 1}}},
		Spec: &v1alpha1.PlacementSpec{
			Clusters: &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"env": "prod"}},
			Count:    &v1alpha1.Count{Min: new(int32(5)), Max: new(int32(10))},
			Spread:   []v1alpha1.Spread{{TopologyKey: "region", MinGroups: new(int32(3)), MaxGroups: new(int32(3))}},
			Division: &v1alpha1.Division{Type: v1alpha1.DivisionCapacity},
		},
	}
}

func amounts(cpu, mem, pods int64) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(cpu, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(mem<<30, resource.BinarySI),
		corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI),
	}
}

func theirs(tb testing.TB, list []site) core.ScheduleAlgorithm {
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	for _, s := range list {
		c := &clusterv1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: s.name, Labels: map[string]string{"env": s.env}},
			Spec:       clusterv1alpha1.ClusterSpec{Region: s.region, Zone: s.zone, Zones: []string{s.zone}},
			Status: clusterv1alpha1.ClusterStatus{
				APIEnablements:  []clusterv1alpha1.APIEnablement{{GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}}}},
				Conditions:      []metav1.Condition{{Type: clusterv1alpha1.ClusterConditionReady, Status: metav1.ConditionTrue}, {Type: clusterv1alpha1.ClusterConditionCompleteAPIEnablements, Status: metav1.ConditionTrue}},
				ResourceSummary: &clusterv1alpha1.ResourceSummary{Allocatable: amounts(s.cpu, s.mem, 10_000), Allocated: amounts(s.usedCPU, s.usedM, 0)},
			},
		}
		if s.tainted {
			c.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: "other", Effect: corev1.TaintEffectNoSchedule}}
		}
		if err := indexer.Add(c); err != nil {
			tb.Fatal(err)
		}
	}
	bindings := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	algorithm, err := core.NewGenericScheduler(schedulercache.NewCache(clusterlister.NewClusterLister(indexer), bindings, time.Minute), plugins.NewInTreeRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	return algorithm
}

func theirRequest() *workv1alpha2.ResourceBindingSpec {
	return &workv1alpha2.ResourceBindingSpec{
		Resource:            workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"},
		Replicas:            100,
		ReplicaRequirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: amounts(1, 1, 0)},
		Placement: &policyv1alpha1.Placement{
			ClusterAffinity: &policyv1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}}},
			SpreadConstraints: []policyv1alpha1.SpreadConstraint{
				{SpreadByField: policyv1alpha1.SpreadByFieldRegion, MinGroups: 3, MaxGroups: 3},
				{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 5, MaxGroups: 10},
			},
			ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
				ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
				WeightPreference: &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
			},
		},
	}
}

// Both place 100 replicas on 5 to 10 untainted clusters of production in three
// regions: what is timed is the same work.
func TestBothDoTheSame(t *testing.T) {
	list := sites(1000)
	bySite := map[string]site{}
	for _, s := range list {
		bySite[s.name] = s
	}
	check := func(who string, replicas map[string]int64) {
		regions, sum := map[string]bool{}, int64(0)
		for name, n := range replicas {
			s := bySite[name]
			if s.tainted || s.env != "prod" {
				t.Errorf("%s chose %s", who, name)
			}
			regions[s.region] = true
			sum += n
		}
		if len(regions) != 3 || sum != 100 || len(replicas) < 5 || len(replicas) > 10 {
			t.Errorf("%s: %d replicas on %d clusters in %d regions", who, sum, len(replicas), len(regions))
		}
	}
	result, err := theirs(t, list).Schedule(t.Context(), theirRequest(), &workv1alpha2.ResourceBindingStatus{}, &core.ScheduleAlgorithmOption{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, c := range result.SuggestedClusters {
		got[c.Name] = int64(c.Replicas)
	}
	check("Karmada", got)
	engine, err := placement.NewEngine()
	if err != nil {
		t.Fatal(err)
	}
	d, err := engine.Place(t.Context(), ourRequest(), ours(list))
	if err != nil {
		t.Fatal(err)
	}
	got = map[string]int64{}
	for _, c := range d.Targets {
		got[c.Cluster] = *c.Share
	}
	check("tmc", got)
}

func BenchmarkSchedule(b *testing.B) {
	for _, n := range []int{100, 1000, 5000, 10_000} {
		list := sites(n)
		b.Run(fmt.Sprintf("clusters=%d/karmada", n), func(b *testing.B) {
			algorithm, spec := theirs(b, list), theirRequest()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := algorithm.Schedule(context.Background(), spec, &workv1alpha2.ResourceBindingStatus{}, &core.ScheduleAlgorithmOption{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("clusters=%d/tmc", n), func(b *testing.B) {
			engine, err := placement.NewEngine()
			if err != nil {
				b.Fatal(err)
			}
			fleet, r := ours(list), ourRequest()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := engine.Place(context.Background(), r, fleet); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
