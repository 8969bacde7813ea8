package transform_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

func TestOverrides(t *testing.T) {
	for name, tc := range map[string]struct {
		reason    string
		overrides []transform.Override
		path      []string
		want      any
	}{
		"json patch":  {"it applies", []transform.Override{{JSONPatch: []byte(`[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"x"}]`)}}, []string{"spec", "template", "spec", "containers"}, []any{map[string]any{"name": "web", "image": "x"}}},
		"merge patch": {"it applies", []transform.Override{{MergePatch: []byte(`{"spec":{"paused":true}}`)}}, []string{"spec", "paused"}, true},
		"strategic":   {"lists merge by their keys", []transform.Override{{StrategicMergePatch: []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"web","tty":true},{"name":"side","image":"s"}]}}}}`)}}, []string{"spec", "template", "spec", "containers"}, []any{map[string]any{"name": "web", "image": "nginx", "tty": true}, map[string]any{"name": "side", "image": "s"}}},
		"directive":   {"an element may go by its key", []transform.Override{{StrategicMergePatch: []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"web","$patch":"delete"},{"name":"side","image":"s"}]}}}}`)}}, []string{"spec", "template", "spec", "containers"}, []any{map[string]any{"name": "side", "image": "s"}}},
		"in order":    {"the later one wins", []transform.Override{{MergePatch: []byte(`{"spec":{"paused":true}}`)}, {JSONPatch: []byte(`[{"op":"remove","path":"/spec/paused"}]`)}}, []string{"spec", "paused"}, nil},
		"annotation":  {"a tenant's own metadata is its own", []transform.Override{{MergePatch: []byte(`{"metadata":{"annotations":{"a":"b"}}}`)}}, []string{"metadata", "annotations", "a"}, "b"},
		"integers":    {"numbers stay what they were", []transform.Override{{MergePatch: []byte(`{"spec":{"minReadySeconds":9007199254740993}}`)}}, []string{"spec", "minReadySeconds"}, int64(9007199254740993)},
	} {
		t.Run(name, func(t *testing.T) {
			out := render(t, pipeline(t), &transform.Target{Overrides: tc.overrides}, object(t, deployment))
			if diff := cmp.Diff(tc.want, at(out, tc.path...)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// A tenant writes overrides, so what the platform sees to comes after them:
// they were once applied last, and could take away any floor.
func TestThePlatformHasTheLastWordOverOverrides(t *testing.T) {
	floor := change("Floor", func(u *unstructured.Unstructured) {
		unstructured.RemoveNestedField(u.Object, "spec", "template", "spec", "hostNetwork")
	})
	target := &transform.Target{Overrides: []transform.Override{{MergePatch: []byte(`{"spec":{"paused":true,"template":{"spec":{"hostNetwork":true}}}}`)}}}
	out := render(t, pipeline(t, transform.With(floor)), target, object(t, deployment))
	require.Equal(t, true, at(out, "spec", "paused"))
	require.Nil(t, at(out, "spec", "template", "spec", "hostNetwork"))
}

// hostile are patches that a tenant may try. None gets anywhere.
var hostile = map[string]struct {
	reason   string
	override transform.Override
	want     string
}{
	"namespace":          {"another tenant's", transform.Override{MergePatch: []byte(`{"metadata":{"namespace":"kube-system"}}`)}, "metadata.namespace"},
	"name":               {"another's copy", transform.Override{JSONPatch: []byte(`[{"op":"replace","path":"/metadata/name","value":"x"}]`)}, "metadata.name"},
	"marks":              {"another's copy", transform.Override{MergePatch: []byte(`{"metadata":{"labels":{"tmc-sdk.dev/installation":"x"}}}`)}, "tmc-sdk.dev/installation"},
	"marks taken away":   {"a copy that nobody finds", transform.Override{MergePatch: []byte(`{"metadata":{"labels":null}}`)}, "metadata.labels"},
	"mark added":         {"the domain is ours", transform.Override{MergePatch: []byte(`{"metadata":{"annotations":{"tmc-sdk.dev/digest":"x"}}}`)}, "tmc-sdk.dev/digest"},
	"kcp label":          {"the domain is kcp's", transform.Override{MergePatch: []byte(`{"metadata":{"labels":{"kcp.io/x":"x"}}}`)}, "kcp.io/x"},
	"owner":              {"the copy would be collected, or block another's deletion", transform.Override{MergePatch: []byte(`{"metadata":{"ownerReferences":[{"kind":"X"}]}}`)}, "metadata.ownerReferences"},
	"finalizer":          {"the copy could not be deleted", transform.Override{MergePatch: []byte(`{"metadata":{"finalizers":["x/y"]}}`)}, "metadata.finalizers"},
	"kind":               {"of another kind", transform.Override{MergePatch: []byte(`{"kind":"ClusterRole"}`)}, "kind"},
	"kind removed":       {"of no kind", transform.Override{MergePatch: []byte(`{"kind":null}`)}, "kind"},
	"apiVersion":         {"of another kind", transform.Override{MergePatch: []byte(`{"apiVersion":"v1"}`)}, "apiVersion"},
	"status":             {"the cluster's to write", transform.Override{MergePatch: []byte(`{"status":{"replicas":9}}`)}, "status"},
	"metadata removed":   {"nothing is left", transform.Override{MergePatch: []byte(`{"metadata":null}`)}, "metadata"},
	"whole document":     {"nothing is left", transform.Override{JSONPatch: []byte(`[{"op":"replace","path":"","value":[]}]`)}, "overrides"},
	"removed document":   {"nothing is left", transform.Override{JSONPatch: []byte(`[{"op":"remove","path":""}]`)}, "overrides"},
	"no patch":           {"nonsense", transform.Override{}, "neither"},
	"two patches":        {"which first?", transform.Override{JSONPatch: []byte(`[]`), MergePatch: []byte(`{}`)}, "both"},
	"not JSON":           {"nonsense", transform.Override{JSONPatch: []byte(`{`)}, "jsonPatch"},
	"not JSON either":    {"nonsense", transform.Override{MergePatch: []byte(`{`)}, "mergePatch"},
	"a list to merge":    {"nonsense", transform.Override{MergePatch: []byte(`[1]`)}, "overrides"},
	"null to merge":      {"nonsense", transform.Override{MergePatch: []byte(`null`)}, "overrides"},
	"null operations":    {"nonsense", transform.Override{JSONPatch: []byte(`[null]`)}, "jsonPatch"},
	"no such path":       {"a patch that does nothing is told", transform.Override{JSONPatch: []byte(`[{"op":"remove","path":"/spec/nothing"}]`)}, "jsonPatch"},
	"a failed test":      {"it is what test is for", transform.Override{JSONPatch: []byte(`[{"op":"test","path":"/spec/replicas","value":9}]`)}, "jsonPatch"},
	"negative index":     {"nonsense", transform.Override{JSONPatch: []byte(`[{"op":"add","path":"/spec/template/spec/containers/-9","value":1}]`)}, "jsonPatch"},
	"a far index":        {"it would fill the memory", transform.Override{JSONPatch: []byte(`[{"op":"add","path":"/spec/template/spec/containers/999999999","value":1}]`)}, "jsonPatch"},
	"copies that double": {"it would fill the memory", transform.Override{JSONPatch: []byte(`[` + strings.Repeat(`{"op":"copy","from":"/spec","path":"/spec/x"},`, 64) + `{"op":"remove","path":"/x"}]`)}, "jsonPatch"},
	"huge":               {"it would fill the memory", transform.Override{MergePatch: []byte(`{"spec":{"x":"` + strings.Repeat("x", 3<<20) + `"}}`)}, "larger than"},
	"many operations":    {"it would fill the time", transform.Override{JSONPatch: []byte(`[` + strings.Repeat(`{"op":"test","path":"/kind","value":"Deployment"},`, 20000) + `{"op":"remove","path":"/x"}]`)}, "operations"},
	"strategic name":     {"another's copy", transform.Override{StrategicMergePatch: []byte(`{"metadata":{"name":"x"}}`)}, "metadata.name"},
	"strategic marks":    {"a copy that nobody finds", transform.Override{StrategicMergePatch: []byte(`{"metadata":{"labels":{"$patch":"replace","a":"b"}}}`)}, "metadata.labels"},
	"strategic whole":    {"nothing is left", transform.Override{StrategicMergePatch: []byte(`{"$patch":"replace","spec":{}}`)}, "overrides"},
	"strategic deletes":  {"nothing is left", transform.Override{StrategicMergePatch: []byte(`{"$patch":"delete"}`)}, "overrides"},
	"strategic nonsense": {"the library would panic", transform.Override{StrategicMergePatch: []byte(`{"spec":{"template":{"spec":{"containers":[{"name":{"a":1}},{"name":[1]}]}}}}`)}, "makes no sense"},
	"deep":               {"it would overflow the stack", transform.Override{MergePatch: []byte(strings.Repeat(`{"a":`, 20000) + `1` + strings.Repeat(`}`, 20000))}, "overrides"},
}

func TestHostileOverrides(t *testing.T) {
	for name, tc := range hostile {
		t.Run(name, func(t *testing.T) {
			original := object(t, deployment)
			out, err := pipeline(t).Render(t.Context(), &transform.Target{Overrides: []transform.Override{tc.override}}, original, originOf(original))
			require.Error(t, err, tc.reason)
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.Nil(t, out)
			require.Less(t, len(err.Error()), 2000, "an error is read by people")
		})
	}
}

func TestStrategicMergeNeedsAKnownKind(t *testing.T) {
	original := object(t, `{apiVersion: db.example/v1, kind: Cluster, metadata: {name: c, namespace: shop}, spec: {}}`)
	_, err := pipeline(t).Render(t.Context(), &transform.Target{Overrides: []transform.Override{{StrategicMergePatch: []byte(`{"spec":{"a":1}}`)}}}, original, originOf(original))
	require.ErrorContains(t, err, "use mergePatch or jsonPatch", "the owner is told what to do")
}

func FuzzOverrides(f *testing.F) {
	for _, tc := range hostile {
		if len(tc.override.JSONPatch)+len(tc.override.MergePatch) < 4096 {
			f.Add(tc.override.JSONPatch, tc.override.MergePatch, tc.override.StrategicMergePatch)
		}
	}
	f.Fuzz(func(t *testing.T, jsonPatch, mergePatch, strategic []byte) {
		override := transform.Override{}
		switch {
		case len(jsonPatch) > 0:
			override.JSONPatch = jsonPatch
		case len(mergePatch) > 0:
			override.MergePatch = mergePatch
		default:
			override.StrategicMergePatch = strategic
		}
		original := object(t, deployment)
		origin := originOf(original)
		p := pipeline(t)
		out, err := p.Render(t.Context(), &transform.Target{Overrides: []transform.Override{override}}, original, origin)
		if err != nil {
			return
		}
		namespace, name := p.Locate(original.GroupVersionKind(), origin)
		marks, ok := transform.ReadMarks(out)
		if out.GetNamespace() != namespace || out.GetName() != name || !ok || marks != (transform.Marks{Installation: "prod", Origin: origin}) || out.GroupVersionKind() != original.GroupVersionKind() {
			t.Fatalf("%+v became of it", out.Object)
		}
	})
}
