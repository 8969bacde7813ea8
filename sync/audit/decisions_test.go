package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/sync/audit"
)

func TestDecisionsAndRefusalsAreRecorded(t *testing.T) {
	before := []v1alpha1.Target{{Cluster: "eu-1", Leaving: true}}
	after := []v1alpha1.Target{{Cluster: "us-1", Share: new(int64(3))}}
	for name, c := range map[string]struct {
		decided       placementcontroller.Decided
		verb, message string
		path          string
	}{
		"a decision": {
			placementcontroller.Decided{Workspace: "ws", Placement: types.NamespacedName{Namespace: "default", Name: "web"}, Before: before, After: after, Placed: true, Reason: "Placed"},
			audit.VerbDecide, "us-1:3, was -eu-1", "/apis/placement.tmc-sdk.dev/v1alpha1/namespaces/default/placements/web",
		},
		"a refusal": {
			placementcontroller.Decided{Workspace: "ws", Placement: types.NamespacedName{Name: "rules"}, Reason: "NoClusterFits", Message: "none has a gpu"},
			audit.VerbRefuse, "nowhere, was nowhere: none has a gpu", "/apis/placement.tmc-sdk.dev/v1alpha1/clusterplacements/rules",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			log := open(t, dir, "a")
			log.Decided(t.Context(), c.decided)
			require.NoError(t, log.Close())
			var got *audit.Event
			for ev := range events(t, files(t, dir)[0]) {
				got = ev
			}
			require.Equal(t, c.verb, got.Verb)
			require.Equal(t, c.message, got.ResponseStatus.Message)
			require.Equal(t, c.path, got.RequestURI)
			require.Equal(t, c.decided.Reason, got.Annotations[audit.AnnotationCause])
		})
	}
}
