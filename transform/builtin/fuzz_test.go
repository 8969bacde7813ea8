package builtin_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// FuzzExpand: no text makes it panic, text without ${ stays, and what
// CheckTemplate accepts fails for nothing but a value that the target lacks.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"", "plain", "${cluster.name}", "$${x}", "${", "${}", "$$${cluster.region}}", "${cluster.labels.a.b/c}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := builtin.Expand(europe, text)
		if !strings.Contains(text, "${") && (err != nil || out != text) {
			t.Errorf("%q became %q, %v", text, out, err)
		}
		if builtin.CheckTemplate(text) == nil && err != nil && !strings.Contains(err.Error(), " has no ") && !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%q was accepted, and then: %v", text, err)
		}
	})
}

// FuzzBuiltins: no object makes any of them panic, and what they made they leave
// as it is.
func FuzzBuiltins(f *testing.F) {
	for _, obj := range objects() {
		data, err := obj.MarshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	steps := all()
	f.Fuzz(func(t *testing.T, data []byte) {
		var fields map[string]any
		if err := utiljson.Unmarshal(data, &fields); err != nil || fields == nil {
			return
		}
		if _, ok := fields["metadata"].(map[string]any); !ok {
			fields["metadata"] = map[string]any{}
		}
		for _, step := range steps {
			obj := (&unstructured.Unstructured{Object: fields}).DeepCopy()
			if m, ok := step.(transform.Matcher); ok && !m.Matches(europe, obj) || step.Transform(t.Context(), europe, obj) != nil {
				continue
			}
			once := obj.DeepCopy()
			if err := step.Transform(t.Context(), europe, obj); err != nil || !equal(once, obj) {
				t.Errorf("%s: twice is not once (%v): %v, then %v", step.Name(), err, once.Object, obj.Object)
			}
		}
	})
}

// FuzzStrategicMerge: no patch makes it panic.
func FuzzStrategicMerge(f *testing.F) {
	f.Add([]byte(`{"spec":{"containers":[{"name":"web","$patch":"delete"}]}}`), []byte(`{"spec":{"containers":[{"name":"web"},{"name":"b"}]}}`))
	f.Add([]byte(`{"spec":{"$setElementOrder/containers":[{"name":"b"}],"$retainKeys":["x"]}}`), []byte(`{"spec":{"containers":[1,null]}}`))
	scheme := runtime.NewScheme()
	_ = corev1.AddToScheme(scheme)
	f.Fuzz(func(t *testing.T, patch, data []byte) {
		step, err := builtin.StrategicMerge(scheme, patch)
		var fields map[string]any
		if err != nil || utiljson.Unmarshal(data, &fields) != nil || fields == nil {
			return
		}
		fields["apiVersion"], fields["kind"] = "v1", "Pod"
		_ = step.Transform(t.Context(), europe, &unstructured.Unstructured{Object: fields}) // it must return
	})
}
