package publish

import (
	"maps"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/utils/ptr"
)

// fields keeps the fields that both accept. A field that only one knows is
// dropped, unless the other takes any; it returns what was dropped. ok is
// false if a field is required that is not left.
func (m *meeting) fields(out, a, b *props, path string) (dropped []string, ok bool) {
	if out.Type != "object" && !anything(out) {
		return nil, true
	}
	out.Properties = nil
	for _, name := range slices.Sorted(maps.Keys(union(a.Properties, b.Properties))) {
		pa, inA := lookup(a, name)
		pb, inB := lookup(b, name)
		at := path + "." + name
		switch {
		case !inA:
			// The result must not have it, for a does not accept it; that
			// narrows only b.
			dropped = append(dropped, name)
			continue
		case !inB:
			m.narrow(at, "is no longer accepted")
			dropped = append(dropped, name)
			continue
		}
		field, fits := m.schemas(pa, pb, at)
		if !fits && takesMore(a) && takesMore(b) {
			// Dropping it would let any value through.
			return dropped, false
		}
		if !fits {
			dropped = append(dropped, name)
			continue
		}
		if out.Properties == nil {
			out.Properties = map[string]props{}
		}
		out.Properties[name] = *field
	}
	if !m.rest(out, a, b, path) {
		return dropped, false
	}
	return dropped, m.required(out, a, b, path, dropped)
}

// lookup returns what a schema demands of a field, if it accepts the field.
func lookup(s *props, name string) (*props, bool) {
	if p, ok := s.Properties[name]; ok {
		return &p, true
	}
	if s.AdditionalProperties != nil {
		if s.AdditionalProperties.Schema != nil {
			return s.AdditionalProperties.Schema, true
		}
		if s.AdditionalProperties.Allows {
			return &props{XPreserveUnknownFields: new(true), Nullable: true}, true
		}
	}
	if open(s) {
		return &props{XPreserveUnknownFields: new(true), Nullable: true}, true
	}
	return nil, false
}

// open says whether a schema accepts fields that it does not know.
func open(s *props) bool { return ptr.Deref(s.XPreserveUnknownFields, false) }

func union(a, b map[string]props) map[string]struct{} {
	names := make(map[string]struct{}, len(a)+len(b))
	for name := range a {
		names[name] = struct{}{}
	}
	for name := range b {
		names[name] = struct{}{}
	}
	return names
}

// rest is about the fields that neither schema names.
func (m *meeting) rest(out, a, b *props, path string) bool {
	out.AdditionalProperties, out.XPreserveUnknownFields = nil, nil
	av, am := values(a)
	bv, bm := values(b)
	switch {
	case !am:
	case !bm:
		m.narrow(path, "unknown fields are no longer accepted")
	case av == nil && bv == nil:
		out.XPreserveUnknownFields = new(true)
	case av == nil:
		m.narrow(path+"{}", "only certain values are accepted")
		m.open(out, bv)
	case bv == nil:
		m.open(out, av)
	default:
		v, ok := m.schemas(av, bv, path+"{}")
		if !ok {
			return false
		}
		m.open(out, v)
	}
	return true
}

// open lets a schema take fields that it does not name, of the given form.
// Structural schemas say that only where they name none.
func (m *meeting) open(out, value *props) {
	if len(out.Properties) == 0 {
		out.AdditionalProperties = &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: value.DeepCopy()}
	}
}

// values returns what a schema demands of fields that it does not name, nil if
// nothing; more is false if it takes none.
func values(s *props) (value *props, more bool) {
	if s.AdditionalProperties != nil {
		if s.AdditionalProperties.Schema != nil {
			return s.AdditionalProperties.Schema, true
		}
		return nil, s.AdditionalProperties.Allows
	}
	return nil, open(s)
}

// takesMore says whether a schema takes fields that it does not name.
func takesMore(s *props) bool {
	_, more := values(s)
	return more
}

// required demands what either demands.
func (m *meeting) required(out, a, b *props, path string, dropped []string) bool {
	out.Required = slices.Clone(a.Required)
	for _, name := range b.Required {
		if !slices.Contains(a.Required, name) {
			m.narrow(path+"."+name, "is required now")
			out.Required = append(out.Required, name)
		}
	}
	for _, name := range out.Required {
		if slices.Contains(dropped, name) {
			m.narrow(path+"."+name, "is required, and not all accept it")
			return false
		}
	}
	return true
}
