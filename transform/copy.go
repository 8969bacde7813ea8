package transform

import (
	"fmt"
	"maps"
	"slices"
)

// deepest bounds the nesting of what is copied: JSON decoders stop there, too.
const deepest = 10000

// copyMap copies the fields of m, all the way down, except those named.
func copyMap(m map[string]any, except ...string) (map[string]any, error) {
	var problem error
	out := make(map[string]any, len(m))
	for field, value := range m {
		if !slices.Contains(except, field) {
			out[field] = copyValue(value, 0, &problem)
		}
	}
	return out, problem
}

// copyValue copies a value as it stands in unstructured objects. Numbers that
// only Go code can have put there become those that JSON has; what is no JSON
// at all is a problem, where runtime.DeepCopyJSONValue would panic. Metadata
// within it, as of templates, loses reserved labels and annotations: see
// stripMetadata.
func copyValue(value any, depth int, problem *error) any {
	switch v := value.(type) {
	case string, bool, int64, float64, nil:
		return v
	case map[string]any:
		if v == nil {
			return nil // null, as JSON has it: nobody may write into a nil map
		}
		if depth > deepest {
			*problem = fmt.Errorf("it is nested deeper than %d levels", deepest)
			return nil
		}
		out := make(map[string]any, len(v))
		for field, inner := range v {
			out[field] = copyValue(inner, depth+1, problem)
			if field == "metadata" {
				stripMetadata(out[field])
			}
		}
		return out
	case []any:
		if v == nil {
			return nil // null, as JSON has it: nobody may write into a nil map
		}
		if depth > deepest {
			*problem = fmt.Errorf("it is nested deeper than %d levels", deepest)
			return nil
		}
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = copyValue(inner, depth+1, problem)
		}
		return out
	}
	return copyUncommon(value, problem)
}

// copyUncommon copies what authors write in Go by mistake, and decoders never.
func copyUncommon(value any, problem *error) any {
	switch v := value.(type) {
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case float32:
		return float64(v)
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = s
		}
		return out
	case []map[string]any:
		out := make([]any, len(v))
		for i, m := range v {
			out[i] = copyValue(m, 0, problem)
		}
		return out
	case map[string]string:
		out := make(map[string]any, len(v))
		for _, field := range slices.Sorted(maps.Keys(v)) {
			out[field] = v[field]
		}
		return out
	}
	*problem = fmt.Errorf("a %T is no JSON value", value)
	return nil
}

// plain says whether a value has only what decoders of JSON make.
func plain(value any, depth int) bool {
	switch v := value.(type) {
	case string, bool, int64, float64, nil:
		return true
	case map[string]any:
		if depth > deepest {
			return false
		}
		for _, inner := range v {
			if !plain(inner, depth+1) {
				return false
			}
		}
		return true
	case []any:
		if depth > deepest {
			return false
		}
		for _, inner := range v {
			if !plain(inner, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}
