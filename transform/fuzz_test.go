package transform_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/tmc-sdk/tmc/transform"
)

// shapes are what a server would never send and a fuzzer starts from.
var shapes = []string{
	`{}`, `{"kind":1,"metadata":2,"spec":3,"status":4}`,
	`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x","labels":{"a":"b"},"annotations":{"kcp.io/x":"y"}},"spec":{"replicas":3,"template":{"spec":{"containers":[{"image":"x"}]}}},"status":{"replicas":1,"conditions":[{"type":"Available","status":"True"}]}}`,
	`{"apiVersion":"batch/v1","kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":"x"}}}}`,
	`{"apiVersion":"apps/v1","kind":"StatefulSet","spec":{"volumeClaimTemplates":[1,{"metadata":[]}]}}`,
	`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":[]},"spec":{"containers":{"a":"b"}}}`,
}

func decode(data []byte) (*unstructured.Unstructured, bool) {
	var fields map[string]any
	if err := utiljson.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, false
	}
	return &unstructured.Unstructured{Object: fields}, true
}

func FuzzRender(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s))
	}
	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example"})
	require.NoError(f, err)
	p := pipeline(f, transform.With(mirror))
	two := int32(2)
	origin := transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web", UID: "u"}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, ok := decode(data)
		if !ok {
			return
		}
		before, _ := json.Marshal(obj.Object)
		out, err := p.Render(t.Context(), &transform.Target{Replicas: &two}, obj, origin)
		after, _ := json.Marshal(obj.Object)
		require.JSONEq(t, string(before), string(after), "the original changed")
		if err != nil {
			return
		}
		marks, ok := transform.ReadMarks(out)
		require.True(t, ok)
		require.Equal(t, transform.Marks{Installation: "prod", Origin: origin}, marks)
		again, err := p.Render(t.Context(), &transform.Target{Replicas: &two}, out, origin)
		require.NoError(t, err)
		require.Equal(t, out, again, "what is rendered renders to itself")
	})
}

func FuzzHealth(f *testing.F) {
	for _, s := range shapes {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		obj, ok := decode(data)
		if !ok {
			return
		}
		health, _ := transform.Health(obj)
		require.NotEmpty(t, health)
	})
}

func FuzzAggregate(f *testing.F) {
	for _, s := range shapes {
		for _, other := range shapes {
			f.Add([]byte(s), []byte(other))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		first, ok := decode(a)
		second, too := decode(b)
		if !ok || !too {
			return
		}
		for _, aggregator := range allAggregators() {
			one := []transform.Observed{{Cluster: "a", Copy: first}, {Cluster: "b", Copy: second}}
			other := []transform.Observed{one[1], one[0]}
			status, err := aggregator.Aggregate(first, one)
			require.NoError(t, err)
			swapped, err := aggregator.Aggregate(first, other)
			require.NoError(t, err)
			require.Equal(t, status, swapped, "another order, another status")
			if _, isMap := status["conditions"].([]any); isMap {
				_, err := json.Marshal(status)
				require.NoError(t, err)
			}
		}
	})
}
