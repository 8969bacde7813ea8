package expression

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
)

// merge merges a patch into an object, by RFC 7386. The patch is the result of
// an expression and belongs to nobody else.
func merge(obj, patch map[string]any) {
	for field, value := range patch {
		inner, isMap := value.(map[string]any)
		switch there, mergeable := obj[field].(map[string]any); {
		case value == nil:
			delete(obj, field)
		case isMap && mergeable && there != nil:
			merge(there, inner)
		case isMap:
			fresh := map[string]any{}
			merge(fresh, inner) // without its nulls
			obj[field] = fresh
		default:
			obj[field] = value
		}
	}
}

// operate applies one operation of RFC 6902, in place.
func operate(obj map[string]any, item any) error {
	operation, _ := item.(map[string]any)
	op, _ := operation["op"].(string)
	path, err := pointer(operation["path"])
	if err != nil {
		return err
	}
	value, hasValue := operation["value"]
	switch op {
	case "add", "replace", "test":
		if !hasValue {
			return fmt.Errorf("%s needs a value", op)
		}
		return edit(obj, path, op, value)
	case "remove":
		return edit(obj, path, op, nil)
	case "copy", "move":
		from, err := pointer(operation["from"])
		if err != nil {
			return fmt.Errorf("from: %w", err)
		}
		if value, err = find(obj, from); err != nil {
			return err
		}
		if op == "move" {
			if len(path) > len(from) && slices.Equal(path[:len(from)], from) {
				return errors.New("nothing can be moved into itself")
			}
			if err := edit(obj, from, "remove", nil); err != nil {
				return err
			}
		}
		return edit(obj, path, "add", runtime.DeepCopyJSONValue(value))
	}
	return fmt.Errorf("there is no operation %q", op)
}

// pointer parses a JSON pointer, which must lead to a field.
func pointer(value any) ([]string, error) {
	text, ok := value.(string)
	if !ok || !strings.HasPrefix(text, "/") {
		return nil, fmt.Errorf("%v is not the path of a field", value)
	}
	parts := strings.Split(text[1:], "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
	}
	return parts, nil
}

// find returns what a pointer leads to.
func find(value any, path []string) (any, error) {
	for _, part := range path {
		switch v := value.(type) {
		case map[string]any:
			inner, has := v[part]
			if !has {
				return nil, fmt.Errorf("there is no %q", part)
			}
			value = inner
		case []any:
			i, err := index(part, len(v)-1)
			if err != nil {
				return nil, err
			}
			value = v[i]
		default:
			return nil, fmt.Errorf("there is no %q in a %T", part, value)
		}
	}
	return value, nil
}

// edit changes what a pointer leads to. A list that grows or shrinks is put
// back into its holder.
func edit(obj map[string]any, path []string, op string, value any) error {
	last := len(path) - 1
	parent, err := find(obj, path[:last])
	if err != nil {
		return err
	}
	switch holder := parent.(type) {
	case map[string]any:
		return editField(holder, path[last], op, value)
	case []any:
		list, err := editList(holder, path[last], op, value)
		if err != nil {
			return err
		}
		return edit(obj, path[:last], "replace", list)
	}
	return fmt.Errorf("there is no %q in a %T", path[last], parent)
}

func editField(m map[string]any, field, op string, value any) error {
	there, has := m[field]
	switch {
	case m == nil:
		return fmt.Errorf("there is nothing that has %q", field)
	case op == "add":
		m[field] = value
		return nil
	case !has:
		return fmt.Errorf("there is no %q", field)
	case op == "remove":
		delete(m, field)
	case op == "replace":
		m[field] = value
	case !reflect.DeepEqual(there, value):
		return fmt.Errorf("%q is not what is tested for", field)
	}
	return nil
}

func editList(list []any, part, op string, value any) ([]any, error) {
	if op == "add" {
		if part == "-" {
			return append(list, value), nil
		}
		i, err := index(part, len(list))
		if err != nil {
			return nil, err
		}
		return slices.Insert(list, i, value), nil
	}
	i, err := index(part, len(list)-1)
	switch {
	case err != nil:
		return nil, err
	case op == "remove":
		return slices.Delete(list, i, i+1), nil
	case op == "replace":
		list[i] = value
	case !reflect.DeepEqual(list[i], value):
		return nil, fmt.Errorf("element %d is not what is tested for", i)
	}
	return list, nil
}

// index parses the index of an element, at most last.
func index(part string, last int) (int, error) {
	i, err := strconv.Atoi(part)
	if err != nil || i < 0 || i > last || part != strconv.Itoa(i) {
		return 0, fmt.Errorf("there is no element %q", part)
	}
	return i, nil
}
