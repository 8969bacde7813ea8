package transform_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/transformtest"
)

func paths(texts ...string) []transform.Path {
	list := make([]transform.Path, 0, len(texts))
	for _, text := range texts {
		list = append(list, transform.MustPath(text))
	}
	return list
}

// Who may touch which part is the platform's to say, and is proven.
func TestWithinLetsTouchNothingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		may    []transform.Path
		does   func(*unstructured.Unstructured)
		fault  string // field that is named; empty: it may
	}{
		"may":                {"what is open", paths("spec.replicas"), with(int64(9), "spec", "replicas"), ""},
		"below":              {"and all within it", paths("spec.template"), with("x", "spec", "template", "spec", "hostname"), ""},
		"new field":          {"it may be made", paths("spec.paused"), with(true, "spec", "paused"), ""},
		"new branch":         {"with what leads to it", paths("spec.template.spec.affinity.podAffinity"), with("x", "spec", "template", "spec", "affinity", "podAffinity"), ""},
		"removed":            {"it may go", paths("spec.replicas"), func(o *unstructured.Unstructured) { delete(o.Object["spec"].(map[string]any), "replicas") }, ""},
		"elements":           {"of every element", paths("spec.template.spec.containers[*].image"), func(o *unstructured.Unstructured) { eachContainer(o, "image", "y") }, ""},
		"label":              {"one label", paths("metadata.labels['example.com/a']"), with("x", "metadata", "labels", "example.com/a"), ""},
		"another field":      {"what is not open", paths("spec.replicas"), with(true, "spec", "paused"), "spec.paused"},
		"beside":             {"a field beside one that is open", paths("spec.template.spec.containers[*].image"), func(o *unstructured.Unstructured) { eachContainer(o, "name", "y") }, "spec.template.spec.containers[0].name"},
		"above":              {"what holds what is open", paths("spec.template.spec.hostname"), with("x", "spec", "template"), "spec.template"},
		"another element":    {"a list may not grow", paths("spec.template.spec.containers[*].image"), func(o *unstructured.Unstructured) { addContainer(o) }, "spec.template.spec.containers"},
		"another label":      {"beside the one that is open", paths("metadata.labels['example.com/a']"), with("x", "metadata", "labels", "b"), "metadata.labels.b"},
		"nothing":            {"no path is no part", nil, with("x", "spec", "x"), "spec.x"},
		"kind of value":      {"1 is not \"1\"", paths("spec.x"), with("4", "spec", "replicas"), "spec.replicas"},
		"as it was":          {"what changes nothing touches nothing", nil, with(int64(4), "spec", "replicas"), ""},
		"empty beside empty": {"a map that holds nothing is there or is not", paths("spec.x"), with(map[string]any{}, "spec", "y"), "spec.y"},
	} {
		t.Run(name, func(t *testing.T) {
			step := transform.Within(change("theirs", tc.does), tc.may...)
			_, err := pipeline(t, transform.With(step)).Render(t.Context(), &transform.Target{}, object(t, deployment), originOf(object(t, deployment)))
			alone := step.Transform(t.Context(), &transform.Target{}, object(t, deployment))
			if tc.fault == "" {
				require.NoError(t, err, tc.reason)
				require.NoError(t, alone, tc.reason)
				return
			}
			var scope *transform.ScopeError
			require.ErrorAs(t, err, &scope, tc.reason)
			require.Equal(t, "theirs", scope.Transformer)
			require.Equal(t, tc.fault, scope.Field, tc.reason)
			require.ErrorContains(t, err, "theirs")
			require.ErrorAs(t, alone, &scope, "without a pipeline, too")
		})
	}
}

func eachContainer(o *unstructured.Unstructured, field, value string) {
	for _, c := range transform.PodSpec(o)["containers"].([]any) {
		c.(map[string]any)[field] = value
	}
}

func addContainer(o *unstructured.Unstructured) {
	pod := transform.PodSpec(o)
	pod["containers"] = append(pod["containers"].([]any), map[string]any{"image": "z"})
}

func TestWithinIsStillWhatItHolds(t *testing.T) {
	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example"})
	require.NoError(t, err)
	step := transform.Within(mirror, paths("spec.template.spec.containers[*].image", "spec.template.spec.initContainers[*].image")...)
	require.Equal(t, "Registries", step.Name())
	require.True(t, pipeline(t, transform.With(step)).TargetIndependent())
	transformtest.TestTransformer(t, step, platformTarget, object(t, deployment))
	boom := errors.New("boom")
	failing := transform.Within(transform.Func("f", func(context.Context, *transform.Target, *unstructured.Unstructured) error { return boom }))
	require.ErrorIs(t, failing.Transform(t.Context(), &transform.Target{}, object(t, deployment)), boom)
	picky := transform.Match(change("m", with("x", "spec", "x")), transform.Rule{Kinds: []schema.GroupKind{{Kind: "Pod"}}})
	require.False(t, transform.Within(picky).(transform.Matcher).Matches(&transform.Target{}, object(t, deployment)))
}

// A CRD that makes pods has them transformed like any other.
func TestPodSpecsOfACRD(t *testing.T) {
	const job = `
apiVersion: ml.example/v1
kind: TrainingJob
metadata: {name: train, namespace: shop}
spec:
  leader: {template: {spec: {containers: [{name: l, image: nginx}]}}}
  workers:
  - template: {spec: {containers: [{name: a, image: nginx}], initContainers: [{name: i, image: docker.io/x/y}]}}
  - template: {spec: {containers: [{name: b, image: own.example/z}]}}
  - template: {spec: 7}
  - 3`
	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example"})
	require.NoError(t, err)
	kind := schema.GroupKind{Group: "ml.example", Kind: "TrainingJob"}
	p := pipeline(t, transform.With(mirror), transform.WithPodSpecs(kind, paths("spec.leader.template.spec", "spec.workers[*].template.spec")...))
	got := render(t, p, &transform.Target{}, object(t, job))
	want := object(t, `
leader: {template: {spec: {containers: [{name: l, image: mirror.example/library/nginx}]}}}
workers:
- template: {spec: {containers: [{name: a, image: mirror.example/library/nginx}], initContainers: [{name: i, image: mirror.example/x/y}]}}
- template: {spec: {containers: [{name: b, image: own.example/z}]}}
- template: {spec: 7}
- 3
kind: X`)
	delete(want.Object, "kind")
	require.Equal(t, want.Object, got.Object["spec"])
	require.Empty(t, (&transform.Target{}).PodSpecs(object(t, job)), "without a declaration a CRD has none")
	require.Len(t, (&transform.Target{}).PodSpecs(object(t, deployment)), 1)
	changes, err := p.Changes(t.Context(), &transform.Target{}, object(t, job), originOf(object(t, job)))
	require.NoError(t, err)
	require.Len(t, changes, 3)
}
