package publish

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"pgregory.net/rapid"
)

// acceptor is the validator of API servers: it accepts an object if the schema
// admits it and drops nothing of it.
type acceptor struct {
	validate   validation.SchemaValidator
	structural *structuralschema.Structural
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func newAcceptor(t fataler, s *apiextensionsv1.JSONSchemaProps) acceptor {
	t.Helper()
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(s, internal, nil); err != nil {
		t.Fatalf("convert schema: %v", err)
	}
	structural, err := structuralschema.NewStructural(internal)
	if err != nil {
		t.Fatalf("schema is not structural: %v\n%s", err, text(s))
	}
	if errs := structuralschema.ValidateStructural(nil, structural); len(errs) > 0 {
		t.Fatalf("schema is not structural: %v\n%s", errs.ToAggregate(), text(s))
	}
	v, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		t.Fatalf("build validator: %v", err)
	}
	return acceptor{validate: v, structural: structural}
}

func (a acceptor) accepts(obj map[string]any) bool {
	before, _ := json.Marshal(obj)
	var pruned map[string]any
	_ = json.Unmarshal(before, &pruned)
	pruning.Prune(pruned, a.structural, false)
	after, _ := json.Marshal(pruned)
	return bytes.Equal(before, after) &&
		len(validation.ValidateCustomResource(nil, obj, a.validate)) == 0 &&
		len(listtype.ValidateListSetsAndMaps(nil, a.structural, obj)) == 0
}

func text(v any) string {
	data, _ := json.MarshalIndent(v, "", " ")
	return string(data)
}

// drawSchema draws a structural schema of at most the given depth.
func drawSchema(t *rapid.T, depth int) apiextensionsv1.JSONSchemaProps {
	kinds := []string{"string", "integer", "number", "boolean", "intOrString", "any"}
	if depth > 0 {
		kinds = append(kinds, "object", "object", "object", "map", "array", "listMap", "set", "open")
	}
	s := apiextensionsv1.JSONSchemaProps{Nullable: rapid.Bool().Draw(t, "nullable")}
	some := func(what string) bool { return rapid.IntRange(0, 2).Draw(t, what) == 0 }
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "intOrString":
		s.XIntOrString = true
	case "any":
		s.XPreserveUnknownFields = new(true)
	case "string":
		s.Type = kind
		if some("enum") {
			for _, v := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{`"a"`, `"b"`, `""`}), 1, 3, rapid.ID).Draw(t, "values") {
				s.Enum = append(s.Enum, apiextensionsv1.JSON{Raw: []byte(v)})
			}
		}
		if some("length") {
			s.MaxLength = new(rapid.Int64Range(0, 2).Draw(t, "max"))
		}
		if some("pattern") {
			s.Pattern = rapid.SampledFrom([]string{"^a", "b$"}).Draw(t, "pattern")
		}
	case "integer", "number":
		s.Type = kind
		if some("minimum") {
			s.Minimum, s.ExclusiveMinimum = new(float64(rapid.IntRange(-1, 1).Draw(t, "min"))), rapid.Bool().Draw(t, "exclusive")
		}
		if some("maximum") {
			s.Maximum = new(float64(rapid.IntRange(2, 3).Draw(t, "max")))
		}
	case "boolean":
		s.Type = kind
	case "object", "open":
		s = drawObject(t, depth)
		if kind == "open" {
			s.XPreserveUnknownFields = new(true)
		}
	case "map":
		s.Type = "object"
		value := drawSchema(t, depth-1)
		s.AdditionalProperties = &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: &value}
	case "array", "set", "listMap":
		drawArray(t, &s, kind, depth)
	}
	return s
}

func drawObject(t *rapid.T, depth int) apiextensionsv1.JSONSchemaProps {
	s := apiextensionsv1.JSONSchemaProps{Type: "object"}
	for _, name := range []string{"f", "g", "h"} {
		if rapid.Bool().Draw(t, "has "+name) {
			if s.Properties == nil {
				s.Properties = map[string]apiextensionsv1.JSONSchemaProps{}
			}
			s.Properties[name] = drawSchema(t, depth-1)
			if rapid.IntRange(0, 2).Draw(t, "requires "+name) == 0 {
				s.Required = append(s.Required, name)
			}
		}
	}
	return s
}

func drawArray(t *rapid.T, s *apiextensionsv1.JSONSchemaProps, kind string, depth int) {
	s.Type = "array"
	item := apiextensionsv1.JSONSchemaProps{Type: "string"}
	switch kind {
	case "array":
		item = drawSchema(t, depth-1)
	case "set":
		s.XListType = new("set")
	case "listMap":
		item = apiextensionsv1.JSONSchemaProps{
			Type: "object", Required: []string{"f"},
			Properties: map[string]apiextensionsv1.JSONSchemaProps{"f": {Type: "string"}, "g": drawSchema(t, 0)},
		}
		s.XListType, s.XListMapKeys = new("map"), []string{"f"}
	}
	s.Items = &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &item}
	if rapid.Bool().Draw(t, "limited") {
		s.MaxItems = new(rapid.Int64Range(0, 2).Draw(t, "items"))
	}
}

