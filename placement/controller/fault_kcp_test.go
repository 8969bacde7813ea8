package controller_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
)

// Somebody writes the status between our reading and our writing: the decision
// is made again, for what is there now.
func TestConflictIsDecidedAgain(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	tn := w.tenants[0]
	var once sync.Once
	w.before = func(req *http.Request) {
		if writeOf(req) != "PATCH placements/status" {
			return
		}
		once.Do(func() { // a target that only the later version of the object has
			patch := client.RawPatch(types.MergePatchType, []byte(`{"status":{"targets":[{"cluster":"b","leaving":true}]}}`))
			if err := tn.Status().Patch(t.Context(), bare("default", "default"), patch); err != nil {
				t.Error(err)
			}
		})
	}
	w.start(t)
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", on("a (b)"))
}

// One Placement's writes fail for ever: the others do not wait for it.
func TestOneThatFailsHarmsNoOther(t *testing.T) {
	roomy := state("a")
	roomy.Allocatable.MilliCPU *= 10 // for all of them at once
	w := newWorld(t, newFleet(roomy))
	tn := w.tenants[0]
	var refusals atomic.Int32
	w.refuse = func(req *http.Request) bool {
		bad := req.Method != http.MethodGet && strings.Contains(req.URL.Path, "/placements/bad")
		if bad {
			refusals.Add(1)
		}
		return bad
	}
	w.start(t)
	tn.place(t, "default", "bad", `{resources: [{group: apps, kind: Deployment, name: bad}]}`)
	tn.deploy(t, "default", "bad")
	require.Eventually(t, func() bool { return refusals.Load() > 2 }, patience, 10*time.Millisecond, "it is tried again")
	for i := range 20 {
		tn.place(t, "default", fmt.Sprintf("good-%d", i), fmt.Sprintf(`{resources: [{group: apps, kind: Deployment, name: good-%d}]}`, i))
		tn.deploy(t, "default", fmt.Sprintf("good-%d", i))
	}
	for i := range 20 {
		tn.eventually(t, "default", fmt.Sprintf("good-%d", i), on("a"))
	}
	require.Less(t, refusals.Load(), int32(30), "later and later")
}

// Scenario 21: kcp goes away while the fleet changes, and comes back.
func TestKCPThatGoesAwayAndComesBackFindsTheDecisionMade(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	tn := w.tenants[0]
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "default", on("a"))
	w.fleet.set(state("b"))
	w.settled(t, tn)
	before := w.writes.placements()

	shared.kcp.Proxy().Refuse()
	healed := false
	defer func() {
		if !healed {
			shared.kcp.Proxy().Heal()
		}
	}()
	shared.kcp.Proxy().Reset()
	w.fleet.change("a", drain)
	require.Eventually(t, func() bool {
		return w.decisions(t) > 0 && w.writes.placements()["PATCH placements/status"] > before["PATCH placements/status"]
	},
		patience, 10*time.Millisecond, "it decides, and fails to write")
	shared.kcp.Proxy().Heal()
	healed = true
	tn.eventually(t, "default", "default", on("(a) b"))
}

func TestNamespaceThatIsGoingGetsNoDefault(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	tn := w.tenants[0]
	name := fmt.Sprintf("going-%d", serial.Add(1))
	tn.namespace(t, name)
	d := tn.deploy(t, name, "web")
	d.SetFinalizers([]string{"example.org/hold"})
	require.NoError(t, tn.Update(t.Context(), d))
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	require.NoError(t, tn.Delete(t.Context(), ns))
	w.start(t)
	w.settled(t, tn)
	_, err := tn.get(t.Context(), name, "default")
	require.True(t, client.IgnoreNotFound(err) == nil && err != nil, "there is none: %v", err)
	require.LessOrEqual(t, w.writes.placements()["POST placements"], 1, "and it is not tried again and again")

	require.NoError(t, tn.Get(t.Context(), client.ObjectKeyFromObject(d), d))
	d.SetFinalizers(nil)
	require.NoError(t, tn.Update(t.Context(), d))
}

// A Placement is there before what it covers: both together settle with one
// write.
func TestWhatIsAppliedTogetherSettlesWithOneWrite(t *testing.T) {
	w := newWorld(t, newFleet(state("a"), state("b")))
	w.start(t)
	tn := w.tenants[0]
	const n = 25
	for i := range n {
		name := fmt.Sprintf("app-%d", i)
		tn.place(t, "default", name, `{resources: [{group: apps, kind: Deployment, name: `+name+`}]}`)
		tn.deploy(t, "default", name)
	}
	for i := range n {
		tn.eventually(t, "default", fmt.Sprintf("app-%d", i), decided)
	}
	w.settled(t, tn)
	require.Equal(t, map[string]int{"PATCH placements/status": n}, w.writes.placements())
}

func TestDisengagedWorkspaceIsForgottenAndTakenUpAgain(t *testing.T) {
	w := newWorld(t, newFleet(state("a")))
	w.start(t)
	gone, stays := w.tenants[0], w.tenants[1]
	gone.deploy(t, "default", "web")
	gone.eventually(t, "default", "default", on("a"))
	w.fleet.set(state("b"))

	binding := &unstructured.Unstructured{}
	binding.SetAPIVersion("apis.kcp.io/v1alpha2")
	binding.SetKind("APIBinding")
	binding.SetName(exportName)
	require.NoError(t, gone.Delete(t.Context(), binding))
	require.Eventually(t, func() bool {
		return apierrors.IsNotFound(gone.Get(t.Context(), client.ObjectKeyFromObject(binding), binding))
	}, patience, 50*time.Millisecond)
	w.fleet.change("a", drain) // to which nothing can be done there
	w.settled(t, stays)

	require.NoError(t, shared.kcp.Bind(t.Context(), gone.path, w.path, exportName))
	gone.deploy(t, "default", "web")
	gone.eventually(t, "default", "default", on("b"))
}

// Scenario 17, with a toleration: the work stays for as long as it says, by
// the controller's own clock, and then moves without a nudge.
func TestTolerationThatRunsOutMovesTheWork(t *testing.T) {
	var offset atomic.Int64
	w := newWorld(t, newFleet(state("a")))
	w.start(t, placementcontroller.WithClock(func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }))
	tn := w.tenants[0]
	tn.place(t, "default", "mine", `{tolerations: [{key: "`+clusterv1alpha1.TaintUnreachable+`", operator: Exists, effect: NoExecute, tolerationSeconds: 3600}, {key: "`+clusterv1alpha1.TaintUnreachable+`", operator: Exists, effect: NoSchedule}]}`)
	tn.deploy(t, "default", "web")
	tn.eventually(t, "default", "mine", on("a"))
	w.fleet.set(state("b"))
	w.fleet.change("a", unreachable)
	w.fleet.change("a", lost)
	w.settled(t, tn)
	p, err := tn.get(t.Context(), "default", "mine")
	require.NoError(t, err)
	require.True(t, on("a")(p), show(p))

	offset.Store(int64(time.Hour - 2*time.Second))
	w.fleet.change("a", func(s *tmccluster.State) { s.Labels["touched"] = "yes" }) // a timer that was set by another time is set anew
	tn.eventually(t, "default", "mine", on("(a) b"))
}
