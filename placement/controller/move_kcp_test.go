package controller_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

var theDefault = types.NamespacedName{Namespace: "default", Name: "default"}

// Scenario 13.
func TestNoClusterFitsIsToldAndAFittingClusterIsTakenWithoutANudge(t *testing.T) {
	w := newWorld(t, newFleet(state("a", "env", "dev"), state("b", "env", "dev")))
	w.fleet.change("b", cordon)
	w.start(t)
	tn := w.tenants[0]
	tn.place(t, "default", "mine", `{clusters: {matchLabels: {env: prod}}}`)
	tn.deploy(t, "default", "web")
	p := tn.eventually(t, "default", "mine", refused(v1alpha1.ReasonNoClusterFits))
	require.Empty(t, p.Status.Targets)
	require.NotEmpty(t, p.Status.Rejected, "why, grouped")
	require.NotEmpty(t, condition(p).Message)
	tn.event(t, "default", "mine", v1alpha1.ReasonNoClusterFits)

	w.fleet.set(state("c", "env", "prod"))
	p = tn.eventually(t, "default", "mine", on("c"))
	require.Equal(t, v1alpha1.ReasonPlaced, condition(p).Reason)
	w.settled(t, tn)
	require.Equal(t, map[string]int{"PATCH placements/status": 2}, w.writes.placements())
}

// Scenario 16.
func TestCordonKeepsDrainMovesUncordonMovesNothing(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	tn := w.tenants[0]
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", on("a"))
	w.fleet.set(state("b"))

	w.fleet.change("a", cordon)
	tn.namespace(t, "later")
	tn.deploy(t, "later", "web")
	tn.eventually(t, "later", "default", on("b"))
	w.settled(t, tn)
	old, err := tn.get(t.Context(), "default", "default")
	require.NoError(t, err)
	require.True(t, on("a")(old), "old work stays: %s", show(old))

	w.copies.set("a", false)
	w.fleet.change("a", drain)
	tn.eventually(t, "default", "default", on("(a) b"))
	w.copies.retire(tn.name, theDefault, "a")
	tn.eventually(t, "default", "default", on("b"))

	w.settled(t, tn)
	before := w.writes.placements()
	w.fleet.change("a", healthy)
	w.settled(t, tn)
	require.Equal(t, before, w.writes.placements(), "back in the pool, and nothing moves")
}

// Scenario 17.
func TestLostClusterKeepsItsWorkForTheGraceAndThenUntilItsCopiesAreGone(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	tn := w.tenants[0]
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", on("a"))
	w.fleet.set(state("b"))
	w.fleet.set(state("c"))
	w.settled(t, tn)
	before := w.writes.placements()

	w.fleet.change("a", unreachable)
	w.settled(t, tn)
	require.Equal(t, before, w.writes.placements(), "within the grace period nothing moves")

	w.fleet.change("a", lost)
	p := tn.eventually(t, "default", "default", func(p *v1alpha1.Placement) bool { return len(p.Status.Targets) == 2 })
	require.True(t, p.Status.Targets[0].Leaving, "what may still run there stays on record: %s", show(p))
	next := p.Status.Targets[1].Cluster

	w.fleet.change("a", healthy)
	w.copies.set("a", false)
	w.settled(t, tn)
	p, err := tn.get(t.Context(), "default", "default")
	require.NoError(t, err)
	require.True(t, on("(a) "+next)(p), "it returns, and nothing flaps: %s", show(p))

	w.copies.retire(tn.name, theDefault, "a")
	tn.eventually(t, "default", "default", on(next))
}

func TestClusterThatLeftTheFleetForGoodLeavesTheRecord(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	tn := w.tenants[0]
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", on("a"))
	w.fleet.set(state("b"))
	w.fleet.change("a", drain)
	tn.eventually(t, "default", "default", on("(a) b"))
	w.fleet.remove("a")
	tn.eventually(t, "default", "default", on("b"))
}

func TestChangedSelectorMovesAndAChangeBackKeepsWhatIsThere(t *testing.T) {
	w := newWorld(t, newFleet(state("a", "env", "dev"), state("b", "env", "prod")))
	w.start(t)
	tn := w.tenants[0]
	tn.place(t, "default", "mine", `{clusters: {matchLabels: {env: dev}}}`)
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "mine", on("a"))
	w.copies.set("a", false)
	tn.update(t, "default", "mine", `{"spec":{"clusters":{"matchLabels":{"env":"prod"}}}}`)
	p := tn.eventually(t, "default", "mine", on("(a) b"))
	require.Equal(t, p.Generation, p.Status.ObservedGeneration)
	w.copies.set("b", false)
	tn.update(t, "default", "mine", `{"spec":{"clusters":{"matchLabels":{"env":"dev"}}}}`)
	tn.eventually(t, "default", "mine", on("a (b)"))
}

func TestInvalidSpecIsToldAndTheDecisionStays(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	w.start(t)
	tn := w.tenants[0]
	tn.place(t, "default", "mine", `{clusters: {names: [a]}}`)
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "mine", on("a"))
	tn.update(t, "default", "mine", `{"spec":{"clusters":{"expression":"this is no ( expression"}}}`)
	p := tn.eventually(t, "default", "mine", refused(v1alpha1.ReasonInvalid))
	require.Contains(t, condition(p).Message, "expression", "the message names the field")
	require.True(t, on("a")(p), show(p))
}

