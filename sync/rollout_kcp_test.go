package syncer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// failedRollout is the status of a Deployment that its cluster has given up.
func failedRollout(n int64) map[string]any {
	return map[string]any{
		"replicas": n, "updatedReplicas": int64(1), "readyReplicas": int64(0), "unavailableReplicas": n,
		"conditions": []any{
			map[string]any{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "no"},
			map[string]any{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "the image can't be pulled"},
		},
	}
}

func (w *world) setImage(d *unstructured.Unstructured, image string) {
	w.t.Helper()
	patch := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"`+image+`"}]`))
	require.NoError(w.t, w.tenant(0).Patch(w.t.Context(), d.DeepCopy(), patch))
}

func hasImage(image string) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
		return field("image", image)(&unstructured.Unstructured{Object: containers[0].(map[string]any)})
	}
}

func (w *world) changePlacement(name, patch string) {
	w.t.Helper()
	require.NoError(w.t, w.tenant(0).Patch(w.t.Context(), object(placementKind, "default", name), client.RawPatch(types.MergePatchType, []byte(patch))))
}

// A template that does no good stops at the first wave; replicas follow
// nevertheless, also after a restart; a template that mends it goes on.
func TestARolloutStopsWhereItFailsAndGoesOnWhenMended(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 3)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	p := &v1alpha1.Placement{}
	p.Namespace, p.Name = "default", "staged"
	all := []v1alpha1.Target{target("east", 1), target("west", 1), target("north", 1)}
	w.decideFor(0, p, all...)
	clusters := []string{"east", "west", "north"}
	for _, c := range clusters {
		w.setStatus(c, w.waitCopy(c, 0, d), ready(1))
	}
	w.waitOriginal(0, d, condition("Healthy", "True", "Healthy"))

	// To say how a template is to spread changes nothing.
	w.physical.reset()
	w.changePlacement("staged", `{"spec":{"rollout":{"waves":[
		{"name":"canary","clusters":{"names":["west"]}}, {"name":"middle","clusters":{"names":["north"]}}]}}}`)

	w.setImage(d, "registry.example/app:bad")
	west := w.waitCopy("west", 0, d, hasImage("registry.example/app:bad"))
	w.waitOriginal(0, d, condition("Synced", "False", "RolloutProgressing"), conditionSays("Synced", `wave "canary"`, "west", "east, north"))
	w.setStatus("west", west, failedRollout(1))
	w.waitOriginal(0, d, condition("Synced", "False", "RolloutStopped"), conditionSays("Synced", "cluster west", "east, north keep"), condition("Healthy", "False", "Degraded"))
	require.EqualValues(t, 1, w.physical.n.Load(), "the canary alone:\n%s", &w.physical)
	w.waitEvent("RolloutStopped", "cluster west")

	// Scaling is no change of the template.
	w.stopLoop()
	require.NoError(t, w.tenant(0).Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":6}}`))))
	w.start()
	for _, c := range []string{"east", "north"} {
		kept := w.waitCopy(c, 0, d, field("spec.replicas", 2))
		require.NoError(t, hasImage("registry.example/app:1")(kept), "a restart goes no further")
	}
	w.waitOriginal(0, d, condition("Synced", "False", "RolloutStopped"))

	// What mends it goes the same way.
	w.setImage(d, "registry.example/app:2")
	for _, c := range []string{"west", "north", "east"} {
		now := w.waitCopy(c, 0, d, hasImage("registry.example/app:2"), field("spec.replicas", 2))
		for _, other := range clusters[:1] {
			if other != c {
				later, err := w.copyOf(other, 0, d)
				require.NoError(t, err)
				require.NoError(t, hasImage("registry.example/app:1")(later), "east is last")
			}
		}
		w.setStatus(c, now, ready(2))
	}
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"), condition("Healthy", "True", "Healthy"))
}

// What the platform's layers say counts, and a tenant may pause at any time.
func TestARolloutOfThePlatformWaitsAfterItsCanary(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 2)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1), target("west", 1))
	for _, c := range []string{"east", "west"} {
		w.setStatus(c, w.waitCopy(c, 0, d), ready(1))
	}
	status := func(patch string) {
		w.t.Helper()
		p := object(placementKind, "default", "default")
		require.NoError(t, w.tenant(0).Status().Patch(t.Context(), p, client.RawPatch(types.MergePatchType, []byte(patch))))
	}
	status(`{"status":{"rollout":{"waves":[{"name":"canary","clusters":{"names":["west"]}}],"pauseAfter":"canary"}}}`)
	w.changePlacement("default", `{"spec":{"rollout":{"paused":true}}}`)
	w.setImage(d, "registry.example/app:2")
	w.waitOriginal(0, d, condition("Synced", "False", "RolloutPaused"), conditionSays("Synced", "east, west keep"))
	w.changePlacement("default", `{"spec":{"rollout":{"paused":false}}}`)
	w.setStatus("west", w.waitCopy("west", 0, d, hasImage("registry.example/app:2")), ready(1))
	w.waitOriginal(0, d, condition("Synced", "False", "RolloutPaused"), conditionSays("Synced", `after wave "canary"`, "east keeps"))
	east, err := w.copyOf("east", 0, d)
	require.NoError(t, err)
	require.NoError(t, hasImage("registry.example/app:1")(east))

	// Back to what was there before: the canary goes back, the other was kept.
	w.setImage(d, "registry.example/app:1")
	w.setStatus("west", w.waitCopy("west", 0, d, hasImage("registry.example/app:1")), ready(1))
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	same, err := w.copyOf("east", 0, d)
	require.NoError(t, err)
	require.Equal(t, east.GetResourceVersion(), same.GetResourceVersion(), "nothing was written there")
}

// waitEvent waits for an event in namespace default of the first tenant.
func (w *world) waitEvent(reason string, says string) {
	w.t.Helper()
	eventually(w.t, "event "+reason, func() error {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("v1")
		list.SetKind("EventList")
		if err := w.tenant(0).List(w.t.Context(), list, client.InNamespace("default")); err != nil {
			return err
		}
		for i := range list.Items {
			message, _, _ := unstructured.NestedString(list.Items[i].Object, "message")
			if list.Items[i].Object["reason"] == reason && strings.Contains(message, says) {
				return nil
			}
		}
		return fmt.Errorf("not among %d", len(list.Items))
	})
}
