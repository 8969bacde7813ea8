package transform_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// setting sets a field of the data.
func setting(name, field string, value any) transform.Transformer {
	return transform.Func(name, func(_ context.Context, _ *transform.Target, obj *unstructured.Unstructured) error {
		return unstructured.SetNestedField(obj.Object, value, "data", field)
	})
}

func ExampleConflicts() {
	p, err := transform.NewPipeline("prod", transform.With(setting("first", "motd", "hello"), setting("second", "motd", "bye")))
	if err != nil {
		panic(err)
	}
	changes, err := p.Changes(context.Background(), &transform.Target{Cluster: "eu-1"}, configMap("7"), homeOf(configMap("7")))
	fmt.Println(changes, err)
	fmt.Println(transform.Conflicts(changes))
	// Output:
	// [{first data.motd} {second data.motd}] <nil>
	// [{data.motd [first second]}]
}

func TestChanges(t *testing.T) {
	list := []any{map[string]any{"a": int64(1)}, "x"}
	for name, tc := range map[string]struct {
		reason string
		change func(m map[string]any)
		want   []string
	}{
		"nothing":       {"no change is none", func(map[string]any) {}, nil},
		"added":         {"", func(m map[string]any) { m["n"] = "v" }, []string{"data.n"}},
		"removed":       {"", func(m map[string]any) { delete(m, "k") }, []string{"data.k"}},
		"added map":     {"its fields count", func(m map[string]any) { m["n"] = map[string]any{"a": "b", "c": "d"} }, []string{"data.n.a", "data.n.c"}},
		"empty map":     {"or itself", func(m map[string]any) { m["n"] = map[string]any{} }, []string{"data.n"}},
		"another shape": {"", func(m map[string]any) { m["k"] = map[string]any{"a": "b"} }, []string{"data.k"}},
		"in a list":     {"", func(m map[string]any) { m["l"] = []any{map[string]any{"a": int64(2)}, "x"} }, []string{"data.l[0].a"}},
		"longer list":   {"a list that grows is one field", func(m map[string]any) { m["l"] = append(list, "y") }, []string{"data.l"}},
		"odd name":      {"paths can be read back", func(m map[string]any) { m["a.b'c"] = "v" }, []string{"data['a.b''c']"}},
	} {
		t.Run(name, func(t *testing.T) {
			step := transform.Func("step", func(_ context.Context, _ *transform.Target, obj *unstructured.Unstructured) error {
				m, _ := obj.Object["data"].(map[string]any)
				tc.change(m)
				return nil
			})
			p, err := transform.NewPipeline("main", transform.With(step))
			require.NoError(t, err)
			obj := configMap("7")
			require.NoError(t, unstructured.SetNestedField(obj.Object, []any{map[string]any{"a": int64(1)}, "x"}, "data", "l"))
			changes, err := p.Changes(t.Context(), platformTarget, obj, homeOf(obj))
			require.NoError(t, err)
			var got []string
			for _, c := range changes {
				require.Equal(t, "step", c.Step)
				got = append(got, c.Field)
				_, err := transform.ParsePath(c.Field)
				require.True(t, err == nil || name == "in a list", "%v", err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestChangesTellOfOverridesAndFailures(t *testing.T) {
	p, err := transform.NewPipeline("main", transform.With(setting("one", "k", "platform")))
	require.NoError(t, err)
	target := *platformTarget
	target.Overrides = []transform.Override{{MergePatch: []byte(`{"data":{"k":"tenant"}}`)}}
	changes, err := p.Changes(t.Context(), &target, configMap("7"), homeOf(configMap("7")))
	require.NoError(t, err)
	require.Equal(t, []transform.Conflict{{Field: "data.k", Steps: []string{"overrides", "one"}}}, transform.Conflicts(changes))

	broken := errors.New("no")
	p, err = transform.NewPipeline("main", transform.With(transform.Func("broken", func(context.Context, *transform.Target, *unstructured.Unstructured) error { return broken })))
	require.NoError(t, err)
	_, err = p.Changes(t.Context(), &target, configMap("7"), homeOf(configMap("7")))
	require.ErrorIs(t, err, broken)
}

// The platform of the corpus has no two transformers that fight.
func TestNoTwoBuiltInsFight(t *testing.T) {
	p := platform(t)
	for name, obj := range corpus(t) {
		changes, err := p.Changes(t.Context(), platformTarget, obj, homeOf(obj))
		require.NoError(t, err)
		require.Empty(t, transform.Conflicts(changes), name)
	}
}
