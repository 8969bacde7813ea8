package syncer

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

func TestDrifted(t *testing.T) {
	for name, tc := range map[string]struct {
		reason           string
		rendered, copied string
		want             bool
	}{
		"the same":                   {"nothing differs", `{a: 1, b: [x, y]}`, `{a: 1, b: [x, y]}`, false},
		"a default":                  {"what others add is theirs", `{spec: {a: 1}}`, `{spec: {a: 1, b: 2}}`, false},
		"a changed value":            {"what we render is ours", `{spec: {a: 1}}`, `{spec: {a: 2}}`, true},
		"a lost value":               {"what we render is ours", `{spec: {a: x}}`, `{spec: {}}`, true},
		"an empty map":               {"servers drop what says nothing", `{spec: {a: {}}}`, `{spec: {}}`, false},
		"an empty map below":         {"servers drop what says nothing", `{spec: {a: {b: {}}}}`, `{spec: {}}`, false},
		"an empty list":              {"servers drop what says nothing", `{spec: {a: []}}`, `{spec: {}}`, false},
		"an empty string":            {"servers drop what says nothing", `{spec: {a: ""}}`, `{spec: {}}`, false},
		"a null":                     {"a null asks for nothing", `{spec: {a: null}}`, `{spec: {a: 1}}`, false},
		"false":                      {"omitempty drops false", `{spec: {a: false}}`, `{spec: {}}`, false},
		"true":                       {"true is never dropped", `{spec: {a: true}}`, `{spec: {}}`, true},
		"zero":                       {"omitempty drops zero", `{spec: {a: 0}}`, `{spec: {}}`, false},
		"zero for one":               {"zero replicas are not one", `{spec: {replicas: 0}}`, `{spec: {replicas: 1}}`, true},
		"a quantity":                 {"servers rewrite quantities", `{resources: {limits: {cpu: 1000m}}}`, `{resources: {limits: {cpu: "1"}}}`, false},
		"a quantity as a number":     {"servers rewrite quantities", `{resources: {limits: {cpu: 1}}}`, `{resources: {limits: {cpu: "1"}}}`, false},
		"another quantity":           {"half is not one", `{resources: {limits: {cpu: 500m}}}`, `{resources: {limits: {cpu: "1"}}}`, true},
		"a version":                  {"1.10 and 1.1 are two versions", `{data: {v: "1.10"}}`, `{data: {v: "1.1"}}`, true},
		"an injected container":      {"a sidecar is of others", `{c: [{name: a, i: x}]}`, `{c: [{name: s, i: y}, {name: a, i: x}]}`, false},
		"a lost container":           {"ours must be there", `{c: [{name: a}, {name: b}]}`, `{c: [{name: a}]}`, true},
		"a changed container":        {"ours must be as rendered", `{c: [{name: a, i: x}]}`, `{c: [{name: a, i: y}]}`, true},
		"an added port":              {"ports have no key that shows", `{p: [{port: 1}]}`, `{p: [{port: 1}, {port: 2}]}`, true},
		"a defaulted port":           {"a default within an element", `{p: [{port: 1}]}`, `{p: [{port: 1, protocol: TCP}]}`, false},
		"names that repeat":          {"no merge key, so by position", `{p: [{name: a, x: 1}, {name: a, x: 2}]}`, `{p: [{name: a, x: 1}, {name: a, x: 2}]}`, false},
		"a list of strings":          {"atomic lists are compared whole", `{a: [x]}`, `{a: [x, y]}`, true},
		"a map where a string was":   {"shapes differ", `{a: {b: c}}`, `{a: x}`, true},
		"a string where a map was":   {"shapes differ", `{a: x}`, `{a: {b: c}}`, true},
		"a list where a map was":     {"shapes differ", `{a: [x]}`, `{a: {b: c}}`, true},
		"a number where a string is": {"shapes differ", `{a: 1}`, `{a: "1"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			var rendered, copied map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(tc.rendered), &rendered))
			require.NoError(t, yaml.Unmarshal([]byte(tc.copied), &copied))
			require.Equal(t, tc.want, drifted(rendered, copied), tc.reason)
		})
	}
}

// value draws any JSON value.
func value(depth int) *rapid.Generator[any] {
	scalars := rapid.OneOf(
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64Range(-3, 3).AsAny(), rapid.Float64Range(-2, 2).AsAny(),
		rapid.SampledFrom([]any{"", "1", "1000m", "1.10", "name", "x"}),
	)
	if depth == 0 {
		return scalars
	}
	key := rapid.SampledFrom([]string{"name", "type", "resources", "a", "b"})
	return rapid.OneOf(scalars,
		rapid.SliceOfN(value(depth-1), 0, 3).AsAny(),
		rapid.MapOfN(key, value(depth-1), 0, 3).AsAny(),
	)
}

func TestNothingDriftsFromItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := value(4).Draw(t, "value")
		require.False(t, drifted(v, v))
	})
}

func TestDriftedNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drifted(value(4).Draw(t, "rendered"), value(4).Draw(t, "copied"))
	})
}

func TestAdditionsAreNoDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := rapid.MapOf(rapid.StringN(1, 3, 5), value(2)).Draw(t, "have")
		want := map[string]any{}
		for k, v := range have {
			if rapid.Bool().Draw(t, "rendered") {
				want[k] = v
			}
		}
		require.False(t, drifted(want, have))
	})
}

func TestSameIsDeepEqualAndQuick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := value(2).Draw(t, "a")
		b := value(2).Draw(t, "b")
		require.Equal(t, reflect.DeepEqual(a, b), same(a, b))
		require.True(t, same(a, a))
	})
}
