package transform_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx}
`

// object parses YAML as API servers' answers are parsed.
func object(tb testing.TB, text string, modifiers ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
	tb.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(tb, err)
	obj := &unstructured.Unstructured{}
	require.NoError(tb, obj.UnmarshalJSON(data))
	for _, modify := range modifiers {
		modify(obj)
	}
	return obj
}

// with sets a value at a path, which must lead through maps.
func with(value any, path ...string) func(*unstructured.Unstructured) {
	return func(obj *unstructured.Unstructured) {
		m := obj.Object
		for _, field := range path[:len(path)-1] {
			inner, ok := m[field].(map[string]any)
			if !ok {
				inner = map[string]any{}
				m[field] = inner
			}
			m = inner
		}
		m[path[len(path)-1]] = value
	}
}

// at returns the value at a path; nil if there is none.
func at(obj *unstructured.Unstructured, path ...string) any {
	var value any = obj.Object
	for _, field := range path {
		m, _ := value.(map[string]any)
		value = m[field]
	}
	return value
}

func originOf(obj *unstructured.Unstructured) transform.Origin {
	return transform.Origin{LogicalCluster: "1abc", Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: "u-1"}
}

func pipeline(tb testing.TB, opts ...transform.Option) *transform.Pipeline {
	tb.Helper()
	p, err := transform.NewPipeline("prod", opts...)
	require.NoError(tb, err)
	return p
}

func render(tb testing.TB, p *transform.Pipeline, target *transform.Target, obj *unstructured.Unstructured) *unstructured.Unstructured {
	tb.Helper()
	out, err := p.Render(tb.Context(), target, obj, originOf(obj))
	require.NoError(tb, err)
	return out
}

// change makes a transformer of a modifier.
func change(name string, modify func(*unstructured.Unstructured)) transform.Transformer {
	return transform.Func(name, func(_ context.Context, _ *transform.Target, obj *unstructured.Unstructured) error {
		modify(obj)
		return nil
	})
}
