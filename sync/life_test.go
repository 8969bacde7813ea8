package syncer_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// Scenario 1, and law 6: the writes are counted.
func TestAnObjectGoesDownItsStatusComesUpAndItsDeletionEndsClean(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 3)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))

	copied := w.waitCopy("east", 0, d, field("spec.replicas", 3))
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"), condition("Healthy", "False", "Progressing"))
	require.EqualValues(t, 2, w.upstream.n.Load(), "one finalizer and one status:\n%s", &w.upstream)
	require.EqualValues(t, 2, w.physical.n.Load(), "one namespace and one copy:\n%s", &w.physical)

	w.setStatus("east", copied, ready(3))
	w.waitOriginal(0, d, field("status.readyReplicas", 3), condition("Healthy", "True", "Healthy"))
	require.EqualValues(t, 3, w.upstream.n.Load(), "one write per change of status:\n%s", &w.upstream)

	current := w.waitOriginal(0, d)
	require.NoError(t, unstructured.SetNestedField(current.Object, int64(5), "spec", "replicas"))
	require.NoError(t, w.tenant(0).Update(t.Context(), current))
	w.waitCopy("east", 0, d, field("spec.replicas", 5))

	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoCopy("east", 0, d)
	w.waitNoOriginal(0, d)
}

// Scenario 2.
func TestACopyDeletedByHandComesBackWithItsMarks(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	first := w.waitCopy("east", 0, d)

	require.NoError(t, w.cluster("east").Delete(t.Context(), first.DeepCopy()))
	w.waitCopy("east", 0, d, func(u *unstructured.Unstructured) error {
		if u.GetUID() == first.GetUID() {
			return errors.New("still the first")
		}
		marks, ok := transform.ReadMarks(u)
		if !ok || marks.Installation != w.id || marks.LogicalCluster != string(w.tenants[0].Cluster) || marks.Name != "web" {
			return fmt.Errorf("marks are %+v", marks)
		}
		return nil
	})
}

// Scenario 3.
func TestTheSameNameInTwoWorkspacesGivesTwoCopies(t *testing.T) {
	w := newWorld(t, 2)
	w.start()
	for i, replicas := range []int64{2, 7} {
		require.NoError(t, w.tenant(i).Create(t.Context(), deployment("web", replicas)))
		w.decide(i, target("east", 1))
	}
	d := deployment("web", 0)
	w.waitCopy("east", 0, d, field("spec.replicas", 2))
	w.waitCopy("east", 1, d, field("spec.replicas", 7))

	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
	w.waitNoCopy("east", 0, d)
	w.waitCopy("east", 1, d, field("spec.replicas", 7))
}

// Scenario 4.
func TestWhatIsNotOursIsNotTouchedUnlessAdopted(t *testing.T) {
	w := newWorld(t, 1)
	d := deployment("web", 3)
	key := w.copyKey(0, d)
	// Another deployment makes the namespace ours; the foreign object comes next.
	w.start()
	require.NoError(t, w.tenant(0).Create(t.Context(), deployment("other", 1)))
	w.decide(0, target("east", 1))
	w.waitCopy("east", 0, deployment("other", 1))
	foreign := deployment("web", 1)
	foreign.SetNamespace(key.Namespace)
	require.NoError(t, w.cluster("east").Create(t.Context(), foreign))

	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.waitOriginal(0, d, condition("Synced", "False", "Conflict"))
	there, err := w.copyOf("east", 0, d)
	require.NoError(t, err)
	require.Equal(t, foreign.GetResourceVersion(), there.GetResourceVersion(), "nothing was written")

	original := w.waitOriginal(0, d)
	original.SetAnnotations(map[string]string{"tmc-sdk.dev/adopt": "west, east"})
	require.NoError(t, w.tenant(0).Update(t.Context(), original))
	w.waitCopy("east", 0, d, field("spec.replicas", 3), func(u *unstructured.Unstructured) error {
		if u.GetUID() != foreign.GetUID() {
			return errors.New("made anew instead of adopted")
		}
		return nil
	})
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
}

