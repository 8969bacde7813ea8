package syncer

import (
	"testing"

	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// The first half of scenario 20: what no object could make sense of is refused
// when it is written.
func TestOverridesAreValidatedWhenWritten(t *testing.T) {
	raw := func(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }
	operation := func(op, path, value string) v1alpha1.Override {
		o := v1alpha1.JSONPatchOperation{Op: op, Path: path}
		if value != "" {
			o.Value = raw(value)
		}
		return v1alpha1.Override{JSONPatch: []v1alpha1.JSONPatchOperation{o}}
	}
	for name, tc := range map[string]struct {
		reason   string
		override v1alpha1.Override
		want     string // empty: it is valid
	}{
		"operation":     {"a field of the spec", operation("replace", "/spec/replicas", "3"), ""},
		"merge":         {"a field of the spec", v1alpha1.Override{MergePatch: raw(`{"spec": {"paused": true}}`)}, ""},
		"identity":      {"no patch renames a copy", operation("replace", "/metadata/name", `"x"`), "of metadata, labels and annotations alone"},
		"status":        {"status comes up and never goes down", v1alpha1.Override{MergePatch: raw(`{"status": {}}`)}, "status may not be changed"},
		"no patch":      {"nothing is asked for", v1alpha1.Override{}, "exactly one"},
		"two patches":   {"which is meant?", v1alpha1.Override{MergePatch: raw(`{}`), JSONPatch: operation("remove", "/spec/x", "").JSONPatch}, "exactly one"},
		"no operation":  {"a slip", operation("invent", "/spec/x", ""), "spec.overrides[0]"},
		"no such path":  {"a pointer begins with a slash", operation("remove", "spec", ""), "not that of a field"},
		"no merge":      {"a patch is an object", v1alpha1.Override{MergePatch: raw(`[1]`)}, "mergePatch"},
		"whole object":  {"the whole may not be replaced", operation("replace", "", `{}`), "not that of a field"},
		"missing value": {"add needs one", operation("add", "/spec/x", ""), "value"},
	} {
		t.Run(name, func(t *testing.T) {
			err := (*Loop)(nil).ValidateSpec(&v1alpha1.PlacementSpec{Overrides: []v1alpha1.Override{tc.override}})
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}