func TestSuspendedPlacementKeepsEverything(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	w.start(t)
	tn := w.tenants[0]
	tn.place(t, "default", "mine", `{clusters: {names: [a]}}`)
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "mine", on("a"))
	tn.update(t, "default", "mine", `{"spec":{"suspend":true,"clusters":{"names":["b"]}}}`)
	tn.eventually(t, "default", "mine", func(p *v1alpha1.Placement) bool { return p.Status.ObservedGeneration == p.Generation })
	w.fleet.change("a", drain)
	w.settled(t, tn)
	p, err := tn.get(t.Context(), "default", "mine")
	require.NoError(t, err)
	require.True(t, on("a")(p), show(p))
	tn.update(t, "default", "mine", `{"spec":{"suspend":false}}`)
	tn.eventually(t, "default", "mine", on("(a) b"))
}

func TestPlacementThatCoversNothingIsToldOnce(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t, placementcontroller.WithSettling(200*time.Millisecond))
	tn := w.tenants[0]
	tn.place(t, "default", "mine", `{}`)
	tn.eventually(t, "default", "mine", refused(v1alpha1.ReasonNothingToPlace))
	d := tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "mine", on("a"))
	w.settled(t, tn)
	require.Equal(t, map[string]int{"PATCH placements/status": 2}, w.writes.placements())

	require.NoError(t, tn.Delete(t.Context(), d))
	w.settled(t, tn)
	require.Equal(t, map[string]int{"PATCH placements/status": 2}, w.writes.placements(), "the decision stays, at no write")
}

func TestLimiterPutsMovesOffAndTheyHappenWhenTheyMay(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	limit := newSwitch()
	w.start(t, placementcontroller.WithLimiter(limit))
	tn := w.tenants[0]
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", on("a"))
	w.fleet.set(state("b"))
	w.fleet.change("a", drain)
	require.Eventually(t, func() bool { return limit.asked() > 1 }, patience, 10*time.Millisecond, "it asks again")
	p, err := tn.get(t.Context(), "default", "default")
	require.NoError(t, err)
	require.True(t, on("a")(p), show(p))
	limit.allow()
	tn.eventually(t, "default", "default", on("(a) b"))
}

func TestManyChangesOfCapacityWakeNoOneWhoHasAPlace(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	w.start(t)
	tn := w.tenants[0]
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", decided)
	w.settled(t, tn)
	before := w.decisions(t)
	for i := range int64(200) {
		w.fleet.change("a", func(s *tmccluster.State) { s.Allocated.MilliCPU = i * 10 })
		w.fleet.change("b", func(s *tmccluster.State) { s.Allocated.MilliCPU = 2000 - i*10 })
	}
	w.settled(t, tn)
	require.LessOrEqual(t, w.decisions(t)-before, 3.0, "the barrier's own")
}

func TestUnknownCopiesKeepTheRecordForEver(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	tn := w.tenants[0]
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", on("a"))
	w.fleet.set(state("b"))
	w.fleet.change("a", drain)
	tn.eventually(t, "default", "default", on("(a) b"))
	w.copies.notify(tn.name, theDefault, "a") // to look again, and still not to know
	w.settled(t, tn)
	p, err := tn.get(t.Context(), "default", "default")
	require.NoError(t, errors.Join(err))
	require.True(t, on("(a) b")(p), show(p))
}

func TestLayerThatChangesMovesWhatItNoLongerAllowsAndAQuotaHoldsGrowth(t *testing.T) {
	w := newWorld(t, newFleet(state("a", "env", "dev"), state("b", "env", "prod")))
	layer := newRule("a")
	w.start(t, placementcontroller.WithLayers(layer))
	tn := w.tenants[0]
	web := tn.deploy(t, "default", "web")
	p := tn.eventually(t, "default", "default", on("a"))
	require.Equal(t, placementcontroller.FilterLayer, p.Status.Rejected[0].Filter, "who decided is in the explanation")
	layer.allow("b")
	tn.eventually(t, "default", "default", on("(a) b"))

	granted := func(n int32) func(*v1alpha1.Placement) bool {
		return func(p *v1alpha1.Placement) bool {
			return p.Status.Granted != nil && len(p.Status.Granted.Objects) == 1 && p.Status.Granted.Objects[0].Replicas == n
		}
	}
	layer.set(&placementcontroller.Policy{Quota: &placementcontroller.Quota{Replicas: 5}})
	tn.eventually(t, "default", "default", granted(3))
	scale := func(n int) {
		t.Helper()
		require.NoError(t, tn.Patch(t.Context(), web.DeepCopy(), client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n))))
	}
	scale(5)
	tn.eventually(t, "default", "default", granted(5))
	scale(9)
	p = tn.eventually(t, "default", "default", refused(placementcontroller.ReasonQuotaExceeded))
	require.True(t, granted(5)(p), show(p))
	tn.event(t, "default", "default", placementcontroller.ReasonQuotaExceeded)
	scale(4)
	tn.eventually(t, "default", "default", granted(4))
}
