package controller

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// mixed is a fleet of twelve over three regions; some are tainted.
func mixed(t *rapid.T) *cluster.Snapshot {
	var states []*cluster.State
	for i := range 12 {
		s := alive(fmt.Sprintf("c%02d", i))
		s.Region = fmt.Sprintf("r%d", i%3)
		s.Labels = map[string]string{"env": fmt.Sprint(i % 2)}
		if taint := rapid.IntRange(0, 5).Draw(t, "taint"); taint < 2 {
			s.Taints = []clusterv1alpha1.Taint{{Key: fmt.Sprintf("k%d", taint), Effect: corev1.TaintEffectNoSchedule}}
		}
		states = append(states, s)
	}
	return cluster.NewSnapshot(states...)
}

func drawSelector(t *rapid.T) *v1alpha1.ClusterSelector {
	switch rapid.IntRange(0, 3).Draw(t, "selector") {
	case 0:
		return nil
	case 1:
		return &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"env": fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "env"))}}
	case 2:
		return &v1alpha1.ClusterSelector{Expression: `cluster.name != "c03"`}
	}
	return &v1alpha1.ClusterSelector{Names: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"c00", "c01", "c02", "c03", "c04", "c05", "c06"}), 1, 6, func(s string) string { return s }).Draw(t, "names")}
}

func drawTolerations(t *rapid.T) []v1alpha1.Toleration {
	return rapid.SliceOfN(rapid.SampledFrom([]v1alpha1.Toleration{
		{Operator: corev1.TolerationOpExists},
		{Key: "k0", Operator: corev1.TolerationOpExists},
		{Key: "k1", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
		{Key: "k1"},
	}), 0, 3).Draw(t, "tolerations")
}

func drawPolicy(t *rapid.T) *Policy {
	p := &Policy{Clusters: drawSelector(t), MaxClusters: rapid.Int32Range(0, 4).Draw(t, "most"), NoPreemption: rapid.Bool().Draw(t, "no preemption")}
	if rapid.Bool().Draw(t, "tolerable given") {
		p.Tolerable = append([]v1alpha1.Toleration{}, drawTolerations(t)...)
	}
	if rapid.Bool().Draw(t, "spread given") {
		p.Spread = drawSpread(t)
	}
	if rapid.Bool().Draw(t, "priority given") {
		p.MaxPriority = new(rapid.Int32Range(0, 10).Draw(t, "priority"))
	}
	if rapid.IntRange(0, 2).Draw(t, "quota given") == 0 {
		p.Quota = &Quota{Replicas: rapid.Int64Range(1, 12).Draw(t, "quota")}
	}
	return p
}

func drawSpread(t *rapid.T) (list []v1alpha1.Spread) {
	for _, key := range []string{"region", "env", "cluster", "zone", "provider"} {
		if rapid.IntRange(0, 2).Draw(t, key) > 0 {
			continue
		}
		s := v1alpha1.Spread{TopologyKey: key, MinGroups: new(rapid.Int32Range(1, 3).Draw(t, "least"))}
		if rapid.Bool().Draw(t, "skewed") {
			s.MaxSkew = new(rapid.Int32Range(1, 2).Draw(t, "skew"))
		}
		if rapid.Bool().Draw(t, "soft") {
			s.WhenUnsatisfiable = corev1.ScheduleAnyway
		}
		list = append(list, s)
	}
	return list[:min(4, len(list))]
}

// Whatever a tenant, and whatever a workspace's defaults, say: no decision goes
// beyond what any of the layers above allows.
func TestNoPlacementWidensWhatLayersAllow(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		c := controllerWith(t, engine)
		policies := []named{{"platform", drawPolicy(rt)}, {"export", drawPolicy(rt)}}
		own := func() *v1alpha1.PlacementSpec {
			s := &v1alpha1.PlacementSpec{
				Clusters: drawSelector(rt), Tolerations: drawTolerations(rt), Spread: drawSpread(rt), Priority: rapid.Int32Range(0, 100).Draw(rt, "own priority"),
				PreemptionPolicy: rapid.SampledFrom([]v1alpha1.PreemptionPolicy{"", v1alpha1.PreemptLowerPriority}).Draw(rt, "own preemption"),
			}
			if rapid.Bool().Draw(rt, "count given") {
				s.Count = &v1alpha1.Count{Min: new(rapid.Int32Range(1, 5).Draw(rt, "min"))}
			}
			return s
		}
		given := append(slices.Clone(policies), named{workspaceLayer, &Policy{Defaults: own()}})
		q := &question{
			workspace: "w", now: noon, fleet: mixed(rt), policies: given,
			placement: &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "p", Generation: 1}, Spec: *own()},
			workloads: []placement.Workload{deployment("a", rapid.Int32Range(1, 6).Draw(rt, "replicas"))},
		}
		a, err := c.decide(t.Context(), q)
		require.NoError(rt, err)
		if len(a.status.Targets) == 0 {
			return
		}
		for _, p := range policies {
			checkWithin(rt, q, p.policy, a)
		}
	})
}

func checkWithin(t *rapid.T, q *question, p *Policy, a *answer) {
	chosen := a.status.Targets
	groups := map[string]map[string]bool{}
	for _, target := range chosen {
		state, ok := q.fleet.Lookup(target.Cluster)
		require.True(t, ok)
		allowed, err := placement.Matches(p.Clusters, state)
		require.NoError(t, err)
		require.True(t, allowed, "%s is not among those of the layer", target.Cluster)
		if p.Tolerable != nil && len(state.Taints) > 0 {
			require.True(t, slices.ContainsFunc(p.Tolerable, func(o v1alpha1.Toleration) bool {
				return o.Key == "" || o.Key == state.Taints[0].Key && (o.Operator == corev1.TolerationOpExists || o.Value == state.Taints[0].Value)
			}), "%v must not be tolerated", state.Taints)
		}
		for _, s := range p.Spread {
			if value, ok := state.Topology(s.TopologyKey); ok {
				if groups[s.TopologyKey] == nil {
					groups[s.TopologyKey] = map[string]bool{}
				}
				groups[s.TopologyKey][value] = true
			}
		}
	}
	if p.MaxClusters > 0 {
		require.LessOrEqual(t, len(chosen), int(p.MaxClusters))
	}
	for _, s := range p.Spread {
		if s.WhenUnsatisfiable != corev1.ScheduleAnyway && placed(&a.status).Status == metav1.ConditionTrue {
			require.GreaterOrEqual(t, len(groups[s.TopologyKey]), int(*s.MinGroups), "spread over %s", s.TopologyKey)
		}
	}
	if p.MaxPriority != nil {
		require.LessOrEqual(t, a.interest.priority, *p.MaxPriority)
	}
	if p.Quota != nil {
		require.LessOrEqual(t, replicasOn(q.workloads, chosen), p.Quota.Replicas)
	}
}
