package syncer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestADeletionThatWaitsSaysForWhat(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	finalizers := func(list string) {
		require.NoError(t, w.cluster("east").Patch(t.Context(), copied, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":`+list+`}}`))))
	}
	finalizers(`["example.org/backup"]`)
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitOriginal(0, d, condition("Synced", "False", "Deleting"),
		conditionSays("Synced", "deletion waits for cluster east: its copy is deleting since", "held by example.org/backup"))
	finalizers(`null`)
	w.waitNoOriginal(0, d)
}
