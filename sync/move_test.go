package syncer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Scenario 18, law 4: the new copy is healthy before the old one goes; and the
// placement controller learns that it went.
func TestAMoveMakesBeforeItBreaks(t *testing.T) {
	w := newWorld(t, 1)
	loop := w.start()
	told := make(chan string, 100)
	loop.NotifyRetired(func(_ multicluster.ClusterName, p types.NamespacedName, cluster string) {
		told <- p.String() + " " + cluster
	})
	d := deployment("web", 2)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	east := w.waitCopy("east", 0, d)
	w.setStatus("east", east, ready(2))
	w.waitOriginal(0, d, condition("Healthy", "True", "Healthy"))

	w.decide(0, leaving("east"), target("west", 1))
	west := w.waitCopy("west", 0, d)
	w.mustStay(time.Second, "east", east)
	n, err := loop.Remaining(t.Context(), multicluster.ClusterName(w.tenants[0].Cluster), types.NamespacedName{Namespace: "default", Name: "default"}, "east")
	require.NoError(t, err)
	require.Equal(t, 1, n)

	w.setStatus("west", west, ready(2))
	w.waitNoCopy("east", 0, d)
	select {
	case what := <-told:
		require.Equal(t, "default/default east", what)
	case <-time.After(5 * time.Second):
		t.Fatal("nobody was told")
	}
	w.waitOriginal(0, d, condition("Healthy", "True", "Healthy"), field("status.readyReplicas", 2))
}

// A policy that never lets work run twice.
func TestAMoveBreaksBeforeItMakesIfThePolicySaysSo(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 2)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	p := &v1alpha1.Placement{Spec: v1alpha1.PlacementSpec{Moves: &v1alpha1.MovePolicy{Type: v1alpha1.MoveBreakBeforeMake}}}
	p.Namespace, p.Name = "default", "once"
	w.decideFor(0, p, target("east", 1))
	east := w.waitCopy("east", 0, d)
	hold := east.DeepCopy()
	hold.SetFinalizers([]string{"example.org/hold"})
	require.NoError(t, w.cluster("east").Update(t.Context(), hold))

	w.decideFor(0, p, leaving("east"), target("west", 1))
	eventually(t, "the copy on east is deleting", func() error {
		u, err := w.copyOf("east", 0, d)
		if err == nil && u.GetDeletionTimestamp() == nil {
			err = errors.New("not yet")
		}
		return err
	})
	_, err := w.copyOf("west", 0, d)
	require.Error(t, err, "nothing on west while something is on east")
	eventually(t, "let go", func() error {
		u, err := w.copyOf("east", 0, d)
		if err != nil {
			return err
		}
		u.SetFinalizers(nil)
		return w.cluster("east").Update(t.Context(), u)
	})
	w.waitCopy("west", 0, d)
}

// Scenario 19.
func TestStatusIsRightThroughOneTwoAndOneTargets(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 6)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	w.setStatus("east", w.waitCopy("east", 0, d, field("spec.replicas", 6)), ready(6))
	w.waitOriginal(0, d, field("status.readyReplicas", 6), condition("Healthy", "True", "Healthy"))

	w.decide(0, target("east", 2), target("west", 1))
	w.setStatus("east", w.waitCopy("east", 0, d, field("spec.replicas", 4)), ready(4))
	w.setStatus("west", w.waitCopy("west", 0, d, field("spec.replicas", 2)), ready(2))
	w.waitOriginal(0, d, field("status.readyReplicas", 6), field("status.replicas", 6), condition("Healthy", "True", "Healthy"))

	w.decide(0, leaving("east"), target("west", 1))
	w.setStatus("west", w.waitCopy("west", 0, d, field("spec.replicas", 6)), ready(6))
	w.waitNoCopy("east", 0, d)
	w.waitOriginal(0, d, field("status.readyReplicas", 6), condition("Healthy", "True", "Healthy"), func(u *unstructured.Unstructured) error {
		generation, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
		if generation != u.GetGeneration() {
			return errors.New("observedGeneration is behind")
		}
		return nil
	})
}

