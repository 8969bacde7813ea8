package publish

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// ErrIncompatible says that no schema accepts what all of several accept,
// other than one that accepts nothing of use.
var ErrIncompatible = errors.New("schemas are incompatible")

// Narrowing is one way in which an intersection accepts less than one of the
// schemas that it is of.
type Narrowing struct {
	// Schema is the index of that schema.
	Schema int
	// Path of the field, as ".spec.replicas"; items are "[]", values of maps
	// "{}".
	Path string
	// Reason says what it no longer accepts.
	Reason string
}

// String implements fmt.Stringer.
func (n Narrowing) String() string {
	return fmt.Sprintf("schema %d: %s: %s", n.Schema, n.Path, n.Reason)
}

// Intersect returns a schema that accepts only what all given schemas accept:
// objects that it admits can go to any cluster that one of them is from. The
// report says what each of them accepts beyond it, sorted by path.
//
// The error wraps ErrIncompatible if they have too little in common, and says
// where.
func Intersect(schemas ...*Schema) (*Schema, []Narrowing, error) {
	if len(schemas) == 0 {
		return nil, nil, fmt.Errorf("intersect schemas: %w: none given", ErrIncompatible)
	}
	// Equal schemas narrow the same: users of each distinct one, by index.
	var distinct []*Schema
	var users [][]int
	out := schemas[0].clone()
	for i, s := range schemas {
		if err := sameAPI(out, s); err != nil {
			return nil, nil, err
		}
		if d := slices.IndexFunc(distinct, func(o *Schema) bool { return sameSchema(o, s) }); d >= 0 {
			users[d] = append(users[d], i)
			continue
		}
		distinct, users = append(distinct, s), append(users, []int{i})
		if i == 0 {
			continue
		}
		merged, err := meet(out, s)
		if err != nil {
			return nil, nil, err
		}
		out = merged
	}
	var report []Narrowing
	for d, s := range distinct {
		narrowed, err := Narrowings(s, out)
		if err != nil {
			return nil, nil, err
		}
		for _, i := range users[d] {
			for _, n := range narrowed {
				n.Schema = i
				report = append(report, n)
			}
		}
	}
	slices.SortStableFunc(report, func(a, b Narrowing) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Schema, b.Schema))
	})
	return out, report, nil
}

// Narrowings says where next accepts less than old does: what may break
// objects that exist, if next takes the place of old. None means that next
// accepts all that old accepts.
func Narrowings(old, next *Schema) ([]Narrowing, error) {
	if err := sameAPI(old, next); err != nil {
		return nil, err
	}
	m := meeting{}
	_, ok := m.schemas(old.OpenAPI, next.OpenAPI, "")
	if old.Subresources.Status != nil && next.Subresources.Status == nil {
		m.narrow(".status", "is not a subresource any longer")
	}
	if old.Subresources.Scale != nil && next.Subresources.Scale == nil {
		m.narrow(".scale", "is not a subresource any longer")
	}
	if !ok {
		m.narrow("", "nothing that both accept is left")
	}
	slices.SortStableFunc(m.narrowed, func(a, b Narrowing) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(m.narrowed), nil
}

// sameAPI says whether two schemas are of one API at all.
func sameAPI(a, b *Schema) error {
	switch {
	case a.Kind() != b.Kind() || a.Names.Plural != b.Names.Plural:
		return fmt.Errorf("intersect schemas: %w: %s (%s) and %s (%s) are different APIs", ErrIncompatible, a.Kind(), a.Names.Plural, b.Kind(), b.Names.Plural)
	case a.Scope != b.Scope:
		return fmt.Errorf("intersect schemas of %s: %w: one is %s, another %s", a.Kind(), ErrIncompatible, a.Scope, b.Scope)
	case a.OpenAPI == nil || b.OpenAPI == nil:
		return fmt.Errorf("intersect schemas of %s: %w: one is empty", a.Kind(), ErrIncompatible)
	}
	return nil
}

// sameSchema says whether two schemas are equal, as those of clusters of one
// version are.
func sameSchema(a, b *Schema) bool {
	return a == b || equalProps(a.OpenAPI, b.OpenAPI) && equality.Semantic.DeepEqual(a.Subresources, b.Subresources)
}

func meet(a, b *Schema) (*Schema, error) {
	m := meeting{}
	props, ok := m.schemas(a.OpenAPI, b.OpenAPI, "")
	if !ok {
		at := ""
		if len(m.narrowed) > 0 {
			at = ": " + m.narrowed[len(m.narrowed)-1].String()
		}
		return nil, fmt.Errorf("intersect schemas of %s: %w%s", a.Kind(), ErrIncompatible, at)
	}
	out := a.clone()
	out.OpenAPI = props
	if b.Subresources.Status == nil {
		out.Subresources.Status = nil
	}
	if b.Subresources.Scale == nil {
		out.Subresources.Scale = nil
	}
	out.Columns = slices.DeleteFunc(out.Columns, func(c apiextensionsv1.CustomResourceColumnDefinition) bool {
		return !strings.HasPrefix(c.JSONPath, ".metadata") && !hasColumn(props, c.JSONPath)
	})
	return out, nil
}

// hasColumn says whether the field that a column begins with is there.
func hasColumn(props *apiextensionsv1.JSONSchemaProps, path string) bool {
	fields := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' })
	return len(fields) < 2 || has(props, fields[0], fields[1]) || !has(props, fields[0])
}
