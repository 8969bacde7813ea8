package controller_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Other tools follow our decisions, and ours follow those of another scheduler.
func TestDecisionsAreExchangedOverKCP(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	tn := w.tenants[0]
	w.start(t, placementcontroller.WithPlacementDecisions(placementcontroller.DecisionOptions{ProfileNamespace: "fleet"}))
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", on("a"))
	ours := decisionOf("", "", "default")
	published := func() bool {
		return tn.Get(t.Context(), client.ObjectKeyFromObject(ours), ours) == nil && slices.Equal(clustersIn(ours), []string{"a"})
	}
	require.Eventually(t, published, patience, 25*time.Millisecond)
	require.Equal(t, placementcontroller.SchedulerName, ours.Object["schedulerName"])
	require.NoError(t, tn.Delete(t.Context(), ours))
	require.Eventually(t, published, patience, 25*time.Millisecond, "what is deleted by hand comes back")

	tn.place(t, "default", "theirs", `{scheduler: other.example.org, resources: [{group: apps, kind: Deployment, name: web}]}`)
	tn.eventually(t, "default", "theirs", refused(placementcontroller.ReasonAwaitingScheduler))
	theirs := decisionOf("other.example.org", "theirs", "theirs", "b")
	tn.create(t, theirs)
	t.Cleanup(func() { _ = tn.Delete(t.Context(), theirs) })
	tn.eventually(t, "default", "theirs", on("b"))
}

// Layers speak for the workspaces of a path, and for those with a label, as kcp
// tells it; a label that changes counts at once.
func TestLayerSelectsWorkspacesByTheirPathInKCP(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	mine, other := w.tenants[0], w.tenants[1]
	w.more = func(directory placementcontroller.Directory) []placementcontroller.Option {
		layer, err := placementcontroller.NewSelectedLayer(
			placementcontroller.NewLayer("gold", placementcontroller.Policy{Clusters: &v1alpha1.ClusterSelector{Names: []string{"b"}}}),
			placementcontroller.WorkspaceSelector{Paths: []string{mine.path.String()}}, directory)
		require.NoError(t, err)
		labelled, err := placementcontroller.NewSelectedLayer(
			placementcontroller.NewLayer("labelled", placementcontroller.Policy{Clusters: &v1alpha1.ClusterSelector{Names: []string{"b"}}}),
			placementcontroller.WorkspaceSelector{Labels: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}, directory)
		require.NoError(t, err)
		return []placementcontroller.Option{placementcontroller.WithLayers(layer, labelled)}
	}
	w.start(t)
	for _, tn := range []*tenant{mine, other} {
		tn.deploy(t, "default", "web")
	}
	mine.eventually(t, "default", "default", on("b"))
	other.eventually(t, "default", "default", on("a"))

	lc := &unstructured.Unstructured{}
	lc.SetGroupVersionKind(schema.GroupVersionKind{Group: "core.kcp.io", Version: "v1alpha1", Kind: "LogicalCluster"})
	lc.SetName("cluster")
	label := func(patch string) error {
		return other.Patch(context.WithoutCancel(t.Context()), lc, client.RawPatch(types.MergePatchType, []byte(patch)))
	}
	t.Cleanup(func() { require.NoError(t, label(`{"metadata": {"labels": {"tier": null}}}`)) })
	require.NoError(t, label(`{"metadata": {"labels": {"tier": "gold"}}}`))
	other.eventually(t, "default", "default", func(p *v1alpha1.Placement) bool {
		return slices.ContainsFunc(p.Status.Targets, func(target v1alpha1.Target) bool { return target.Cluster == "b" && !target.Leaving })
	})
}
