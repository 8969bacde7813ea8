package transform_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// eight are the built-in transformers that a platform would start with.
func eight(tb testing.TB) []transform.Transformer {
	tb.Helper()
	mirror, err := transform.Registries(transform.Mirror{From: "registry.example", To: "mirror.example"})
	require.NoError(tb, err)
	return []transform.Transformer{
		mirror,
		builtin.PullSecrets("mirror"),
		builtin.Must(builtin.Env(builtin.EnvVar{Name: "REGION", Value: "${cluster.region}"})),
		builtin.Must(builtin.Resources(builtin.ResourceRules{Min: map[string]string{"cpu": "100m"}, Max: map[string]string{"memory": "4Gi"}})),
		builtin.NodeSelector(map[string]string{"pool": "tenants"}),
		builtin.Must(builtin.Tolerations(corev1.Toleration{Key: "tenants", Operator: corev1.TolerationOpExists})),
		builtin.SecurityFloor(),
		builtin.PriorityClasses(builtin.Classes{Map: map[string]string{"high": "tenant-high"}, Default: "tenant"}),
	}
}

// wide is a CRD of about 100 KiB.
func wide() *unstructured.Unstructured {
	items := make([]any, 0, 400)
	for i := range int64(400) {
		items = append(items, map[string]any{
			"name": fmt.Sprintf("route-%03d", i), "weight": i, "enabled": i%2 == 0,
			"match":    map[string]any{"host": fmt.Sprintf("h%d.shop.example", i), "paths": []any{"/", "/a", "/b"}},
			"backends": []any{map[string]any{"service": "web", "port": int64(80)}, map[string]any{"service": "api", "port": int64(81)}},
		})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.example/v1", "kind": "RouteTable",
		"metadata": map[string]any{"name": "routes", "namespace": "shop"}, "spec": map[string]any{"routes": items},
	}}
}

// BenchmarkReference renders one object through eight built-in transformers,
// and copies it; the ratio is what the project is held to.
func BenchmarkReference(b *testing.B) {
	data, err := os.ReadFile("testdata/reference/deployment.yaml")
	require.NoError(b, err)
	reference := object(b, string(data))
	b.Run("pipeline", func(b *testing.B) { benchmarkRender(b, reference, eight(b)...) })
	b.Run("deepcopy", func(b *testing.B) { benchmarkDeepCopy(b, reference) })
	b.Run("empty", func(b *testing.B) { benchmarkRender(b, reference) })
	b.Run("wide-pipeline", func(b *testing.B) { benchmarkRender(b, wide(), eight(b)...) })
	b.Run("wide-deepcopy", func(b *testing.B) { benchmarkDeepCopy(b, wide()) })
	b.Run("roundtrip", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data, err := json.Marshal(reference.Object)
			if err != nil {
				b.Fatal(err)
			}
			var fields map[string]any
			if err := utiljson.Unmarshal(data, &fields); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("jsonpatch", func(b *testing.B) {
		patch, err := jsonpatch.DecodePatch([]byte(`[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"x"}]`))
		require.NoError(b, err)
		data, err := json.Marshal(reference.Object)
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := patch.Apply(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, step := range eight(b) {
		b.Run("step/"+step.Name(), func(b *testing.B) {
			once := reference.DeepCopy()
			target := &transform.Target{Region: "eu"}
			b.ReportAllocs()
			for b.Loop() { // on what it has done already, after the first time
				if err := step.Transform(b.Context(), target, once); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchmarkRender(b *testing.B, obj *unstructured.Unstructured, steps ...transform.Transformer) {
	b.Helper()
	p := pipeline(b, transform.With(steps...))
	three := int32(3)
	target, origin := &transform.Target{Cluster: "eu-1", Region: "eu", Replicas: &three}, originOf(obj)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Render(b.Context(), target, obj, origin); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkDeepCopy(b *testing.B, obj *unstructured.Unstructured) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		_ = obj.DeepCopy()
	}
}
