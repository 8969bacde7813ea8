package publish

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// document is an OpenAPI v3 document as API servers serve it, as far as it
// matters here.
type document struct {
	Components struct {
		Schemas map[string]*component `json:"schemas"`
	} `json:"components"`
}

// component is a named schema.
type component struct {
	apiextensionsv1.JSONSchemaProps

	Kinds []metav1.GroupVersionKind `json:"x-kubernetes-group-version-kind,omitempty"`
}

const refPrefix = "#/components/schemas/"

// quantityPattern is what apimachinery parses as a quantity.
const quantityPattern = `^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$`

// structuralOf returns the structural schema of a kind, made of an API
// server's OpenAPI v3 document. It accepts what the server accepts, as far as
// a structural schema can say that.
func structuralOf(data []byte, kind schema.GroupVersionKind) (*apiextensionsv1.JSONSchemaProps, error) {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("decode OpenAPI document: %w", err)
	}
	for name, c := range doc.Components.Schemas {
		if c == nil || !slices.ContainsFunc(c.Kinds, func(k metav1.GroupVersionKind) bool {
			return k.Group == kind.Group && k.Version == kind.Version && k.Kind == kind.Kind
		}) {
			continue
		}
		s := structure{doc: &doc, open: map[string]bool{name: true}}
		props := s.convert(&c.JSONSchemaProps, place{root: true})
		if props.Type != "object" {
			return nil, fmt.Errorf("schema of %s is of type %q, not an object", kind, props.Type)
		}
		return props, nil
	}
	return nil, fmt.Errorf("OpenAPI document has no schema for %s", kind)
}

// structure turns schemas into structural ones.
type structure struct {
	doc *document
	// open are the components that are being inlined: one that contains
	// itself ends there.
	open map[string]bool
	// nodes counts what was converted.
	nodes int
}

// maxNodes bounds the size of a schema. The largest of Kubernetes have some
// 2,000 nodes; what does not end is not followed for ever.
const maxNodes = 50_000

// place is where in an object a schema applies.
type place struct {
	root, status bool
	// required says that the field is required.
	required bool
	// element says that it is an item of a list or a value of a map.
	element bool
}

func unknown() *apiextensionsv1.JSONSchemaProps {
	return &apiextensionsv1.JSONSchemaProps{XPreserveUnknownFields: new(true)}
}

// convert returns the structural form of a schema.
func (s *structure) convert(in *apiextensionsv1.JSONSchemaProps, at place) *apiextensionsv1.JSONSchemaProps {
	if s.nodes++; s.nodes > maxNodes {
		return unknown()
	}
	if name, ok := reference(in); ok {
		return s.inline(in, name, at)
	}
	if out := special(in); out != nil {
		finish(out, in, at)
		return out
	}
	out := &apiextensionsv1.JSONSchemaProps{
		Type: in.Type, Format: in.Format, Description: in.Description,
		Maximum: in.Maximum, ExclusiveMaximum: in.ExclusiveMaximum, Minimum: in.Minimum, ExclusiveMinimum: in.ExclusiveMinimum,
		MaxLength: in.MaxLength, MinLength: in.MinLength, Pattern: in.Pattern,
		MaxItems: in.MaxItems, MinItems: in.MinItems, MultipleOf: in.MultipleOf,
		MaxProperties: in.MaxProperties, MinProperties: in.MinProperties,
		Enum: in.Enum, Required: in.Required, XValidations: in.XValidations,
	}
	switch in.Type {
	case "object":
		s.object(out, in, at)
	case "array":
		s.array(out, in, at)
	case "string", "integer", "number", "boolean":
	default:
		// Any value, or something that structural schemas cannot say.
		out = unknown()
		out.Description = in.Description
	}
	finish(out, in, at)
	return out
}

// reference returns the component that a schema stands for. OpenAPI v3 wraps
// it, so that a description can stand beside it.
func reference(in *apiextensionsv1.JSONSchemaProps) (string, bool) {
	if in.Ref != nil {
		return strings.CutPrefix(*in.Ref, refPrefix)
	}
	if len(in.AllOf) == 1 && in.AllOf[0].Ref != nil && in.Type == "" {
		return strings.CutPrefix(*in.AllOf[0].Ref, refPrefix)
	}
	return "", false
}

// inline converts the component that in refers to.
func (s *structure) inline(in *apiextensionsv1.JSONSchemaProps, name string, at place) *apiextensionsv1.JSONSchemaProps {
	c := s.doc.Components.Schemas[name]
	if c == nil || s.open[name] {
		out := unknown()
		if c != nil {
			out.Type = c.Type
		}
		if out.Type != "object" {
			out.Type = ""
		}
		return out
	}
	s.open[name] = true
	defer delete(s.open, name)
	out := s.convert(&c.JSONSchemaProps, at)
	if in.Description != "" {
		out.Description = in.Description
	}
	if in.Default != nil {
		out.Default = nil
		setDefault(out, in.Default, at)
	}
	return out
}

