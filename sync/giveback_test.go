package syncer_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// Scenario 11: what the cluster decides comes back by choice, and costs no write
// after that.
func TestWhatAClusterDecidesComesBackByChoice(t *testing.T) {
	w := newWorld(t, 1)
	w.rendering = []transform.Option{transform.WithReturned(deploymentKind.GroupKind(), transform.MustPath("spec.progressDeadlineSeconds"))}
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	decided, _, err := unstructured.NestedInt64(copied.Object, "spec", "progressDeadlineSeconds")
	require.NoError(t, err)
	require.NotZero(t, decided, "the cluster has a default")
	w.waitOriginal(0, d, field("spec.progressDeadlineSeconds", decided))
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
}