// Scenario 20.
func TestOverridesApplyPerTargetAndAnInvalidOneChangesNothing(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	p := &v1alpha1.Placement{Spec: v1alpha1.PlacementSpec{Overrides: []v1alpha1.Override{{
		Clusters: &v1alpha1.ClusterSelector{Names: []string{"west"}},
		JSONPatch: []v1alpha1.JSONPatchOperation{{
			Op: "replace", Path: "/spec/template/spec/containers/0/image", Value: &apiextensionsv1.JSON{Raw: []byte(`"mirror.example/app:1"`)},
		}},
	}}}}
	p.Namespace, p.Name = "default", "patched"
	w.decideFor(0, p, target("east", 1), target("west", 1))
	image := func(u *unstructured.Unstructured) string {
		containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
		return containers[0].(map[string]any)["image"].(string)
	}
	require.Equal(t, "registry.example/app:1", image(w.waitCopy("east", 0, d)))
	west := w.waitCopy("west", 0, d)
	require.Equal(t, "mirror.example/app:1", image(west))

	c := w.tenant(0)
	overrideBy := func(operation map[string]any) {
		eventually(t, "change the override", func() error {
			obj := object(placementKind, "default", "patched")
			if err := c.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "patched"}, obj); err != nil {
				return err
			}
			overrides, _, _ := unstructured.NestedSlice(obj.Object, "spec", "overrides")
			overrides[0].(map[string]any)["jsonPatch"] = []any{operation}
			if err := unstructured.SetNestedSlice(obj.Object, overrides, "spec", "overrides"); err != nil {
				return err
			}
			return c.Update(t.Context(), obj)
		})
	}
	overrideBy(map[string]any{"op": "remove", "path": "/spec/nonsense/0"})
	w.waitOriginal(0, d, condition("Synced", "False", "TransformFailed"))
	w.mustStay(time.Second, "west", west)
	now, err := w.copyOf("west", 0, d)
	require.NoError(t, err)
	require.Equal(t, "mirror.example/app:1", image(now), "what was there stays")

	// One that names a field which the kind does not have is told as such, and only
	// a change of it is tried again.
	overrideBy(map[string]any{"op": "add", "path": "/spec/nonsense", "value": "x"})
	w.waitOriginal(0, d, condition("Synced", "False", "SchemaMismatch"), conditionSays("Synced", "west: spec.nonsense: field not declared in schema", "override that its Placement has"))
	w.physical.reset()
	w.mustStay(2*time.Second, "west", west)
	require.Zero(t, w.physical.n.Load(), "it is not tried again and again:\n%s", &w.physical)
	overrideBy(map[string]any{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "mirror.example/app:2"})
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	now, err = w.copyOf("west", 0, d)
	require.NoError(t, err)
	require.Equal(t, "mirror.example/app:2", image(now))
}

// Scenario 12.
func TestLongNamesStayLegalUniqueAndStable(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	long := func(end string) *unstructured.Unstructured {
		d := deployment("n23456789-123456789-123456789-123456789-123456789-123456789-"+end, 1)
		d.SetNamespace("s23456789-123456789-123456789-123456789-123456789-123456789-" + end)
		require.NoError(t, w.tenant(0).Create(t.Context(), object(namespaceKind, "", d.GetNamespace())))
		require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
		p := &v1alpha1.Placement{}
		p.Namespace, p.Name = d.GetNamespace(), "default"
		w.decideFor(0, p, target("east", 1))
		return d
	}
	a := w.waitCopy("east", 0, long("aaa"))
	b := w.waitCopy("east", 0, long("bbb"))
	require.NotEqual(t, a.GetNamespace(), b.GetNamespace())
	require.LessOrEqual(t, len(a.GetNamespace()), 63)
}