// Scenario 4, for namespaces.
func TestANamespaceThatIsNotOursIsAConflict(t *testing.T) {
	w := newWorld(t, 1)
	d := deployment("web", 3)
	ns := object(namespaceKind, "", w.copyKey(0, d).Namespace)
	require.NoError(t, w.cluster("east").Create(t.Context(), ns))
	w.start()
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	w.waitOriginal(0, d, condition("Synced", "False", "Conflict"))
	_, err := w.copyOf("east", 0, d)
	require.True(t, apierrors.IsNotFound(err))

	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
	require.NoError(t, w.cluster("east").Get(t.Context(), client.ObjectKeyFromObject(ns), ns))
	require.Nil(t, ns.GetDeletionTimestamp(), "a namespace that is not ours stays")
}

// Scenario 5.
func TestTheFinalizerComesFirstAndLeavesLast(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1), target("west", 1))
	east := w.waitCopy("east", 0, d)
	w.waitCopy("west", 0, d)
	require.Contains(t, w.waitOriginal(0, d).GetFinalizers(), "tmc-sdk.dev/copies-"+w.id)

	// Somebody holds the copy on east.
	hold := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.org/hold"]}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), east, hold))
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoCopy("west", 0, d)
	eventually(t, "copy on east is deleting", func() error {
		u, err := w.copyOf("east", 0, d)
		if err == nil && u.GetDeletionTimestamp() == nil {
			err = errors.New("not yet")
		}
		return err
	})
	require.Contains(t, w.waitOriginal(0, d).GetFinalizers(), "tmc-sdk.dev/copies-"+w.id, "a copy is left")

	free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), east, free))
	w.waitNoOriginal(0, d)
}

// Scenario 6: the downstream namespace goes when it is empty and ours.
func TestAnEmptyNamespaceGoesAndOneWithOthersObjectsStays(t *testing.T) {
	w := newWorld(t, 2)
	w.start(syncer.TidyAfter(100 * time.Millisecond))
	d := deployment("web", 1)
	for i := range w.tenants {
		require.NoError(t, w.tenant(i).Create(t.Context(), d.DeepCopy()))
		w.decide(i, target("east", 1))
		w.waitCopy("east", i, d)
	}
	theirs := configMap("made-on-the-cluster", "x")
	theirs.SetNamespace(w.copyKey(1, d).Namespace)
	require.NoError(t, w.cluster("east").Create(t.Context(), theirs))
	for i := range w.tenants {
		require.NoError(t, w.tenant(i).Delete(t.Context(), d.DeepCopy()))
		w.waitNoOriginal(i, d)
	}
	// Without a namespace controller a deleted namespace stays Terminating.
	eventually(t, "namespace of tenant 0 is deleted", func() error {
		ns := object(namespaceKind, "", w.copyKey(0, d).Namespace)
		err := w.cluster("east").Get(t.Context(), client.ObjectKeyFromObject(ns), ns)
		if err == nil && ns.GetDeletionTimestamp() == nil {
			return errors.New("not deleting")
		}
		return client.IgnoreNotFound(err)
	})
	ns := object(namespaceKind, "", theirs.GetNamespace())
	require.NoError(t, w.cluster("east").Get(t.Context(), client.ObjectKeyFromObject(ns), ns))
	require.Nil(t, ns.GetDeletionTimestamp(), "somebody's object is in it")
}

