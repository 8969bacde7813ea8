package transformtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/transformtest"
)

func deployment() *unstructured.Unstructured {
	var fields map[string]any
	data, _ := yaml.YAMLToJSON([]byte(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {replicas: 3, template: {spec: {containers: [{name: web, image: nginx, args: [a]}]}}}}`))
	obj := &unstructured.Unstructured{Object: fields}
	if err := obj.UnmarshalJSON(data); err != nil {
		panic(err)
	}
	return obj
}

func step(fn func(*transform.Target, *unstructured.Unstructured)) transform.Transformer {
	return transform.Func("Step", func(_ context.Context, t *transform.Target, obj *unstructured.Unstructured) error {
		fn(t, obj)
		return nil
	})
}

// The kit finds what it is there to find.
func TestCheck(t *testing.T) {
	var calls atomic.Int64
	spec := func(o *unstructured.Unstructured) map[string]any { m, _ := o.Object["spec"].(map[string]any); return m }
	set := func(o *unstructured.Unstructured, field string, value any) {
		if m := spec(o); m != nil {
			m[field] = value
		}
	}
	for name, tc := range map[string]struct {
		reason string
		fn     func(*transform.Target, *unstructured.Unstructured)
		want   string
	}{
		"good":    {"it keeps the contract", func(_ *transform.Target, o *unstructured.Unstructured) { set(o, "paused", true) }, ""},
		"random":  {"another result every time", func(_ *transform.Target, o *unstructured.Unstructured) { set(o, "x", rand.Int64()) }, "determinism"},
		"counter": {"another result every time", func(_ *transform.Target, o *unstructured.Unstructured) { set(o, "x", calls.Add(1)) }, "determinism"},
		"appends": {"twice is not once", func(_ *transform.Target, o *unstructured.Unstructured) {
			l, _ := spec(o)["l"].([]any)
			set(o, "l", append(l, "x"))
		}, "idempotence"},
		"renames":    {"identity", func(_ *transform.Target, o *unstructured.Unstructured) { o.SetName("x") }, "metadata.name"},
		"finalizers": {"identity", func(_ *transform.Target, o *unstructured.Unstructured) { o.SetFinalizers([]string{"a/b"}) }, "metadata.finalizers"},
		"trusting": {"a panic on nonsense", func(_ *transform.Target, o *unstructured.Unstructured) {
			_ = o.Object["spec"].(map[string]any)["template"].(map[string]any)
		}, "it panicked"},
		"mutates target": {"the target is shared", func(t *transform.Target, _ *unstructured.Unstructured) { t.Labels["x"] = "y" }, "it changed its target"},
	} {
		t.Run(name, func(t *testing.T) {
			err := transformtest.Check(t.Context(), step(tc.fn), &transform.Target{Labels: map[string]string{"a": "b"}}, deployment())
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
	require.ErrorContains(t, transformtest.Check(t.Context(), step(nil), nil), "no object")
	liar := transform.Independent(step(func(t *transform.Target, o *unstructured.Unstructured) { set(o, "cluster", t.Cluster) }))
	require.ErrorContains(t, transformtest.Check(t.Context(), liar, &transform.Target{}, deployment()), "independence", "a cache would serve it wrongly")
	needy := transform.Independent(transform.Func("Step", func(_ context.Context, t *transform.Target, _ *unstructured.Unstructured) error {
		if t.Labels["tier"] == "" {
			return errors.New("no tier")
		}
		return nil
	}))
	require.ErrorContains(t, transformtest.Check(t.Context(), needy, &transform.Target{Labels: map[string]string{"tier": "a"}}, deployment()), "fails on another")
}

func TestObject(t *testing.T) {
	require.Equal(t, "web", transformtest.Object("{apiVersion: v1, kind: Pod, metadata: {name: web}}").GetName())
	require.Panics(t, func() { transformtest.Object("[") })
	require.Panics(t, func() { transformtest.Object("no object") })
}

func TestRegistries(t *testing.T) {
	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example/hub"})
	require.NoError(t, err)
	transformtest.TestTransformer(t, mirror, &transform.Target{}, deployment())
	transformtest.TestGolden(t, "testdata/registries", mirror, &transform.Target{})
}

func TestTransformerOnBuiltTypes(t *testing.T) {
	pause := step(func(_ *transform.Target, o *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(o.Object, true, "spec", "paused")
	})
	transformtest.TestTransformer(t, pause, &transform.Target{}, deployment())
}

func ExamplePlan() {
	mirror, _ := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example/hub"})
	pipeline, _ := transform.NewPipeline("prod", transform.With(mirror))
	target := &transform.Target{Cluster: "eu-1", Origin: transform.Origin{LogicalCluster: "1abc"}}
	diff, err := transformtest.Plan(context.Background(), pipeline, target, []byte(`
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: web, image: "nginx:1.29"}]}`))
	if err != nil {
		panic(err)
	}
	fmt.Print(diff)
	// Output:
	// --- workspace
	// +++ eu-1
	// @@ -1,9 +1,17 @@
	//  apiVersion: v1
	//  kind: Pod
	//  metadata:
	// +  annotations:
	// +    tmc-sdk.dev/marks: v1
	// +    tmc-sdk.dev/original-name: web
	// +    tmc-sdk.dev/original-namespace: shop
	// +  labels:
	// +    tmc-sdk.dev/bucket: "84"
	// +    tmc-sdk.dev/installation: prod
	// +    tmc-sdk.dev/logical-cluster: 1abc
	//    name: web
	// -  namespace: shop
	// +  namespace: shop-cs2yl52wdhmlstd7
	//  spec:
	//    containers:
	// -  - image: nginx:1.29
	// +  - image: mirror.example/hub/library/nginx:1.29
	//      name: web
}