// special converts the types that have a JSON form of their own.
func special(in *apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
	if in.Type != "" || len(in.OneOf) != 2 {
		return nil
	}
	types := []string{in.OneOf[0].Type, in.OneOf[1].Type}
	slices.Sort(types)
	switch {
	case slices.Equal(types, []string{"integer", "string"}):
		return &apiextensionsv1.JSONSchemaProps{XIntOrString: true, Description: in.Description}
	case slices.Equal(types, []string{"number", "string"}):
		// A quantity may be written as a number with a fraction, which
		// int-or-string would refuse. A schema without a type takes any value;
		// the rest rules out what is neither a number nor a quantity.
		q := unknown()
		q.Pattern = quantityPattern
		q.MaxProperties, q.MaxItems = new(int64(0)), new(int64(0))
		return q
	}
	return nil
}

func (s *structure) object(out, in *apiextensionsv1.JSONSchemaProps, at place) {
	if in.XMapType != nil {
		out.XMapType = in.XMapType
	}
	if at.root && len(in.Properties) > 0 {
		out.Required = slices.DeleteFunc(slices.Clone(in.Required), func(f string) bool {
			return f == "apiVersion" || f == "kind" || f == "metadata"
		})
	}
	for name := range in.Properties {
		if out.Properties == nil {
			out.Properties = map[string]apiextensionsv1.JSONSchemaProps{}
		}
		field := in.Properties[name]
		if at.root {
			switch name {
			case "metadata":
				out.Properties[name] = apiextensionsv1.JSONSchemaProps{Type: "object"}
				continue
			case "apiVersion", "kind":
				out.Properties[name] = apiextensionsv1.JSONSchemaProps{Type: "string"}
				continue
			}
		}
		out.Properties[name] = *s.convert(&field, place{
			status:   at.status || (at.root && name == "status"),
			required: slices.Contains(in.Required, name),
		})
	}
	switch more := in.AdditionalProperties; {
	case more != nil && more.Schema != nil && len(in.Properties) == 0:
		out.AdditionalProperties = &apiextensionsv1.JSONSchemaPropsOrBool{
			Allows: true, Schema: s.convert(more.Schema, place{status: at.status, required: true, element: true}),
		}
	case len(in.Properties) == 0:
		out.XPreserveUnknownFields = new(true)
	}
}

func (s *structure) array(out, in *apiextensionsv1.JSONSchemaProps, at place) {
	item := unknown()
	if in.Items != nil && in.Items.Schema != nil {
		item = s.convert(in.Items.Schema, place{status: at.status, required: true, element: true})
	}
	out.Items = &apiextensionsv1.JSONSchemaPropsOrArray{Schema: item}
	if in.XListType == nil {
		return
	}
	switch *in.XListType {
	case "map":
		if keyed(item, in.XListMapKeys) {
			out.XListType, out.XListMapKeys = in.XListType, in.XListMapKeys
		} else {
			out.XListType = new("atomic")
		}
	case "set":
		if item.Type != "object" && item.Type != "array" && item.Type != "" {
			out.XListType = in.XListType
		} else {
			out.XListType = new("atomic")
		}
	default:
		out.XListType = in.XListType
	}
}

// keyed makes the given fields of an item fit to identify it: each is a scalar
// that is required or has a default, and is never null.
func keyed(item *apiextensionsv1.JSONSchemaProps, keys []string) bool {
	if len(keys) == 0 || item.Type != "object" {
		return false
	}
	item.Properties = maps.Clone(item.Properties)
	for _, k := range keys {
		f, ok := item.Properties[k]
		if !ok || f.Type == "object" || f.Type == "array" || f.Type == "" {
			return false
		}
		f.Nullable = false
		switch {
		case slices.Contains(item.Required, k):
		case f.Default != nil:
		case f.Type == "string":
			f.Default = &apiextensionsv1.JSON{Raw: []byte(`""`)}
		default:
			return false
		}
		item.Properties[k] = f
	}
	return true
}

// finish adds what depends on the place of a schema.
func finish(out, in *apiextensionsv1.JSONSchemaProps, at place) {
	if at.root {
		return
	}
	if !at.required {
		// Where a field may be left out, API servers take null for that, and
		// an empty string where it has only so many values.
		out.Nullable = true
		if out.Type == "string" && len(out.Enum) > 0 {
			empty := apiextensionsv1.JSON{Raw: []byte(`""`)}
			if !slices.ContainsFunc(out.Enum, func(v apiextensionsv1.JSON) bool { return string(v.Raw) == `""` }) {
				out.Enum = append(slices.Clone(out.Enum), empty)
			}
		}
	}
	setDefault(out, in.Default, at)
}

// setDefault keeps the defaults that API servers apply. Their documents also
// have the zero value as the default of each field that Go code does not omit:
// for spec fields that would make them optional which the server requires.
func setDefault(out *apiextensionsv1.JSONSchemaProps, value *apiextensionsv1.JSON, at place) {
	if value == nil || at.element {
		return
	}
	switch strings.TrimSpace(string(value.Raw)) {
	case `{}`, `[]`, `null`:
		return
	case `""`, `0`, `false`:
		if !at.status || !at.required {
			return
		}
	}
	if out.Type == "" || out.Type == "object" || out.Type == "array" || !inEnum(out.Enum, value) {
		return
	}
	out.Default = value
}

// inEnum says whether an enum admits a value; an empty one admits any.
func inEnum(enum []apiextensionsv1.JSON, value *apiextensionsv1.JSON) bool {
	return len(enum) == 0 || slices.ContainsFunc(enum, func(v apiextensionsv1.JSON) bool { return string(v.Raw) == string(value.Raw) })
}

func lower(s string) string { return strings.ToLower(s) }