// drawValue draws a value that has a chance to be accepted by a schema.
func drawValue(t *rapid.T, s *apiextensionsv1.JSONSchemaProps) any {
	if rapid.IntRange(0, 15).Draw(t, "stray") == 0 {
		return rapid.SampledFrom([]any{nil, "x", int64(7), 0.5, true, map[string]any{}, []any{}}).Draw(t, "value")
	}
	switch {
	case s.XIntOrString:
		return rapid.SampledFrom([]any{"a", int64(1)}).Draw(t, "value")
	case s.Type == "":
		return rapid.SampledFrom([]any{"a", int64(1), 1.5, true, map[string]any{"f": "a"}, []any{"a"}}).Draw(t, "value")
	}
	switch s.Type {
	case "string":
		return rapid.SampledFrom([]string{"", "a", "b", "ab", "aab"}).Draw(t, "value")
	case "integer":
		return rapid.Int64Range(-2, 3).Draw(t, "value")
	case "number":
		return rapid.SampledFrom([]any{int64(0), 0.5, 1.5, int64(2)}).Draw(t, "value")
	case "boolean":
		return rapid.Bool().Draw(t, "value")
	case "array":
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			out = append(out, drawValue(t, s.Items.Schema))
		}
		return out
	}
	out := map[string]any{}
	for _, name := range []string{"f", "g", "h"} {
		if p, ok := lookup(s, name); ok && rapid.IntRange(0, 3).Draw(t, "sets "+name) > 0 {
			out[name] = drawValue(t, p)
		}
	}
	return out
}

func schemaOf(s apiextensionsv1.JSONSchemaProps) *Schema {
	return &Schema{Group: "example.com", Version: "v1", Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: "Thing", Plural: "things"}, OpenAPI: &s}
}

// TestIntersectionAcceptsOnlyWhatAllAccept compares an intersection with the
// schemas that it is of, by the validators that API servers use.
func TestIntersectionAcceptsOnlyWhatAllAccept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := schemaOf(drawObject(t, 3)), schemaOf(drawObject(t, 3))
		both, report, err := Intersect(a, b)
		if err != nil {
			return
		}
		inA, inB, inBoth := newAcceptor(t, a.OpenAPI), newAcceptor(t, b.OpenAPI), newAcceptor(t, both.OpenAPI)
		for range 10 {
			from := rapid.SampledFrom([]*Schema{a, b, both}).Draw(t, "from")
			obj, ok := drawValue(t, from.OpenAPI).(map[string]any)
			if !ok {
				continue
			}
			okA, okB, okBoth := inA.accepts(obj), inB.accepts(obj), inBoth.accepts(obj)
			if okBoth && (!okA || !okB) {
				t.Fatalf("intersection accepts what not both accept (a: %v, b: %v):\n%s\na: %s\nb: %s\nboth: %s", okA, okB, text(obj), text(a.OpenAPI), text(b.OpenAPI), text(both.OpenAPI))
			}
			for i, ok := range []bool{okA, okB} {
				narrowed := false
				for _, n := range report {
					narrowed = narrowed || n.Schema == i
				}
				if ok && !okBoth && !narrowed {
					t.Fatalf("schema %d accepts what the intersection does not, and the report does not say so:\n%s\na: %s\nb: %s\nboth: %s", i, text(obj), text(a.OpenAPI), text(b.OpenAPI), text(both.OpenAPI))
				}
			}
		}
	})
}

func TestIntersectionWithItselfNarrowsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := schemaOf(drawObject(t, 3))
		same, report, err := Intersect(a, a, a)
		if err != nil || len(report) > 0 {
			t.Fatalf("intersect with itself: %v, %v\n%s", err, report, text(a.OpenAPI))
		}
		if text(a.OpenAPI) != text(same.OpenAPI) {
			t.Fatalf("intersection with itself differs:\n%s\n%s", text(a.OpenAPI), text(same.OpenAPI))
		}
	})
}

func TestAcceptorIsAsStrictAsAnAPIServer(t *testing.T) {
	a := newAcceptor(t, &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"f": {Type: "string"}}})
	require.True(t, a.accepts(map[string]any{"f": "x"}))
	require.False(t, a.accepts(map[string]any{"g": "x"}))
	require.False(t, a.accepts(map[string]any{"f": int64(1)}))
}
