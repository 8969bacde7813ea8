package transformtest

import (
	"maps"
	"math/rand/v2"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// nonsense returns the object with up to four of its parts replaced by, or
// emptied of, what belongs there. The same seed gives the same object.
func nonsense(seed uint64, obj *unstructured.Unstructured) *unstructured.Unstructured {
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // chance, not secrecy
	broken := obj.DeepCopy()
	for range 1 + r.IntN(4) {
		disturb(r, broken.Object, 0)
	}
	return broken
}

// disturb goes down into a map or list and breaks something on its way.
func disturb(r *rand.Rand, m map[string]any, depth int) {
	if len(m) == 0 {
		m["nonsense"] = junk(r)
		return
	}
	fields := slices.Sorted(maps.Keys(m))
	if depth == 0 { // a server knows kind and name of what it sends
		fields = slices.DeleteFunc(fields, func(f string) bool { return f == "apiVersion" || f == "kind" || f == "metadata" })
		if len(fields) == 0 {
			return
		}
	}
	field := fields[r.IntN(len(fields))]
	if r.IntN(4) == 0 {
		m[field] = junk(r)
		return
	}
	switch value := m[field].(type) {
	case map[string]any:
		disturb(r, value, depth+1)
	case []any:
		if len(value) == 0 {
			m[field] = junk(r)
			return
		}
		i := r.IntN(len(value))
		if inner, ok := value[i].(map[string]any); ok && r.IntN(3) > 0 {
			disturb(r, inner, depth+1)
			return
		}
		value[i] = junk(r)
	default:
		m[field] = junk(r)
	}
}

func junk(r *rand.Rand) any {
	all := []any{
		nil, "", "text", int64(-1), int64(1) << 62, 0.5, true,
		map[string]any{},
		map[string]any{"name": int64(1)},
		map[string]any{"a": map[string]any{"b": []any{nil}}},
		[]any{},
		[]any{"text"},
		[]any{nil},
		[]any{map[string]any{}},
		[]any{[]any{map[string]any{"name": "x"}}},
	}
	return (&unstructured.Unstructured{Object: map[string]any{"x": all[r.IntN(len(all))]}}).DeepCopy().Object["x"]
}
