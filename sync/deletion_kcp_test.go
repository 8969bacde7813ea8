package syncer_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kcp-dev/logicalcluster/v3"
	tenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"

	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

func (w *world) annotate(name, key, value string) {
	w.t.Helper()
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, key, value))
	require.NoError(w.t, w.tenant(0).Patch(w.t.Context(), deployment(name, 1), patch))
}

// A copy is left where it is only where the platform allows it and its owner asks
// for it; what can't be understood holds the deletion; the foreground waits.
func TestDeletionDoesWhatWasAskedFor(t *testing.T) {
	w, j := newWorld(t, 1), &journal{}
	w.start(syncer.WithDeletion(syncer.DeletionBackground, syncer.DeletionForeground, syncer.DeletionOrphan), syncer.WithAudit(j))
	stays, waits := deployment("stays", 1), deployment("waits", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), stays.DeepCopy()))
	require.NoError(t, w.tenant(0).Create(t.Context(), waits.DeepCopy()))
	w.decide(0, target("east", 1))
	before := w.waitCopy("east", 0, stays)
	w.waitCopy("east", 0, waits)

	w.annotate("stays", syncer.AnnotationDeletion, "Orphan")
	require.NoError(t, w.tenant(0).Delete(t.Context(), stays.DeepCopy()))
	w.waitNoOriginal(0, stays)
	left, err := w.copyOf("east", 0, stays)
	require.NoError(t, err)
	require.Equal(t, before.GetUID(), left.GetUID())
	require.False(t, transform.HasMarks(left), "%v %v", left.GetLabels(), left.GetAnnotations())
	require.Contains(t, left.GetAnnotations()["tmc-sdk.dev/orphaned-from"], "default/stays")
	w.waitEvent("Orphaned", "nobody's copy")
	j.wait(w, "Deployment", "orphaned OriginalDeleted east")

	w.annotate("waits", syncer.AnnotationDeletion, "Somehow")
	require.NoError(t, w.tenant(0).Delete(t.Context(), waits.DeepCopy()))
	w.waitOriginal(0, waits, condition("Synced", "False", "Deleting"), conditionSays("Synced", "cluster east", `"Somehow"`, "Background, Foreground, Orphan"))
	w.annotate("waits", syncer.AnnotationDeletion, "Foreground")
	eventually(t, "it waits for what it owns", func() error {
		u, err := w.copyOf("east", 0, waits)
		if err != nil || len(u.GetFinalizers()) == 0 {
			return errors.Join(err, errors.New("not deleting in the foreground"))
		}
		require.Equal(t, []string{"foregroundDeletion"}, u.GetFinalizers())
		u.SetFinalizers(nil) // as the garbage collector does when its pods are gone
		return w.cluster("east").Update(t.Context(), u)
	})
	w.waitNoOriginal(0, waits)

	require.NoError(t, w.cluster("east").Delete(t.Context(), left))
}

// A cluster is lost; the original is deleted and let go, then its workspace goes,
// too. When the cluster returns, the copy goes without a word from kcp.
func TestATombstoneOutlivesTheWorkspace(t *testing.T) {
	w := newWorld(t, 1)
	w.spoiled = true
	graves := syncer.NewTombstones(w.cluster("north"), "default", w.id)
	opts := []syncer.Option{syncer.ReleaseLostAfter(time.Second), syncer.WithTombstones(graves)}
	w.start(opts...)
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("west", 1))
	w.waitCopy("west", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	lost := w.server("west")
	require.NoError(t, lost.Stop(t.Context()))
	returned := false
	back := func() {
		if !returned {
			returned = true
			require.NoError(t, lost.Restart(t.Context()))
		}
	}
	defer back()
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
	buried, err := graves.On(t.Context(), "west")
	require.NoError(t, err)
	require.Len(t, buried, 1)
	require.Equal(t, "web", buried[0].Original.Name)
	w.stopLoop()

	parent, err := servers.kcp.Client(logicalcluster.NewPath("root"))
	require.NoError(t, err)
	ws := object(tenancyv1alpha1.SchemeGroupVersion.WithKind("Workspace"), "", w.tenants[0].Path.Base())
	require.NoError(t, parent.Delete(t.Context(), ws))
	eventually(t, "the workspace is gone", func() error {
		err := parent.Get(t.Context(), client.ObjectKeyFromObject(ws), ws)
		if err == nil {
			return errors.New("it is there")
		}
		return client.IgnoreNotFound(err)
	})
	back()
	w.start(opts...)
	w.waitNoCopy("west", 0, d)
	eventually(t, "the tombstone is gone", func() error {
		var list corev1.ConfigMapList
		if err := w.cluster("north").List(t.Context(), &list, client.InNamespace("default"), client.MatchingLabels{"tmc-sdk.dev/tombstone-of": w.id}); err != nil || len(list.Items) == 0 {
			return err
		}
		return fmt.Errorf("%d left", len(list.Items))
	})
}
