package syncer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/transform"
)

func TestWhatIsShownUpstreamHasNothingOfTheClustersMetadata(t *testing.T) {
	source := parse(t, `
apiVersion: v1
kind: Secret
type: Opaque
metadata:
  name: credentials
  namespace: tmc-x
  uid: "1"
  resourceVersion: "7"
  finalizers: [example.org/x]
  ownerReferences: [{kind: Database, name: db}]
  labels: {made-by: operator, tmc-sdk.dev/upsync: me, tmc-sdk.dev/installation: forged, internal.kcp.io/x: "1"}
  annotations: {note: hello, kubectl.kubernetes.io/last-applied-configuration: "{}"}
data: {p: eA==}
`)
	before := source.DeepCopy()
	want := parse(t, `
apiVersion: v1
kind: Secret
type: Opaque
metadata:
  name: credentials
  namespace: default
  labels: {made-by: operator, tmc-sdk.dev/upsync: me}
  annotations: {note: hello, tmc-sdk.dev/source: east/1}
data: {p: eA==}
`)
	s := showing{birthplace: birthplace{"east", "credentials"}, installation: "me", namespace: "default", name: "credentials"}
	got, err := s.of(offspring{Unstructured: source})
	require.NoError(t, err)
	require.NotEmpty(t, digestOf(got))
	strip(got, transform.AnnotationDigest)
	if diff := cmp.Diff(want.Object, got.Object); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before.Object, source.Object); diff != "" {
		t.Errorf("the source was changed (-want +got):\n%s", diff)
	}
	require.True(t, isShown(got))
	require.False(t, isShown(source), "it has no source itself")
	cluster, uid := sourceOf(got)
	require.Equal(t, "east", cluster)
	require.Equal(t, "1", uid)
}