// Scenario 6: a namespace that its owner deletes stays until what is in it has
// left the clusters.
func TestANamespaceAboveWaitsForItsObjects(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	ns := object(namespaceKind, "", "going")
	require.NoError(t, w.tenant(0).Create(t.Context(), ns.DeepCopy()))
	d := deployment("web", 1)
	d.SetNamespace("going")
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	p := &v1alpha1.Placement{}
	p.Namespace, p.Name = "going", "default"
	w.decideFor(0, p, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	hold := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.org/hold"]}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), copied, hold))

	require.NoError(t, w.tenant(0).Delete(t.Context(), ns.DeepCopy()))
	going := func(u *unstructured.Unstructured) error {
		if u.GetDeletionTimestamp() == nil {
			return errors.New("not deleting")
		}
		return nil
	}
	w.waitCopy("east", 0, d, going)
	w.waitOriginal(0, d, going, conditionSays("Synced", "east"))
	w.waitOriginal(0, ns, going)

	free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), copied, free))
	w.waitNoOriginal(0, d)
	w.waitNoOriginal(0, ns)
}

// Scenario 7.
func TestClusterScopedObjectsSyncReportAndGo(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	f := object(fieldKind, "", "meadow")
	f.Object["spec"] = map[string]any{"size": int64(3)}
	require.NoError(t, w.tenant(0).Create(t.Context(), f.DeepCopy()))
	p := &v1alpha1.Placement{}
	p.Name = "default"
	w.decideFor(0, p, target("east", 1))
	copied := w.waitCopy("east", 0, f, field("spec.size", 3))
	require.NotEqual(t, "meadow", copied.GetName(), "two workspaces may use one name")
	w.setStatus("east", copied, map[string]any{"harvest": "good"})
	w.waitOriginal(0, f, field("status.harvest", "good"))

	require.NoError(t, w.tenant(0).Delete(t.Context(), f.DeepCopy()))
	w.waitNoOriginal(0, f)
	w.waitNoCopy("east", 0, f)
}

// Scenario 8, laws 5 and 6.
func TestOthersFieldsSurviveDriftIsRepairedAndWhatWeStopRenderingGoes(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 2)
	d.SetLabels(map[string]string{"team": "blue", "stage": "test"})
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d, field("metadata.labels.team", "blue"))

	theirs := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"webhook":"was-here"}},"spec":{"revisionHistoryLimit":3}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), copied, theirs))
	drift := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"stage":null}},"spec":{"replicas":9}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), copied, drift))
	w.waitCopy("east", 0, d, field("spec.replicas", 2), field("metadata.labels.stage", "test"),
		field("spec.revisionHistoryLimit", 3), field("metadata.annotations.webhook", "was-here"))

	original := w.waitOriginal(0, d)
	original.SetLabels(map[string]string{"team": "blue"})
	require.NoError(t, w.tenant(0).Update(t.Context(), original))
	w.waitCopy("east", 0, d, field("metadata.labels.stage", nil), field("spec.revisionHistoryLimit", 3), field("metadata.annotations.webhook", "was-here"))
}

// Scenario 9.
func TestARecreatedOriginalGetsACopyOfItsOwn(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	first := w.waitCopy("east", 0, d)

	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	eventually(t, "recreate", func() error { return w.tenant(0).Create(t.Context(), deployment("web", 4)) })
	second := w.waitOriginal(0, d)
	w.waitCopy("east", 0, d, field("spec.replicas", 4), func(u *unstructured.Unstructured) error {
		marks, _ := transform.ReadMarks(u)
		if u.GetUID() == first.GetUID() || marks.UID != second.GetUID() {
			return fmt.Errorf("copy of %s", marks.UID)
		}
		return nil
	})
}

