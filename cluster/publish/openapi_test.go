package publish

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

var thing = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Thing"}

// openAPI returns a document with a Thing that has the given fields.
func openAPI(tb testing.TB, fields string) []byte {
	tb.Helper()
	data, err := yaml.YAMLToJSON([]byte(`
components:
  schemas:
    Thing:
      type: object
      required: [spec]
      properties: ` + fields + `
      x-kubernetes-group-version-kind: [{group: example.com, version: v1, kind: Thing}]
    Quantity: {description: a number, oneOf: [{type: string}, {type: number}]}
    IntOrString: {format: int-or-string, oneOf: [{type: integer}, {type: string}]}
    Raw: {type: object}
    Meta: {type: object, properties: {name: {type: string}}}
    Tree: {type: object, properties: {children: {type: array, items: {$ref: "#/components/schemas/Tree"}}}}
    Port: {type: object, required: [number], properties: {number: {type: integer, default: 0}, protocol: {type: string, default: TCP}, name: {type: string}}}
`))
	require.NoError(tb, err)
	return data
}

func TestStructuralOf(t *testing.T) {
	cases := map[string]struct {
		reason, fields, want string
	}{
		"type and object metadata": {
			"API servers validate these themselves",
			`{apiVersion: {type: string, description: x}, kind: {type: string}, metadata: {default: {}, allOf: [{$ref: "#/components/schemas/Meta"}]}}`,
			`{apiVersion: {type: string}, kind: {type: string}, metadata: {type: object}}`,
		},
		"reference": {
			"references are followed; null stands for what is left out",
			`{spec: {default: {}, description: why, allOf: [{$ref: "#/components/schemas/Meta"}]}}`,
			`{spec: {type: object, description: why, properties: {name: {type: string, nullable: true}}}}`,
		},
		"quantity": {
			"a quantity may be a number with a fraction",
			`{q: {$ref: "#/components/schemas/Quantity"}}`,
			`{q: {nullable: true, x-kubernetes-preserve-unknown-fields: true, maxItems: 0, maxProperties: 0, pattern: '` + quantityPattern + `'}}`,
		},
		"int or string":     {"this has a form of its own", `{q: {$ref: "#/components/schemas/IntOrString"}}`, `{q: {nullable: true, x-kubernetes-int-or-string: true}}`},
		"raw":               {"an object without fields may have any", `{q: {$ref: "#/components/schemas/Raw"}}`, `{q: {type: object, nullable: true, x-kubernetes-preserve-unknown-fields: true}}`},
		"recursion":         {"what contains itself ends where it does", `{q: {$ref: "#/components/schemas/Tree"}}`, `{q: {type: object, nullable: true, properties: {children: {type: array, nullable: true, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}}`},
		"missing reference": {"any value is better than none", `{q: {$ref: "#/components/schemas/Nowhere"}}`, `{q: {x-kubernetes-preserve-unknown-fields: true}}`},
		"zero defaults":     {"they would make optional what the server requires", `{spec: {type: object, required: [count], properties: {count: {type: integer, default: 0}}}}`, `{spec: {type: object, required: [count], properties: {count: {type: integer}}}}`},
		"zero in the status": {
			"servers fill in counters that nobody set", `{status: {type: object, required: [count], properties: {count: {type: integer, default: 0}}}}`,
			`{status: {type: object, nullable: true, required: [count], properties: {count: {type: integer, default: 0}}}}`,
		},
		"enum": {"an empty string stands for what is left out", `{q: {type: string, enum: [A]}}`, `{q: {type: string, nullable: true, enum: [A, ""]}}`},
		"list map": {
			"keys have values, by default at least",
			`{q: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [number, protocol, name], items: {default: {}, allOf: [{$ref: "#/components/schemas/Port"}]}}}`,
			`{q: {type: array, nullable: true, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [number, protocol, name], items: {type: object, required: [number], properties: {
                number: {type: integer}, protocol: {type: string, default: TCP}, name: {type: string, default: ""}}}}}`,
		},
		"list map without keys": {
			"items that cannot be told apart are one value",
			`{q: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [nope], items: {$ref: "#/components/schemas/Port"}}}`,
			`{q: {type: array, nullable: true, x-kubernetes-list-type: atomic, items: {type: object, required: [number], properties: {
                number: {type: integer}, protocol: {type: string, nullable: true, default: TCP}, name: {type: string, nullable: true}}}}}`,
		},
		"map":  {"values have no default", `{q: {type: object, additionalProperties: {type: string, default: ""}}}`, `{q: {type: object, nullable: true, additionalProperties: {type: string}}}`},
		"any":  {"no type: any value", `{q: {description: any}}`, `{q: {description: any, nullable: true, x-kubernetes-preserve-unknown-fields: true}}`},
		"list": {"items of any kind", `{q: {type: array}}`, `{q: {type: array, nullable: true, items: {x-kubernetes-preserve-unknown-fields: true}}}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := structuralOf(openAPI(t, tc.fields), thing)
			require.NoError(t, err)
			if diff := cmp.Diff(parseProps(t, `{properties: `+tc.want+`}`).Properties, got.Properties); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			newAcceptor(t, got)
		})
	}
}

func TestStructuralOfWhatIsNotThere(t *testing.T) {
	_, err := structuralOf([]byte(`{`), thing)
	require.ErrorContains(t, err, "decode OpenAPI document")
	_, err = structuralOf([]byte(`{"components":{"schemas":{"Nil":null}}}`), thing)
	require.ErrorContains(t, err, "no schema for example.com/v1, Kind=Thing")
	_, err = structuralOf([]byte(`{"components":{"schemas":{"T":{"type":"string","x-kubernetes-group-version-kind":[{"group":"example.com","version":"v1","kind":"Thing"}]}}}}`), thing)
	require.ErrorContains(t, err, `of type "string", not an object`)
}

// FuzzStructuralOf looks for documents of which no structural schema is made,
// or that make it panic.
func FuzzStructuralOf(f *testing.F) {
	f.Add(openAPI(f, `{spec: {$ref: "#/components/schemas/Tree"}, q: {$ref: "#/components/schemas/Quantity"}}`))
	f.Add(openAPI(f, `{q: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [number], items: {$ref: "#/components/schemas/Port"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := structuralOf(data, thing)
		if err != nil {
			return
		}
		if _, _, err := Intersect(schemaOf(*s), schemaOf(*s)); err != nil {
			t.Logf("intersect with itself: %v", err)
		}
	})
}
