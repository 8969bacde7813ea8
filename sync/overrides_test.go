package syncer

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
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
		"strategic":     {"lists by their keys", v1alpha1.Override{StrategicMergePatch: raw(`{"spec": {"template": {}}}`)}, ""},
		"replace all":   {"the whole may not be replaced, by a directive either", v1alpha1.Override{StrategicMergePatch: raw(`{"$patch": "replace"}`)}, "as a whole"},
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

// The Placement of docs/transform-without-go.md is one, and its overrides are
// applied as the page says.
func TestTheOverridesOfThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/transform-without-go.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "```yaml placement\n")
	require.True(t, found)
	text, _, _ := strings.Cut(rest, "```")
	p := &v1alpha1.Placement{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), p))
	require.NoError(t, placement.ValidateSpec(&p.Spec))
	require.NoError(t, (*Loop)(nil).ValidateSpec(&p.Spec))

	original := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop},
  spec: {template: {spec: {containers: [{name: web, image: web, env: [{name: A, value: b}]}]}}}}`), &original.Object))
	pipeline, err := transform.NewPipeline("prod")
	require.NoError(t, err)
	for cluster, image := range map[string]string{"west": "mirror.example/web:2", "east": "web"} {
		overrides, err := overridesFor(p, &tmccluster.State{Name: cluster}, original, anyOverride)
		require.NoError(t, err)
		got, err := pipeline.Render(t.Context(), &transform.Target{Cluster: cluster, Overrides: overrides}, original, transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web"})
		require.NoError(t, err)
		spec, _ := got.Object["spec"].(map[string]any)
		require.EqualValues(t, 2, spec["revisionHistoryLimit"])
		containers, _ := transform.PodSpec(got)["containers"].([]any)
		require.Equal(t, []any{map[string]any{"name": "web", "image": image, "env": []any{
			map[string]any{"name": "MODE", "value": "quiet"}, map[string]any{"name": "A", "value": "b"},
		}}}, containers)
	}
}
