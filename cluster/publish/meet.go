package publish

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"
)

// meeting is the intersection of two structural schemas. It notes what the
// first accepts beyond it.
type meeting struct {
	narrowed []Narrowing
}

type props = apiextensionsv1.JSONSchemaProps

func (m *meeting) narrow(path, reason string, args ...any) {
	if path == "" {
		path = "."
	}
	m.narrowed = append(m.narrowed, Narrowing{Path: path, Reason: fmt.Sprintf(reason, args...)})
}

// schemas returns what accepts what both accept; ok is false if that is
// nothing.
func (m *meeting) schemas(a, b *props, path string) (out *props, ok bool) {
	if equalProps(a, b) {
		return a, true
	}
	// A shallow copy: what a and b have is never changed in place.
	shallow := *a
	out = &shallow
	if !m.types(out, a, b, path) {
		return nil, false
	}
	if a.Nullable && !b.Nullable {
		m.narrow(path, "null is no longer accepted")
	}
	out.Nullable = a.Nullable && b.Nullable
	if !equalJSON(a.Default, b.Default) {
		out.Default = nil
	}
	if !m.enums(out, a, b, path) || !m.bounds(out, a, b, path) {
		return nil, false
	}
	if out.Default != nil && !inEnum(out.Enum, out.Default) {
		out.Default = nil
	}
	m.formats(out, a, b, path)
	var dropped []string
	if dropped, ok = m.fields(out, a, b, path); !ok {
		return nil, false
	}
	if !m.items(out, a, b, path) || !m.lists(out, a, b, path) {
		return nil, false
	}
	m.logic(out, a, b, path)
	m.rules(out, a, b, path)
	if name, ok := mentioned(out, dropped); ok {
		m.narrow(path, "a rule needs field %q, which not all accept", name)
		return nil, false
	}
	out.XEmbeddedResource = a.XEmbeddedResource || b.XEmbeddedResource
	if b.XMapType != nil && *b.XMapType == "atomic" {
		out.XMapType = b.XMapType
	}
	return out, true
}

// anything says whether a schema has no type of its own.
func anything(s *props) bool { return s.Type == "" && !s.XIntOrString }

// types finds the type that both accept.
func (m *meeting) types(out, a, b *props, path string) bool {
	switch {
	case a.Type == b.Type && a.XIntOrString == b.XIntOrString:
		return true
	case anything(a):
		m.narrow(path, "only %s is accepted", typeName(b))
		out.Type, out.XIntOrString = b.Type, b.XIntOrString
		if out.Type != "object" {
			out.XPreserveUnknownFields = nil
		}
		return true
	case anything(b):
		return true
	case a.XIntOrString && (b.Type == "integer" || b.Type == "string"):
		m.narrow(path, "only %s is accepted", b.Type)
		out.XIntOrString, out.Type, out.AnyOf = false, b.Type, nil
		return true
	case b.XIntOrString && (a.Type == "integer" || a.Type == "string"):
		return true
	case a.Type == "number" && b.Type == "integer":
		m.narrow(path, "only whole numbers are accepted")
		out.Type = "integer"
		return true
	case a.Type == "integer" && b.Type == "number":
		return true
	}
	m.narrow(path, "%s and %s have no values in common", typeName(a), typeName(b))
	return false
}

func typeName(s *props) string {
	switch {
	case s.XIntOrString:
		return "integer or string"
	case s.Type == "":
		return "any value"
	}
	return s.Type
}

func (m *meeting) enums(out, a, b *props, path string) bool {
	if len(b.Enum) == 0 {
		return true
	}
	if len(a.Enum) == 0 {
		m.narrow(path, "only certain values are accepted")
		out.Enum = slices.Clone(b.Enum)
		return true
	}
	out.Enum = nil
	for _, v := range a.Enum {
		if slices.ContainsFunc(b.Enum, func(o apiextensionsv1.JSON) bool { return string(o.Raw) == string(v.Raw) }) {
			out.Enum = append(out.Enum, v)
			continue
		}
		m.narrow(path, "value %s is no longer accepted", v.Raw)
	}
	return len(out.Enum) > 0
}

