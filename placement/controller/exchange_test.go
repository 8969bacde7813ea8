package controller_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// decisionOf is a PlacementDecision of another scheduler.
func decisionOf(scheduler, placement, name string, clusters ...string) *unstructured.Unstructured {
	list := make([]any, 0, len(clusters))
	for _, c := range clusters {
		list = append(list, map[string]any{"clusterProfileRef": map[string]any{"name": c}})
	}
	u := &unstructured.Unstructured{Object: map[string]any{"schedulerName": scheduler, "decisions": list}}
	u.SetAPIVersion("multicluster.x-k8s.io/v1alpha1")
	u.SetKind("PlacementDecision")
	u.SetNamespace("default")
	u.SetName(name)
	u.SetLabels(map[string]string{"multicluster.x-k8s.io/placement-key": placement})
	return u
}

// published returns the clusters of a slice, nil if there is none.
func (m *memory) published(workspace multicluster.ClusterName, name string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return clustersIn(m.objects[place{workspace, "PlacementDecision", types.NamespacedName{Namespace: "default", Name: name}}])
}

func clustersIn(u *unstructured.Unstructured) []string {
	if u == nil {
		return nil
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "decisions")
	names := make([]string, 0, len(list))
	for _, d := range list {
		if fields, ok := d.(map[string]any); ok {
			name, _, _ := unstructured.NestedString(fields, "clusterProfileRef", "name")
			names = append(names, name)
		}
	}
	return names
}

func (m *memory) eventuallyPublished(tb testing.TB, workspace multicluster.ClusterName, name string, want ...string) {
	tb.Helper()
	require.Eventually(tb, func() bool { return slices.Equal(m.published(workspace, name), want) }, patience, 5*time.Millisecond,
		"%s: %v", name, m.published(workspace, name))
}

func TestDecisionsArePublishedAndKept(t *testing.T) {
	m, f := newMemory(1), newFleet(state("a"), state("b"))
	ws := m.names[0]
	_, stop := m.run(t, f, placementcontroller.WithPlacementDecisions(placementcontroller.DecisionOptions{ProfileNamespace: "fleet"}))
	m.app(t, ws, "web", "{clusters: {names: [a]}}", "1m", 1)
	m.eventuallyPublished(t, ws, "web", "a")
	m.edit(ws, "default", "web", func(spec map[string]any) { spec["clusters"] = map[string]any{"names": []any{"b"}} })
	m.eventuallyPublished(t, ws, "web", "b")
	m.put(ws, ours(m, ws, "web", "z"))
	m.eventuallyPublished(t, ws, "web", "b")
	stop()
	m.written()
	m.run(t, f, placementcontroller.WithPlacementDecisions(placementcontroller.DecisionOptions{ProfileNamespace: "fleet"}))
	m.app(t, ws, "barrier", "{}", "1m", 1)
	m.eventuallyPublished(t, ws, "barrier", "a")
	writes, _ := m.written()
	require.Equal(t, map[string]int{"status": 1, "create": 1}, writes, "after a restart the barrier alone is written")
	m.edit(ws, "default", "web", func(spec map[string]any) { spec["scheduler"] = "other.example.org" })
	m.eventuallyPublished(t, ws, "web")
}

// ours is what is published for a Placement, changed by hand.
func ours(m *memory, workspace multicluster.ClusterName, name, cluster string) *unstructured.Unstructured {
	m.mu.RLock()
	defer m.mu.RUnlock()
	u := m.objects[place{workspace, "PlacementDecision", types.NamespacedName{Namespace: "default", Name: name}}].DeepCopy()
	u.Object["decisions"] = []any{map[string]any{"clusterProfileRef": map[string]any{"name": cluster}}}
	return u
}

func TestManyClustersAreManySlices(t *testing.T) {
	f := newFleet()
	for i := range 250 {
		f.set(state(fmt.Sprintf("c%03d", i)))
	}
	m := newMemory(1)
	m.run(t, f, placementcontroller.WithPlacementDecisions(placementcontroller.DecisionOptions{}))
	m.app(t, m.names[0], "web", "{count: {min: 1}}", "1m", 1)
	require.Eventually(t, func() bool { return len(m.published(m.names[0], "web-2")) == 50 }, patience, 5*time.Millisecond)
	require.Len(t, m.published(m.names[0], "web"), 100)
	require.Len(t, m.published(m.names[0], "web-1"), 100)
	m.edit(m.names[0], "default", "web", func(spec map[string]any) { spec["count"] = map[string]any{"min": int64(1), "max": int64(3)} })
	require.Eventually(t, func() bool {
		return len(m.published(m.names[0], "web")) == 3 && m.published(m.names[0], "web-2") == nil
	}, patience, 5*time.Millisecond)
}

