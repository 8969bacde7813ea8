package syncer

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The write that takes a finalizer off may come late: until the object is of
// another version, no copy may be made on the strength of that finalizer.
func TestAFinalizerThatMayBeComingOffHoldsNothing(t *testing.T) {
	l := &Loop{finalizer: "tmc-sdk.dev/test", records: map[Key]*record{}}
	key := Key{Namespace: "default", Name: "settings"}
	original := &unstructured.Unstructured{Object: map[string]any{}}
	original.SetUID("1")
	original.SetResourceVersion("7")
	original.SetFinalizers([]string{l.finalizer})
	require.True(t, l.held(key, original))

	l.remember(key, record{uid: "1", releasing: "7"})
	require.False(t, l.held(key, original))
	require.True(t, l.releasing(key, original), "it is tried again")

	original.SetResourceVersion("8")
	require.True(t, l.held(key, original), "the late write is for a version that is no more")
	require.False(t, l.releasing(key, original))
}