// bounds takes the tighter of each.
func (m *meeting) bounds(out, a, b *props, path string) bool {
	tighter(m, path, "length", &out.MaxLength, a.MaxLength, b.MaxLength, -1)
	tighter(m, path, "length", &out.MinLength, a.MinLength, b.MinLength, 1)
	tighter(m, path, "number of items", &out.MaxItems, a.MaxItems, b.MaxItems, -1)
	tighter(m, path, "number of items", &out.MinItems, a.MinItems, b.MinItems, 1)
	tighter(m, path, "number of fields", &out.MaxProperties, a.MaxProperties, b.MaxProperties, -1)
	tighter(m, path, "number of fields", &out.MinProperties, a.MinProperties, b.MinProperties, 1)
	m.limit(path, &out.Maximum, &out.ExclusiveMaximum, a.Maximum, b.Maximum, a.ExclusiveMaximum, b.ExclusiveMaximum, -1)
	m.limit(path, &out.Minimum, &out.ExclusiveMinimum, a.Minimum, b.Minimum, a.ExclusiveMinimum, b.ExclusiveMinimum, 1)
	if b.MultipleOf != nil && (a.MultipleOf == nil || *a.MultipleOf != *b.MultipleOf) {
		m.narrow(path, "only multiples of %v are accepted", *b.MultipleOf)
		if a.MultipleOf == nil {
			out.MultipleOf = b.MultipleOf
		} else {
			out.AllOf = append(slices.Clip(out.AllOf), props{MultipleOf: b.MultipleOf})
		}
	}
	if b.Pattern != "" && b.Pattern != a.Pattern {
		m.narrow(path, "must match %s", b.Pattern)
		if a.Pattern == "" {
			out.Pattern = b.Pattern
		} else {
			out.AllOf = append(slices.Clip(out.AllOf), props{Pattern: b.Pattern})
		}
	}
	return (out.Minimum == nil || out.Maximum == nil || *out.Minimum <= *out.Maximum) &&
		(out.MinLength == nil || out.MaxLength == nil || *out.MinLength <= *out.MaxLength) &&
		(out.MinItems == nil || out.MaxItems == nil || *out.MinItems <= *out.MaxItems) &&
		(out.MinProperties == nil || out.MaxProperties == nil || *out.MinProperties <= *out.MaxProperties)
}

// tighter sets out to the tighter of two bounds; sign is 1 for lower bounds.
func tighter[T cmp.Ordered](m *meeting, path, what string, out **T, a, b *T, sign int) {
	if b == nil || (a != nil && sign*cmp.Compare(*b, *a) <= 0) {
		return
	}
	*out = new(*b)
	m.narrow(path, "the %s is limited by %v", what, *b)
}

func (m *meeting) limit(path string, out **float64, exclusive *bool, a, b *float64, aEx, bEx bool, sign int) {
	switch {
	case b == nil:
	case a == nil || sign*cmp.Compare(*b, *a) > 0:
		*out, *exclusive = new(*b), bEx
		m.narrow(path, "the value is limited by %v", *b)
	case *a == *b && bEx && !aEx:
		*exclusive = true
		m.narrow(path, "the value must not be %v", *b)
	}
}

// wider formats contain narrower ones.
var wider = map[string]string{"int32": "int64", "float": "double"}

func (m *meeting) formats(out, a, b *props, path string) {
	switch {
	case b.Format == "" || a.Format == b.Format || wider[a.Format] == b.Format:
	case a.Format == "" || wider[b.Format] == a.Format:
		m.narrow(path, "must have format %s", b.Format)
		out.Format = b.Format
	default:
		m.narrow(path, "must have format %s too", b.Format)
		out.AllOf = append(slices.Clip(out.AllOf), props{Format: b.Format})
	}
}

