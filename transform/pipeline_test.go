package transform_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

func TestNewPipelineRefuses(t *testing.T) {
	noop := change("Noop", func(*unstructured.Unstructured) {})
	for name, tc := range map[string]struct {
		reason, installation string
		opts                 []transform.Option
		want                 string
	}{
		"no installation": {reason: "copies without an owner cannot be proven ours", want: "installation"},
		"no DNS label":    {reason: "the id is a label value", installation: "Prod!", want: "installation"},
		"two of a name":   {reason: "an error names its transformer", installation: "prod", opts: []transform.Option{transform.With(noop, noop)}, want: `"Noop"`},
		"reserved label of namespaces": {
			reason: "marks are the pipeline's", installation: "prod", want: "tmc-sdk.dev/installation",
			opts: []transform.Option{transform.WithNamespaceLabels(map[string]string{transform.LabelInstallation: "other"})},
		},
		"bad label of namespaces": {
			reason: "no namespace could be made", installation: "prod", want: "level",
			opts: []transform.Option{transform.WithNamespaceLabels(map[string]string{"level": "no such value!"})},
		},
		"nil transformer": {reason: "better now than at the first object", installation: "prod", opts: []transform.Option{transform.With(nil)}, want: "nil"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := transform.NewPipeline(tc.installation, tc.opts...)
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

func TestRenderKeepsIdentity(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		modify func(*unstructured.Unstructured)
		field  string
	}{
		"apiVersion":      {"another kind than was mapped", with("v1", "apiVersion"), "apiVersion"},
		"kind":            {"another kind than was mapped", with("Secret", "kind"), "kind"},
		"kind is none":    {"a map is no kind", with(map[string]any{}, "kind"), "kind"},
		"namespace":       {"another tenant's namespace", with("other", "metadata", "namespace"), "metadata.namespace"},
		"name":            {"another's copy", with("other", "metadata", "name"), "metadata.name"},
		"no metadata":     {"nothing is left of it", with(nil, "metadata"), "metadata"},
		"metadata a word": {"nothing is left of it", with("x", "metadata"), "metadata"},
		"installation":    {"ours would become another's", with("x", "metadata", "labels", transform.LabelInstallation), "metadata.labels[tmc-sdk.dev/installation]"},
		"logical cluster": {"one tenant's would become another's", with("x", "metadata", "labels", transform.LabelLogicalCluster), "metadata.labels[tmc-sdk.dev/logical-cluster]"},
		"labels dropped":  {"a copy without marks is lost", with(nil, "metadata", "labels"), "metadata.labels[tmc-sdk.dev/installation]"},
		"labels a word":   {"a copy without marks is lost", with("x", "metadata", "labels"), "metadata.labels"},
		"label a number":  {"the server would refuse it", with(int64(1), "metadata", "labels", "n"), "metadata.labels[n]"},
		"original ns":     {"it is how originals are found", with("x", "metadata", "annotations", transform.AnnotationNamespace), "metadata.annotations[tmc-sdk.dev/original-namespace]"},
		"original name":   {"it is how originals are found", with("x", "metadata", "annotations", transform.AnnotationName), "metadata.annotations[tmc-sdk.dev/original-name]"},
		"original uid":    {"it is how a new original is told from an old one", with("x", "metadata", "annotations", transform.AnnotationUID), "metadata.annotations[tmc-sdk.dev/original-uid]"},
		"marks version":   {"marks of no version are not read", with("x", "metadata", "annotations", transform.AnnotationMarks), "metadata.annotations[tmc-sdk.dev/marks]"},
		"digest":          {"the loop writes it, after us", with("x", "metadata", "annotations", transform.AnnotationDigest), "metadata.annotations[tmc-sdk.dev/digest]"},
		"our label":       {"the domain is ours", with("x", "metadata", "labels", "tmc-sdk.dev/new"), "metadata.labels[tmc-sdk.dev/new]"},
		"a kcp label":     {"the domain is kcp's", with("x", "metadata", "labels", "internal.apis.kcp.io/export"), "metadata.labels[internal.apis.kcp.io/export]"},
		"finalizers":      {"nobody would take them off", with([]any{"x/y"}, "metadata", "finalizers"), "metadata.finalizers"},
		"ownerReferences": {"the owner is elsewhere; the copy would be collected", with([]any{}, "metadata", "ownerReferences"), "metadata.ownerReferences"},
		"uid":             {"the server's to write", with("x", "metadata", "uid"), "metadata.uid"},
		"resourceVersion": {"the server's to write", with("1", "metadata", "resourceVersion"), "metadata.resourceVersion"},
		"managedFields":   {"the server's to write", with([]any{}, "metadata", "managedFields"), "metadata.managedFields"},
		"generateName":    {"a copy has its name", with("x-", "metadata", "generateName"), "metadata.generateName"},
		"status":          {"the cluster's to write", with(map[string]any{}, "status"), "status"},
	} {
		t.Run(name, func(t *testing.T) {
			original := object(t, deployment)
			_, err := pipeline(t, transform.With(change("Bad", tc.modify))).Render(t.Context(), &transform.Target{}, original, originOf(original))
			var broken *transform.IdentityError
			require.ErrorAs(t, err, &broken, tc.reason)
			require.Equal(t, "Bad", broken.Transformer, tc.reason)
			require.Equal(t, tc.field, broken.Field, tc.reason)
			require.Contains(t, err.Error(), tc.field)
		})
	}
}

func TestRenderFailures(t *testing.T) {
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		reason string
		step   transform.Transformer
		want   string
	}{
		"error":    {"it is told to the owner", transform.Func("Bad", func(context.Context, *transform.Target, *unstructured.Unstructured) error { return boom }), "transformer Bad: boom"},
		"panic":    {"one bad object harms no other", change("Bad", func(*unstructured.Unstructured) { panic("boom") }), "transformer Bad: panicked: boom"},
		"no JSON":  {"it would panic in whoever copies it next", change("Bad", with(make(chan int), "spec", "x")), "transformer Bad: a chan int is no JSON value"},
		"nil maps": {"an author's wrong assertion", change("Bad", func(o *unstructured.Unstructured) { o.Object["spec"].(map[string]any)["x"].(map[string]any)["y"] = 1 }), "transformer Bad: panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			original := object(t, deployment)
			_, err := pipeline(t, transform.With(tc.step)).Render(t.Context(), &transform.Target{}, original, originOf(original))
			var failed *transform.Error
			require.ErrorAs(t, err, &failed, tc.reason)
			require.ErrorContains(t, err, tc.want, tc.reason)
			if name == "error" {
				require.ErrorIs(t, err, boom)
			}
		})
	}
}