// Another scheduler decides, within what the platform allows and clusters take.
func TestDecisionsOfAnotherSchedulerAreFollowed(t *testing.T) {
	m, f := newMemory(2), newFleet(state("a"), state("b"), state("c"), state("secret"))
	ws := m.names[0]
	m.run(t, f,
		placementcontroller.WithPlacementDecisions(placementcontroller.DecisionOptions{}),
		placementcontroller.WithCopies(placementcontroller.CopiesFunc(func(context.Context, multicluster.ClusterName, types.NamespacedName, string) (int, error) {
			return 0, nil
		})),
		placementcontroller.WithLayers(placementcontroller.NewLayer("platform", placementcontroller.Policy{Clusters: &v1alpha1.ClusterSelector{Names: []string{"a", "b", "c"}}})))
	m.app(t, ws, "web", "{scheduler: other.example.org}", "1m", 1)
	m.eventually(t, ws, "web", refused(placementcontroller.ReasonAwaitingScheduler))
	m.put(ws, decisionOf("third.example.org", "web", "third", "c"))
	m.put(m.names[1], decisionOf("other.example.org", "web", "web", "c"))
	m.put(ws, decisionOf("other.example.org", "web", "theirs", "b"))
	m.eventually(t, ws, "web", on("b"))
	m.put(ws, decisionOf("other.example.org", "web", "theirs-1", "a", "b"))
	m.eventually(t, ws, "web", on("a b"))
	m.del(ws, decisionOf("other.example.org", "web", "theirs-1"))
	m.put(ws, decisionOf("other.example.org", "web", "theirs", "secret"))
	m.eventually(t, ws, "web", refused(v1alpha1.ReasonNoClusterFits))
	require.NotContains(t, m.get(ws, "default", "web").Status.Summary, "secret", "what the platform does not allow is nobody's to grant")
	m.edit(ws, "default", "web", func(spec map[string]any) { delete(spec, "scheduler") })
	m.eventually(t, ws, "web", func(p *v1alpha1.Placement) bool {
		c := condition(p)
		return c != nil && c.Reason == v1alpha1.ReasonPlaced
	})
}

// A ClusterPlacement has no namespace: its decisions are where the platform
// says, and are no decisions of a Placement of the same name there.
func TestDecisionsOfClusterPlacementsAreExchanged(t *testing.T) {
	m, f := newMemory(1), newFleet(state("a"), state("b"))
	ws := m.names[0]
	opts := placementcontroller.DecisionOptions{ClusterNamespace: "default"}
	m.run(t, f, placementcontroller.WithPlacementDecisions(opts), placementcontroller.Resources(widgets))
	one := &unstructured.Unstructured{}
	one.SetGroupVersionKind(widgets)
	one.SetName("one")
	m.put(ws, one)
	m.put(ws, placementWith(t, "", "web", `{clusters: {names: [a]}}`))
	m.app(t, ws, "web", "{clusters: {names: [b]}}", "1m", 1)
	m.eventuallyPublished(t, ws, "cluster.web", "a")
	m.eventuallyPublished(t, ws, "web", "b")
	m.edit(ws, "", "web", func(spec map[string]any) {
		spec["scheduler"] = "other.example.org"
		delete(spec, "clusters")
	})
	m.eventuallyPublished(t, ws, "cluster.web")
	m.put(ws, decisionOf("other.example.org", "web", "not-for-clusters", "a"))
	m.put(ws, forCluster(decisionOf("other.example.org", "web", "theirs", "b")))
	require.Eventually(t, func() bool {
		p := m.get(ws, "", "web")
		return p != nil && slices.Equal(targetsOf(p), []string{"b"})
	}, patience, 5*time.Millisecond)
	m.eventuallyPublished(t, ws, "web", "b")
}

func targetsOf(p *v1alpha1.Placement) (names []string) {
	for _, target := range p.Status.Targets {
		if !target.Leaving {
			names = append(names, target.Cluster)
		}
	}
	return names
}

// forCluster makes a decision one for a ClusterPlacement.
func forCluster(u *unstructured.Unstructured) *unstructured.Unstructured {
	labels := u.GetLabels()
	labels[placementcontroller.PlacementKindLabel] = "ClusterPlacement"
	u.SetLabels(labels)
	return u
}
