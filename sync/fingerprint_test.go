package syncer

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/transform"
)

// What is not in the fingerprint of a sight must not matter to the status.
func TestTheFingerprintOfASightTellsApartWhatMatters(t *testing.T) {
	obj := func(uid, version string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		u.SetUID(types.UID(uid))
		u.SetResourceVersion(version)
		return u
	}
	type sight struct {
		original *unstructured.Unstructured
		seen     sighting
	}
	with := func(o ...transform.Observed) sight { return sight{obj("o", "1"), sighting{copies: o}} }
	refused := func(r RefusalError) sight { return sight{obj("o", "1"), sighting{refusals: []*RefusalError{&r}}} }
	sights := map[string]sight{
		"nothing":           with(),
		"another version":   {obj("o", "2"), sighting{}},
		"no copy":           with(transform.Observed{Cluster: "east"}),
		"a copy":            with(transform.Observed{Cluster: "east", Copy: obj("c", "7")}),
		"elsewhere":         with(transform.Observed{Cluster: "west", Copy: obj("c", "7")}),
		"changed":           with(transform.Observed{Cluster: "east", Copy: obj("c", "8")}),
		"replaced":          with(transform.Observed{Cluster: "east", Copy: obj("d", "7")}),
		"behind":            with(transform.Observed{Cluster: "east", Copy: obj("c", "7"), Behind: true}),
		"a share":           with(transform.Observed{Cluster: "east", Copy: obj("c", "7"), Replicas: new(int32(1))}),
		"another share":     with(transform.Observed{Cluster: "east", Copy: obj("c", "7"), Replicas: new(int32(2))}),
		"a refusal":         refused(RefusalError{Reason: "A", Cluster: "east", Message: "m"}),
		"another reason":    refused(RefusalError{Reason: "B", Cluster: "east", Message: "m"}),
		"another message":   refused(RefusalError{Reason: "A", Cluster: "east", Message: "n"}),
		"refused elsewhere": refused(RefusalError{Reason: "A", Cluster: "west", Message: "m"}),
	}
	seen := map[uint64]string{}
	for name, s := range sights {
		f := fingerprintOf(s.seen.sight(s.original), s.original)
		require.Equal(t, f, fingerprintOf(s.seen.sight(s.original), s.original))
		require.NotZero(t, f, "zero is for what was never settled")
		require.Empty(t, seen[f], "%q looks like %q", name, seen[f])
		seen[f] = name
	}
}
