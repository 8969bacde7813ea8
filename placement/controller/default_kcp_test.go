package controller_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func TestDefaultIsCreatedOnceAndSettlesWithOneStatusWriteAndARestartWritesNothing(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	w.start(t)
	const perTenant = 5
	for _, tn := range w.tenants {
		for i := range perTenant {
			tn.deploy(t, "default", fmt.Sprintf("web-%d", i))
		}
	}
	for _, tn := range w.tenants {
		p := tn.eventually(t, "default", "default", decided)
		require.Len(t, p.Status.Targets, 1, show(p))
		require.Equal(t, placementcontroller.ManagedBy, p.Labels[placementcontroller.ManagedByLabel])
		require.Equal(t, p.Generation, p.Status.ObservedGeneration)
		require.NotEmpty(t, p.Status.Summary)
	}
	for _, tn := range w.tenants {
		w.settled(t, tn)
	}
	want := map[string]int{"POST placements": 2, "PATCH placements/status": 2}
	require.Equal(t, want, w.writes.placements(), "one create and one status write per workspace")

	w.stop()
	w.start(t)
	for _, tn := range w.tenants {
		w.settled(t, tn)
	}
	require.Empty(t, w.writes.placements(), "a restart writes nothing")
}

func TestDefaultIsNotCreatedWhereATenantsPlacementCoversTheWork(t *testing.T) {
	w := newWorld(t, newFleet(state("a", "env", "dev"), state("b", "env", "prod")))
	tn := w.tenants[0]
	tn.place(t, "default", "mine", `{clusters: {matchLabels: {env: prod}}}`)
	tn.deploy(t, "default", "web")
	w.start(t)
	tn.eventually(t, "default", "mine", on("b"))
	w.settled(t, tn)
	require.Equal(t, map[string]int{"PATCH placements/status": 1}, w.writes.placements())
}

func TestDefaultTakesTheSpecOfThePlatform(t *testing.T) {
	w := newWorld(t, newFleet(state("a", "env", "dev"), state("b", "env", "prod")))
	w.start(t, placementcontroller.WithDefaults(prodByDefault))
	w.tenants[0].deploy(t, "default", "web")
	p := w.tenants[0].eventually(t, "default", "default", on("b"))
	require.Equal(t, map[string]string{"env": "prod"}, p.Spec.Clusters.MatchLabels)
}

func TestDefaultForClusterScopedWorkIsAClusterPlacement(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	x := &unstructured.Unstructured{}
	x.SetGroupVersionKind(widgets)
	x.SetName("one")
	w.tenants[0].create(t, x)
	w.tenants[0].eventually(t, "", "default", on("a"))
	w.settled(t, w.tenants[0])
	require.Equal(t, map[string]int{"POST clusterplacements": 1, "PATCH clusterplacements/status": 1}, w.writes.placements())
}

func TestDefaultIsMadeAgainAfterItWasDeleted(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	tn := w.tenants[0]
	tn.deploy(t, "default", "web")
	first := tn.eventually(t, "default", "default", on("a"))
	require.NoError(t, tn.Delete(t.Context(), bare("default", "default")))
	tn.eventually(t, "default", "default", func(p *v1alpha1.Placement) bool { return p.UID != first.UID && on("a")(p) })
}

func TestWorkThatIsLeftOverIsTold(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	tn := w.tenants[0]
	tn.place(t, "default", "default", `{resources: [{group: apps, kind: Deployment, name: web}]}`)
	tn.deploy(t, "default", "web")
	tn.deploy(t, "default", "other")
	tn.eventually(t, "default", "default", on("a"))
	tn.event(t, "default", "other", placementcontroller.ReasonNotCovered)
}

// A Placement that came a moment ago, and that the watch has not told of yet,
// is seen all the same.
func TestDefaultIsNotCreatedBeforeALookAtTheServer(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	tn := w.tenants[0]
	var once sync.Once
	w.before = func(req *http.Request) {
		if req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/namespaces/default/placements") {
			once.Do(func() { tn.place(t, "default", "mine", `{clusters: {names: [b]}}`) })
		}
	}
	w.start(t)
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "mine", on("b"))
	w.settled(t, tn)
	require.Equal(t, map[string]int{"PATCH placements/status": 1}, w.writes.placements())
}
