package expression_test

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/expression"
)

// FuzzExpression: no text makes compilers or runs panic or go on for ever, and
// what comes of a run is JSON.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		`{"spec": {"region": target.region}}`, `[{"op": "add", "path": "/spec/x", "value": object.spec}]`,
		`object.spec.map(k, object.spec[k])`, `{"a": optional.none(), "b": 1u, "c": b"x"}`, `[1,2,3].map(a, [1,2,3].map(b, a+b))`,
		`object.?spec.?a.orValue({})`, `"x".replace("", object.kind)`, `Object{spec: Object.spec{replicas: 3}}`,
		`[JSONPatch{op: "add", path: "/spec/" + jsonpatch.escapeKey("a/b"), value: 1}]`,
	} {
		f.Add(seed, []byte(`{"kind":"X","spec":{"a":{"b":[1,"x",null]}}}`))
	}
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		var fields map[string]any
		if err := utiljson.Unmarshal(data, &fields); err != nil || fields == nil {
			return
		}
		for _, make := range []func(string, string, ...expression.Option) (transform.Transformer, error){expression.Merge, expression.Patch} {
			step, err := make("fuzz", text, expression.Limit(10_000))
			if err != nil {
				continue
			}
			obj := (&unstructured.Unstructured{Object: fields}).DeepCopy()
			if step.Transform(t.Context(), europe, obj) != nil {
				continue
			}
			if _, err := json.Marshal(obj.Object); err != nil {
				t.Errorf("%v: %v", err, obj.Object)
			}
		}
	})
}