// Numbers and lists of Go, which authors write, become those of JSON.
func TestRenderNormalises(t *testing.T) {
	out := render(t, pipeline(t, transform.With(
		change("Go", func(o *unstructured.Unstructured) {
			with(3, "spec", "minReadySeconds")(o)
			with([]string{"a"}, "spec", "list")(o)
			with(map[string]string{"a": "b"}, "spec", "map")(o)
			with([]map[string]any{{"n": int32(1)}}, "spec", "maps")(o)
			with(float32(0.5), "spec", "half")(o)
		}),
	)), &transform.Target{}, object(t, deployment))
	want := map[string]any{
		"minReadySeconds": int64(3), "list": []any{"a"}, "map": map[string]any{"a": "b"},
		"maps": []any{map[string]any{"n": int64(1)}}, "half": 0.5,
	}
	got := map[string]any{}
	for field := range want {
		got[field] = at(out, "spec", field)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.DeepCopy() // panics on anything else
}

func TestRenderChangesNothingThatItIsGiven(t *testing.T) {
	original := object(t, deployment, with("x", "metadata", "labels", "kcp.io/x"))
	before := original.DeepCopy()
	two := int32(2)
	target := &transform.Target{Cluster: "c", Replicas: &two, Overrides: []transform.Override{{MergePatch: []byte(`{"spec":{"paused":true}}`)}}}
	out := render(t, pipeline(t, transform.With(change("Label", func(o *unstructured.Unstructured) {
		with("y", "spec", "template", "metadata", "labels", "app")(o)
		with("v", "metadata", "labels", "k")(o)
	}))), target, original)
	out.Object["spec"].(map[string]any)["template"] = "gone"
	if diff := cmp.Diff(before, original); diff != "" {
		t.Errorf("the original changed (-want +got):\n%s", diff)
	}
	require.Empty(t, target.Origin, "the target changed")
}

func TestRenderRefusesMalformedOriginals(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		modify func(*unstructured.Unstructured)
	}{
		"labels a list":  {"marks would be lost", with([]any{}, "metadata", "labels")},
		"a label a list": {"marks would be lost", with([]any{}, "metadata", "labels", "x")},
		"no JSON":        {"it must not panic", with(struct{}{}, "spec")},
	} {
		t.Run(name, func(t *testing.T) {
			original := object(t, deployment)
			origin := originOf(original)
			tc.modify(original)
			_, err := pipeline(t).Render(t.Context(), &transform.Target{}, original, origin)
			require.ErrorContains(t, err, "the original is malformed", tc.reason)
		})
	}
}

