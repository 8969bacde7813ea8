package expression_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/expression"
)

// Expressions in the style of MutatingAdmissionPolicy run as they are.
func TestExpressionsOfAdmissionPolicies(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, merge, patch, in, want string
	}{
		"apply configuration": {
			"types stand for maps",
			`Object{metadata: Object.metadata{annotations: {"region": target.region}}, spec: Object.spec{replicas: 3, strategy: Object.spec.strategy{type: "Recreate"}}}`, "",
			`{kind: X, metadata: {name: web}, spec: {replicas: 1, strategy: {rollingUpdate: {maxSurge: 1}}}}`,
			`{kind: X, metadata: {name: web, annotations: {region: eu}}, spec: {replicas: 3, strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}}}`,
		},
		"optional field": {
			"a field may be left out", `Object{spec: Object.spec{?replicas: object.spec.?wanted, paused: true}}`, "",
			`{kind: X, spec: {}}`, `{kind: X, spec: {paused: true}}`,
		},
		"operations": {
			"a sidecar, if there is none", "", `has(object.spec.initContainers) ? [] : [
				JSONPatch{op: "add", path: "/spec/initContainers", value: []},
				JSONPatch{op: "add", path: "/spec/initContainers/-", value: Object.spec.initContainers{name: "proxy", image: "proxy:1", args: ["sidecar"], restartPolicy: "Always"}},
				JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("example.com/mesh"), value: "on"}]`,
			`{kind: X, metadata: {labels: {}}, spec: {}}`,
			`{kind: X, metadata: {labels: {example.com/mesh: "on"}}, spec: {initContainers: [{name: proxy, image: "proxy:1", args: [sidecar], restartPolicy: Always}]}}`,
		},
		"copies": {
			"a value shares nothing with the object", "", `[JSONPatch{op: "add", path: "/spec/b", value: object.spec.a}]`, `{kind: X, spec: {a: {x: [1]}}}`, `{kind: X, spec: {a: {x: [1]}, b: {x: [1]}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			make, text := expression.Merge, tc.merge
			if tc.patch != "" {
				make, text = expression.Patch, tc.patch
			}
			step, err := make("policy", text)
			require.NoError(t, err)
			obj := parse("{apiVersion: v1, " + tc.in[1:])
			require.NoError(t, step.Transform(t.Context(), europe, obj), tc.reason)
			if diff := cmp.Diff(parse("{apiVersion: v1, "+tc.want[1:]).Object, obj.Object); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	for text, want := range map[string]string{
		`[JSONPatch{operation: "add"}]`:   "undefined field",
		`[JSONPatch{op: 3}]`:              "expected type",
		`[Other{op: "add"}]`:              "undeclared reference",
		`JSONPatch{op: "add"}`:            "gives",
		`[JSONPatch{op: "add", path: 1}]`: "expected type",
	} {
		_, err := expression.Patch("policy", text)
		require.ErrorContains(t, err, want, text)
	}
	_, err := expression.Merge("policy", `JSONPatch{op: "add"}`)
	require.ErrorContains(t, err, "gives", "an operation is no object")
}

func ExampleHealth() {
	rule, err := expression.Health("database", `{"health": copy.status.?phase.orValue("") == "Ready" ? "Healthy" : "Progressing", "message": copy.status.?message.orValue("as asked for")}`)
	if err != nil {
		panic(err)
	}
	fmt.Println(rule(parse(`{apiVersion: db.example/v1, kind: Cluster, status: {phase: Ready}}`)))
	fmt.Println(rule(parse(`{apiVersion: db.example/v1, kind: Cluster, status: {phase: Creating, message: two of three}}`)))
	// Output:
	// Healthy as asked for
	// Progressing two of three
}

func TestHealth(t *testing.T) {
	_, err := expression.Health("h", `"Healthy"`)
	require.ErrorContains(t, err, "h: ")
	for text, want := range map[string]string{
		`{"health": copy.status.absent}`: "no such key",
		`{"health": duration("1s")}`:     "no JSON",
		`{"health": "Healthy", "x": 1u}`: "",
		`dyn([1])`:                       "",
	} {
		rule, err := expression.Health("h", text)
		require.NoError(t, err)
		health, message := rule(parse(`{apiVersion: v1, kind: X, status: {}}`))
		require.Contains(t, message, want, text)
		if want != "" {
			require.Equal(t, transform.HealthUnknown, health, text)
		}
	}
	rules := transform.NewStatusRules(transform.HealthBy(parse(`{apiVersion: v1, kind: X}`).GroupVersionKind().GroupKind(), func() transform.HealthFunc {
		rule, err := expression.Health("h", `dyn([1])`)
		require.NoError(t, err)
		return rule
	}()))
	health, _ := rules.Health(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "X"}})
	require.Equal(t, transform.HealthUnknown, health)
}
