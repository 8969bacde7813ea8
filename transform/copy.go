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
	c := copier{batch: true}
	out := make(map[string]any, len(m))
	for field, value := range m {
		if !slices.Contains(except, field) {
			out[field] = c.copy(value, 0)
		}
	}
	return out, c.problem
}

// copyValue copies a value; what it finds wrong goes into problem.
func copyValue(value any, problem *error) any {
	var c copier
	out := c.copy(value, 0)
	if c.problem != nil {
		*problem = c.problem
	}
	return out
}

// copier copies values as they stand in unstructured objects. Numbers that only
// Go code can have put there become those that JSON has; what is no JSON at all is
// a problem, where runtime.DeepCopyJSONValue would panic. Metadata within a value,
// as of templates, loses reserved labels and annotations: see stripMetadata.
type copier struct {
	batch   bool  // whether one allocation is to serve many lists: most are short
	room    []any // what is left of it
	problem error
}

const (
	shortList   = 8
	roomAtATime = 32
)

// list returns a list with room for n items and no more, so that who
// appends to it writes into no other.
func (c *copier) list(n int) []any {
	if !c.batch || n == 0 || n > shortList {
		return make([]any, n)
	}
	if len(c.room) < n {
		c.room = make([]any, roomAtATime)
	}
	list := c.room[:n:n]
	c.room = c.room[n:]
	return list
}

func (c *copier) copy(value any, depth int) any {
	switch v := value.(type) {
	case string, bool, int64, float64, nil:
		return v
	case map[string]any:
		if v == nil {
			return nil // null, as JSON has it: nobody may write into a nil map
		}
		if c.tooDeep(depth) {
			return nil
		}
		out := maps.Clone(v)
		for field, inner := range v {
			switch inner.(type) {
			case string, bool, int64, float64, nil:
				continue
			}
			out[field] = c.copy(inner, depth+1)
			if field == "metadata" {
				stripMetadata(out[field])
			}
		}
		return out
	case []any:
		if v == nil {
			return nil
		}
		if c.tooDeep(depth) {
			return nil
		}
		out := c.list(len(v))
		for i, inner := range v {
			out[i] = c.copy(inner, depth+1)
		}
		return out
	}
	return c.uncommon(value)
}

func (c *copier) tooDeep(depth int) bool {
	if depth > deepest {
		c.problem = fmt.Errorf("it is nested deeper than %d levels", deepest)
	}
	return depth > deepest
}

// uncommon copies what authors write in Go by mistake, and decoders never.
func (c *copier) uncommon(value any) any {
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
			out[i] = c.copy(m, 0)
		}
		return out
	case map[string]string:
		out := make(map[string]any, len(v))
		for _, field := range slices.Sorted(maps.Keys(v)) {
			out[field] = v[field]
		}
		return out
	}
	c.problem = fmt.Errorf("a %T is no JSON value", value)
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