func (m *meeting) items(out, a, b *props, path string) bool {
	switch {
	case b.Items == nil || b.Items.Schema == nil:
		return true
	case a.Items == nil || a.Items.Schema == nil:
		m.narrow(path+"[]", "only certain items are accepted")
		out.Items = b.Items.DeepCopy()
		return true
	}
	item, ok := m.schemas(a.Items.Schema, b.Items.Schema, path+"[]")
	if ok {
		out.Items = &apiextensionsv1.JSONSchemaPropsOrArray{Schema: item}
	}
	return ok
}

// lists keeps the stricter of two list types: one that rules out duplicates.
func (m *meeting) lists(out, a, b *props, path string) bool {
	if out.Type != "array" {
		return true
	}
	kind := func(s *props) string { return ptr.Deref(s.XListType, "atomic") }
	switch {
	case kind(a) == kind(b) && slices.Equal(a.XListMapKeys, b.XListMapKeys):
	case kind(b) == "atomic":
	case kind(a) == "atomic":
		m.narrow(path, "items must differ")
		out.XListType, out.XListMapKeys = b.XListType, slices.Clone(b.XListMapKeys)
	default:
		m.narrow(path, "items are told apart in different ways")
		return false
	}
	if len(out.XListMapKeys) > 0 && (out.Items == nil || out.Items.Schema == nil || !keyed(out.Items.Schema, out.XListMapKeys)) {
		m.narrow(path, "items cannot be told apart by %v", out.XListMapKeys)
		return false
	}
	return true
}

// logic demands the conditions of both.
func (m *meeting) logic(out, a, b *props, path string) {
	if len(b.AllOf) > 0 && !equality.Semantic.DeepEqual(a.AllOf, b.AllOf) {
		m.narrow(path, "further conditions must hold")
		out.AllOf = append(slices.Clip(out.AllOf), b.DeepCopy().AllOf...)
	}
	if len(b.AnyOf) > 0 && !out.XIntOrString && !equality.Semantic.DeepEqual(a.AnyOf, b.AnyOf) {
		m.narrow(path, "one of further conditions must hold")
		out.AllOf = append(slices.Clip(out.AllOf), props{AnyOf: b.DeepCopy().AnyOf})
	}
	if len(b.OneOf) > 0 && !equality.Semantic.DeepEqual(a.OneOf, b.OneOf) {
		m.narrow(path, "exactly one of further conditions must hold")
		out.AllOf = append(slices.Clip(out.AllOf), props{OneOf: b.DeepCopy().OneOf})
	}
	if b.Not != nil && !equality.Semantic.DeepEqual(a.Not, b.Not) {
		m.narrow(path, "a further condition must not hold")
		out.AllOf = append(slices.Clip(out.AllOf), props{Not: b.Not.DeepCopy()})
	}
}

// rules demands the CEL rules of both.
func (m *meeting) rules(out, a, b *props, path string) {
	for _, r := range b.XValidations {
		if !slices.ContainsFunc(a.XValidations, func(o apiextensionsv1.ValidationRule) bool { return o.Rule == r.Rule }) {
			m.narrow(path, "rule must hold: %s", r.Rule)
			out.XValidations = append(slices.Clip(out.XValidations), r)
		}
	}
}

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// mentioned finds a dropped field in the rules and conditions of a schema.
// Rules are compared by words: one that merely looks as if it needed the field
// counts, since a rule about a field that does not exist makes the schema
// invalid.
func mentioned(s *props, dropped []string) (string, bool) {
	if len(dropped) == 0 {
		return "", false
	}
	gone := map[string]bool{}
	for _, d := range dropped {
		gone[d] = true
	}
	for _, r := range s.XValidations {
		for _, w := range word.FindAllString(r.Rule+" "+r.MessageExpression, -1) {
			if gone[w] {
				return w, true
			}
		}
	}
	conditions := slices.Concat(s.AllOf, s.AnyOf, s.OneOf)
	if s.Not != nil {
		conditions = append(conditions, *s.Not)
	}
	for i := range conditions {
		c := &conditions[i]
		for _, name := range slices.Concat(slices.Collect(maps.Keys(c.Properties)), c.Required) {
			if gone[name] {
				return name, true
			}
		}
		if name, ok := mentioned(c, dropped); ok {
			return name, true
		}
	}
	return "", false
}
