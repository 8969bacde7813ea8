package controller_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

// A layer speaks for the workspaces of a path, as kcp tells it.
func TestLayerSelectsWorkspacesByTheirPathInKCP(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	mine, other := w.tenants[0], w.tenants[1]
	w.more = func(directory placementcontroller.Directory) []placementcontroller.Option {
		layer, err := placementcontroller.NewSelectedLayer(
			placementcontroller.NewLayer("gold", placementcontroller.Policy{Clusters: &v1alpha1.ClusterSelector{Names: []string{"b"}}}),
			placementcontroller.WorkspaceSelector{Paths: []string{mine.path.String()}}, directory)
		require.NoError(t, err)
		return []placementcontroller.Option{placementcontroller.WithLayers(layer)}
	}
	w.start(t)
	for _, tn := range []*tenant{mine, other} {
		tn.deploy(t, "default", "web")
	}
	mine.eventually(t, "default", "default", on("b"))
	other.eventually(t, "default", "default", on("a"))
}
