package transform

import (
	"errors"
	"fmt"
	"strings"
)

// Path leads to fields of an object: "spec.template.spec",
// "spec.workers[*].template", "metadata.annotations['example.com/host']".
type Path struct {
	text  string
	steps []step
}

// step is one field, or every element of a list.
type step struct {
	field string
	each  bool
}

// maxPath bounds the number of steps of a path.
const maxPath = 64

// ParsePath parses a path. A field whose name has dots or brackets stands in
// brackets and single quotes, a quote in it written twice; [*] stands for every
// element of a list. A leading dot is allowed.
func ParsePath(text string) (Path, error) {
	p := Path{text: text}
	rest := strings.TrimPrefix(text, ".")
	for first := true; rest != ""; first = false {
		s, after, err := nextStep(rest, first)
		if err != nil {
			return Path{}, fmt.Errorf("path %q: %w", text, err)
		}
		if p.steps = append(p.steps, s); len(p.steps) > maxPath {
			return Path{}, fmt.Errorf("path of more than %d steps", maxPath)
		}
		rest = after
	}
	if len(p.steps) == 0 {
		return Path{}, errors.New("path is empty")
	}
	if p.steps[0].each {
		return Path{}, fmt.Errorf("path %q: an object is no list", text)
	}
	return p, nil
}

// nextStep cuts the first step off a path.
func nextStep(rest string, first bool) (s step, after string, err error) {
	switch {
	case strings.HasPrefix(rest, "[*]"):
		return step{each: true}, rest[len("[*]"):], nil
	case strings.HasPrefix(rest, "['"):
		return quotedStep(rest[len("['"):])
	case strings.HasPrefix(rest, "["):
		return step{}, "", errors.New("brackets hold * or a quoted name")
	}
	if !first {
		dotless, ok := strings.CutPrefix(rest, ".")
		if !ok {
			return step{}, "", errors.New("a dot is missing")
		}
		rest = dotless
	}
	end := strings.IndexAny(rest, ".[]'")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		return step{}, "", errors.New("a field has no name")
	}
	return step{field: rest[:end]}, rest[end:], nil
}

func quotedStep(rest string) (s step, after string, err error) {
	var name strings.Builder
	for {
		before, behind, ok := strings.Cut(rest, "'")
		if !ok {
			return step{}, "", errors.New("a quote is not closed")
		}
		name.WriteString(before)
		if more, twice := strings.CutPrefix(behind, "'"); twice {
			name.WriteByte('\'')
			rest = more
			continue
		}
		after, ok = strings.CutPrefix(behind, "]")
		if !ok {
			return step{}, "", errors.New("a bracket is not closed")
		}
		return step{field: name.String()}, after, nil
	}
}

// MustPath is ParsePath for paths that are written in code: it panics on a path
// that is none.
func MustPath(text string) Path {
	p, err := ParsePath(text)
	if err != nil {
		panic(err)
	}
	return p
}

// String returns the path as it was written.
func (p Path) String() string { return p.text }

// Update calls fn with every value that the path leads to in an object and puts
// what it returns in its place. Where the object has another shape there is
// nothing to update. It stops at the first error.
func (p Path) Update(obj map[string]any, fn func(value any) (any, error)) error {
	if len(p.steps) == 0 || obj == nil {
		return nil
	}
	return updateField(obj, p.steps, fn)
}

// Visit calls fn with every value that the path leads to in an object. It changes
// nothing.
func (p Path) Visit(obj map[string]any, fn func(value any)) {
	if len(p.steps) > 0 && obj != nil {
		visit(obj, p.steps, fn)
	}
}

func visit(value any, steps []step, fn func(any)) {
	if len(steps) == 0 {
		fn(value)
		return
	}
	if steps[0].each {
		list, _ := value.([]any)
		for _, item := range list {
			visit(item, steps[1:], fn)
		}
		return
	}
	m, _ := value.(map[string]any)
	if inner, ok := m[steps[0].field]; ok {
		visit(inner, steps[1:], fn)
	}
}

func updateField(m map[string]any, steps []step, fn func(any) (any, error)) error {
	value, ok := m[steps[0].field]
	if !ok {
		return nil
	}
	if len(steps) > 1 {
		return updateValue(value, steps[1:], fn)
	}
	updated, err := fn(value)
	if err == nil {
		m[steps[0].field] = updated
	}
	return err
}

func updateValue(value any, steps []step, fn func(any) (any, error)) error {
	if !steps[0].each {
		m, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		return updateField(m, steps, fn)
	}
	list, _ := value.([]any)
	for i, item := range list {
		if len(steps) > 1 {
			if err := updateValue(item, steps[1:], fn); err != nil {
				return err
			}
			continue
		}
		updated, err := fn(item)
		if err != nil {
			return err
		}
		list[i] = updated
	}
	return nil
}

// remove deletes the fields that the path leads to.
func (p Path) remove(obj map[string]any) {
	last := len(p.steps) - 1
	if last < 0 || p.steps[last].each {
		return
	}
	if last == 0 {
		delete(obj, p.steps[0].field)
		return
	}
	_ = Path{steps: p.steps[:last]}.Update(obj, func(value any) (any, error) { // it fails for nothing
		if m, ok := value.(map[string]any); ok {
			delete(m, p.steps[last].field)
		}
		return value, nil
	})
}

// covers says whether a field, written as changedFields does with the index of
// an element in brackets, is what the path leads to, or within it.
func (p Path) covers(field string) bool {
	rest := field
	for i, s := range p.steps {
		if s.each {
			end := strings.IndexByte(rest, ']')
			if !strings.HasPrefix(rest, "[") || end < 0 {
				return false
			}
			rest = rest[end+1:]
			continue
		}
		found, after, err := nextStep(rest, i == 0)
		if err != nil || found != s {
			return false
		}
		rest = after
	}
	return true
}
