package syncer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// Scenario 11: a Secret made downstream comes up by choice.
func TestWhatIsBornOnAClusterIsShownByChoiceAndLeavesWithItsSource(t *testing.T) {
	w := newWorld(t, 1)
	w.start(syncer.Upsync(secretKind))
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	namespace := w.waitCopy("east", 0, d).GetNamespace()

	born := func(name string) *unstructured.Unstructured {
		s := object(secretKind, namespace, name)
		s.SetLabels(map[string]string{"made-by": "operator", syncer.LabelUpsync: w.id})
		s.Object["data"] = map[string]any{"password": "c3dvcmRmaXNo"}
		return s
	}
	taken := object(secretKind, "default", "taken")
	taken.Object["data"] = map[string]any{"mine": "eWVz"}
	require.NoError(t, w.tenant(0).Create(t.Context(), taken.DeepCopy()))
	private := born("private")
	private.SetLabels(nil)
	source := born("credentials")
	for _, s := range []*unstructured.Unstructured{source, private, born("taken")} {
		require.NoError(t, w.cluster("east").Create(t.Context(), s.DeepCopy()))
	}
	shown := object(secretKind, "default", "credentials")
	w.waitOriginal(0, shown, field("data.password", "c3dvcmRmaXNo"), field("metadata.labels.made-by", "operator"))

	patch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"password":"bmV3"}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), source, patch))
	w.waitOriginal(0, shown, field("data.password", "bmV3"))
	require.NoError(t, w.tenant(0).Patch(t.Context(), shown.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"data":{"password":"aGE="}}`))))
	w.waitOriginal(0, shown, field("data.password", "bmV3"))
	require.NoError(t, w.tenant(0).Delete(t.Context(), shown.DeepCopy()))
	w.waitOriginal(0, shown, field("data.password", "bmV3"))

	w.waitOriginal(0, taken, field("data.mine", "eWVz"), field("data.password", nil))
	require.True(t, apierrors.IsNotFound(w.tenant(0).Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "private"}, object(secretKind, "", ""))))

	// It goes with its source, though nobody was there to see that.
	w.stopLoop()
	require.NoError(t, w.cluster("east").Delete(t.Context(), source))
	w.start(syncer.Upsync(secretKind))
	w.waitNoOriginal(0, shown)
	w.waitOriginal(0, taken, field("data.mine", "eWVz"))
}
