package transform_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/transform"
)

func ExamplePath_Update() {
	p, err := transform.ParsePath("spec.hosts[*]")
	if err != nil {
		panic(err)
	}
	obj := map[string]any{"spec": map[string]any{"hosts": []any{"a", "b"}}}
	err = p.Update(obj, func(value any) (any, error) { return fmt.Sprint(value, ".example.com"), nil })
	fmt.Println(obj, err)
	// Output: map[spec:map[hosts:[a.example.com b.example.com]]] <nil>
}

func TestPath(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		path   string
		want   map[string]any
	}{
		"field":        {"", "a", map[string]any{"a": "!", "b": map[string]any{"c.d": int64(1)}, "l": []any{map[string]any{"x": int64(1)}, "y"}}},
		"leading dot":  {"as kubectl writes it", ".a", map[string]any{"a": "!", "b": map[string]any{"c.d": int64(1)}, "l": []any{map[string]any{"x": int64(1)}, "y"}}},
		"quoted":       {"names may have dots", "b['c.d']", map[string]any{"a": int64(1), "b": map[string]any{"c.d": "!"}, "l": []any{map[string]any{"x": int64(1)}, "y"}}},
		"in elements":  {"other shapes are passed by", "l[*].x", map[string]any{"a": int64(1), "b": map[string]any{"c.d": int64(1)}, "l": []any{map[string]any{"x": "!"}, "y"}}},
		"elements":     {"", "l[*]", map[string]any{"a": int64(1), "b": map[string]any{"c.d": int64(1)}, "l": []any{"!", "!"}}},
		"absent":       {"what is not there stays so", "a.b.c", map[string]any{"a": int64(1), "b": map[string]any{"c.d": int64(1)}, "l": []any{map[string]any{"x": int64(1)}, "y"}}},
		"not a list":   {"", "a[*]", map[string]any{"a": int64(1), "b": map[string]any{"c.d": int64(1)}, "l": []any{map[string]any{"x": int64(1)}, "y"}}},
		"quote quoted": {"", "['it''s']", map[string]any{"a": int64(1), "b": map[string]any{"c.d": int64(1)}, "l": []any{map[string]any{"x": int64(1)}, "y"}}},
	} {
		t.Run(name, func(t *testing.T) {
			obj := map[string]any{"a": int64(1), "b": map[string]any{"c.d": int64(1)}, "l": []any{map[string]any{"x": int64(1)}, "y"}}
			p, err := transform.ParsePath(tc.path)
			require.NoError(t, err)
			require.NoError(t, p.Update(obj, func(any) (any, error) { return "!", nil }))
			if diff := cmp.Diff(tc.want, obj); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestPathsThatAreNone(t *testing.T) {
	for name, path := range map[string]string{
		"empty": "", "dot": ".", "two dots": "a..b", "ends in a dot": "a.", "list of nothing": "[*]", "number": "a[0]",
		"open bracket": "a[", "open quote": "a['b", "open after quote": "a['b'", "closing": "a]", "glued": "a[*]b", "quote": "a'b",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := transform.ParsePath(path)
			require.Error(t, err)
			require.Panics(t, func() { transform.MustPath(path) })
		})
	}
}

// FuzzParsePath: no text makes it panic, and what it takes can be walked.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"a.b", ".a[*].b", "a['x.y']", "a['it''s'][*]", "[*]", "a..b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := transform.ParsePath(text)
		if err != nil {
			return
		}
		if p.String() != text {
			t.Errorf("%q is written %q", text, p)
		}
		obj := map[string]any{"a": map[string]any{"b": []any{map[string]any{"b": "c"}, "d"}}}
		if err := p.Update(obj, func(value any) (any, error) { return value, nil }); err != nil {
			t.Error(err)
		}
	})
}

func ExamplePath_Visit() {
	p := transform.MustPath("spec.users[*].secret.name")
	p.Visit(map[string]any{"spec": map[string]any{"users": []any{
		map[string]any{"secret": map[string]any{"name": "a"}}, "no user", map[string]any{"secret": map[string]any{"name": "b"}},
	}}}, func(value any) { fmt.Println(value) })
	// Output:
	// a
	// b
}
