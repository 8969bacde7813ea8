package syncer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestDifferencesOf(t *testing.T) {
	tests := map[string]struct {
		reason           string
		rendered, copied string
		want             []string
	}{
		"none": {reason: "others' fields do not count", rendered: `{spec: {a: 1}}`, copied: `{spec: {a: 1, b: 2}, status: {x: y}}`},
		"changed, missing": {
			reason:   "each field for itself, sorted",
			rendered: `{spec: {replicas: 2, paused: true}, metadata: {labels: {app: web}}}`, copied: `{spec: {replicas: 9}, metadata: {labels: {}}}`,
			want: []string{`+ metadata.labels.app: "web"`, `+ spec.paused: true`, `~ spec.replicas: 9 -> 2`},
		},
		"elements by name": {
			reason:   "a list is compared as server-side apply would",
			rendered: `{spec: {containers: [{name: main, image: "a:2"}]}}`, copied: `{spec: {containers: [{name: sidecar, image: x}, {name: main, image: "a:1"}]}}`,
			want: []string{`~ spec.containers[main].image: "a:1" -> "a:2"`},
		},
		"a list without names": {
			reason: "it is one value", rendered: `{spec: {args: [a, b]}}`, copied: `{spec: {args: [a]}}`,
			want: []string{`~ spec.args: ["a"] -> ["a","b"]`},
		},
		"names with dots": {
			reason: "they stay readable", rendered: `{metadata: {labels: {example.org/x: "1"}}}`, copied: `{metadata: {labels: {example.org/x: "2"}}}`,
			want: []string{`~ metadata.labels[example.org/x]: "2" -> "1"`},
		},
		"a secret": {
			reason: "its values are nobody's business", rendered: `{apiVersion: v1, kind: Secret, data: {p: c3dvcmRmaXNo}}`, copied: `{apiVersion: v1, kind: Secret, data: {p: b2xk}}`,
			want: []string{`~ data.p: (hidden) -> (hidden)`},
		},
		"another type": {reason: "shown as it is", rendered: `{spec: {a: {b: 1}}}`, copied: `{spec: {a: x}}`, want: []string{`~ spec.a: "x" -> {"b":1}`}},
		"long": {
			reason:   "a value is cut short",
			rendered: `{spec: {a: 0123456789x123456789x123456789x123456789x123456789x123456789x123456789x123456789x123456789}}`, copied: `{spec: {}}`,
			want: []string{`+ spec.a: "0123456789x123456789x123456789x123456789x123456789x123456789x123456789x12345678...`},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range differencesOf(parse(t, tc.rendered), parse(t, tc.copied)) {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// What drifts has a difference, and what does not has none.
func TestDifferencesAgreeWithDrift(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) any { return anyValue(t, 3) })
	rapid.Check(t, func(t *rapid.T) {
		a := map[string]any{"spec": value.Draw(t, "rendered")}
		b := map[string]any{"spec": value.Draw(t, "copied")}
		found := differencesOf(&unstructured.Unstructured{Object: a}, &unstructured.Unstructured{Object: b})
		if drifted(a, b) != (len(found) > 0) {
			t.Fatalf("drifted %v, differences %v", drifted(a, b), found)
		}
	})
}

func anyValue(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind %= 4
	}
	switch kind {
	case 0:
		return rapid.SampledFrom([]any{nil, "", "a", "1", int64(0), int64(1), true, false}).Draw(t, "scalar")
	case 1, 2, 3:
		return rapid.SampledFrom([]any{"x", "y", int64(7)}).Draw(t, "scalar")
	case 4:
		m := map[string]any{}
		for _, k := range rapid.SliceOfN(rapid.SampledFrom([]string{"name", "a", "limits"}), 0, 3).Draw(t, "keys") {
			m[k] = anyValue(t, depth-1)
		}
		return m
	}
	var l []any
	for range rapid.IntRange(0, 3).Draw(t, "length") {
		l = append(l, anyValue(t, depth-1))
	}
	return l
}