func TestReplicas(t *testing.T) {
	two := int32(2)
	crd := schema.GroupKind{Group: "db.example", Kind: "Cluster"}
	for name, tc := range map[string]struct {
		reason string
		obj    string
		opts   []transform.Option
		want   any
	}{
		"Deployment":         {"its share", "{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 4}}", nil, int64(2)},
		"StatefulSet":        {"its share", "{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 4}}", nil, int64(2)},
		"ReplicaSet":         {"its share", "{apiVersion: apps/v1, kind: ReplicaSet, spec: {replicas: 4}}", nil, int64(2)},
		"says none":          {"what has no replicas is left alone", "{apiVersion: apps/v1, kind: Deployment, spec: {}}", nil, nil},
		"no spec":            {"what has no replicas is left alone", "{apiVersion: apps/v1, kind: Deployment}", nil, nil},
		"spec a word":        {"nothing panics", "{apiVersion: apps/v1, kind: Deployment, spec: x}", nil, nil},
		"CRD":                {"the field may mean something else there", "{apiVersion: db.example/v1, kind: Cluster, spec: {replicas: 4}}", nil, int64(4)},
		"CRD that is listed": {"somebody said what it means", "{apiVersion: db.example/v1, kind: Cluster, spec: {replicas: 4}}", []transform.Option{transform.WithReplicas(crd, "spec", "replicas")}, int64(2)},
		"taken out":          {"a platform may not want it", "{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 4}}", []transform.Option{transform.WithReplicas(schema.GroupKind{Group: "apps", Kind: "StatefulSet"})}, int64(4)},
	} {
		t.Run(name, func(t *testing.T) {
			out := render(t, pipeline(t, tc.opts...), &transform.Target{Replicas: &two}, object(t, tc.obj, with("web", "metadata", "name")))
			if diff := cmp.Diff(tc.want, at(out, "spec", "replicas")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	t.Run("a list", func(t *testing.T) {
		original := object(t, deployment, with([]any{}, "spec", "replicas"))
		_, err := pipeline(t).Render(t.Context(), &transform.Target{Replicas: &two}, original, originOf(original))
		require.ErrorContains(t, err, "transformer replicas: ")
	})
}

// A tower of maps is refused or rendered, and never overflows the stack.
func TestRenderDeepNesting(t *testing.T) {
	var tower any = "top"
	for range 200_000 {
		tower = map[string]any{"x": tower}
	}
	original := object(t, deployment)
	original.Object["spec"] = tower
	_, err := pipeline(t).Render(t.Context(), &transform.Target{}, original, originOf(original))
	require.ErrorContains(t, err, "nested")
	require.Less(t, strings.Count(err.Error(), "x"), 10)
}

func TestNamespacesBearThePlatformsLabels(t *testing.T) {
	p, err := transform.NewPipeline("prod", transform.WithNamespaceLabels(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}))
	require.NoError(t, err)
	for range 2 { // the labels are not shared between namespaces
		ns := p.Namespace(transform.Origin{LogicalCluster: "1abc", Namespace: "shop"})
		require.Equal(t, map[string]string{
			"pod-security.kubernetes.io/enforce": "restricted", transform.LabelInstallation: "prod", transform.LabelLogicalCluster: "1abc",
			transform.LabelBucket: "84",
		}, ns.GetLabels())
		ns.GetLabels()["spoiled"] = "yes"
	}
}