// Scenario 10.
func TestWhatADeploymentMentionsGoesWhereItGoes(t *testing.T) {
	w := newWorld(t, 1)
	options := syncer.Related(accountKind, claimKind)
	w.start(options)
	mentioned, other := configMap("settings", "1"), configMap("unmentioned", "2")
	login, account := object(secretKind, "default", "login"), object(accountKind, "default", "runner")
	account.Object["imagePullSecrets"] = []any{map[string]any{"name": "login"}}
	volume := object(claimKind, "default", "data")
	volume.Object["spec"] = map[string]any{
		"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}},
	}
	for _, obj := range []*unstructured.Unstructured{mentioned, other, login, account, volume} {
		require.NoError(t, w.tenant(0).Create(t.Context(), obj.DeepCopy()))
	}
	d, second := mentioning(deployment("web", 1), "settings"), mentioning(deployment("worker", 1), "settings")
	pod := d.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	pod["serviceAccountName"] = "runner"
	pod["volumes"] = append(pod["volumes"].([]any), map[string]any{"name": "data", "persistentVolumeClaim": map[string]any{"claimName": "data"}})
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	require.NoError(t, w.tenant(0).Create(t.Context(), second.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	w.waitCopy("east", 0, mentioned, field("data.key", "1"))
	w.waitCopy("east", 0, account)
	w.waitCopy("east", 0, login) // which the account mentions, and no workload

	// What became of a claim is told where the workspace keeps it.
	w.waitOriginal(0, volume, field("status.phase", "Pending"), condition("Synced", "True", "Synced"))
	w.setStatus("east", w.waitCopy("east", 0, volume), map[string]any{
		"phase": "Bound", "capacity": map[string]any{"storage": "1Gi"}, "accessModes": []any{"ReadWriteOnce"},
	})
	w.waitOriginal(0, volume, field("status.phase", "Bound"), field("status.capacity.storage", "1Gi"), condition("Healthy", "True", "Healthy"))

	w.stopLoop()
	w.upstream.reset()
	w.physical.reset()
	w.start(options)

	w.setStatus("east", copied, ready(1))
	w.setStatus("east", w.waitCopy("east", 0, second), ready(1))
	w.waitOriginal(0, d, field("status.readyReplicas", 1))
	require.NotContains(t, w.physical.String(), "DELETE", "a restart proves nothing")
	w.decide(0, target("west", 1), leaving("east"))
	w.waitCopy("west", 0, mentioned, field("data.key", "1"))
	w.waitCopy("west", 0, login)
	for _, each := range []*unstructured.Unstructured{d, second} {
		w.setStatus("west", w.waitCopy("west", 0, each), ready(1))
		w.waitNoCopy("east", 0, each)
	}
	w.decide(0, target("west", 1))
	for _, each := range []*unstructured.Unstructured{mentioned, account, login} {
		w.waitNoCopy("east", 0, each)
	}
	w.releaseClaim("east", volume)

	// Of two who mention it one goes, and then the other.
	kept := w.waitCopy("west", 0, mentioned).GetUID()
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoCopy("west", 0, d)
	w.waitNoCopy("west", 0, account)
	w.waitNoCopy("west", 0, login)
	w.releaseClaim("west", volume)
	w.waitOriginal(0, volume, condition("Synced", "False", "Unmentioned"), condition("Healthy", "Unknown", "Unknown"))
	require.Equal(t, kept, w.waitCopy("west", 0, mentioned).GetUID(), "the other needs it")
	require.NoError(t, w.tenant(0).Delete(t.Context(), second.DeepCopy()))
	w.waitNoCopy("west", 0, second)
	w.waitNoCopy("west", 0, mentioned)
	for _, each := range []*unstructured.Unstructured{mentioned, account, login, volume} {
		w.waitOriginal(0, each, func(u *unstructured.Unstructured) error {
			if len(u.GetFinalizers()) > 0 {
				return fmt.Errorf("finalizers %v", u.GetFinalizers())
			}
			return nil
		})
	}
	for _, name := range []string{"east", "west"} {
		_, err := w.copyOf(name, 0, other)
		require.True(t, apierrors.IsNotFound(err), "an unmentioned object never goes")
	}
}

// releaseClaim plays the controller that keeps a claim from going while a pod mounts it.
func (w *world) releaseClaim(cluster string, volume *unstructured.Unstructured) {
	w.t.Helper()
	eventually(w.t, "claim leaves "+cluster, func() error {
		u, err := w.copyOf(cluster, 0, volume)
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		case u.GetDeletionTimestamp() == nil:
			return errors.New("it is not deleted")
		}
		return client.IgnoreNotFound(w.cluster(cluster).Patch(w.t.Context(), u, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
	})
	w.waitNoCopy(cluster, 0, volume)
}
