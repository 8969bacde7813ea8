package publish

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func parseProps(t *testing.T, text string) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	var s apiextensionsv1.JSONSchemaProps
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &s))
	return s
}

func TestIntersect(t *testing.T) {
	cases := map[string]struct {
		reason string
		// fields of the spec of each schema, and of the intersection.
		a, b, want string
		report     []string
		// err is in the error; empty for none.
		err string
	}{
		"same": {
			reason: "what is the same everywhere stays as it is",
			a:      `{f: {type: string, default: x}}`, b: `{f: {type: string, default: x}}`, want: `{f: {type: string, default: x}}`,
		},
		"new field": {
			reason: "a field that only newer clusters know would be lost on the others",
			a:      `{f: {type: string}, g: {type: string}}`, b: `{f: {type: string}}`, want: `{f: {type: string}}`,
			report: []string{"schema 0: .spec.g: is no longer accepted"},
		},
		"enum": {
			reason: "only values that all know are accepted",
			a:      `{f: {type: string, enum: [a, b]}}`, b: `{f: {type: string, enum: [b, c]}}`, want: `{f: {type: string, enum: [b]}}`,
			report: []string{`schema 0: .spec.f: value "a" is no longer accepted`, `schema 1: .spec.f: value "c" is no longer accepted`},
		},
		"bounds": {
			reason: "the tighter bound holds, from whichever side it is",
			a:      `{f: {type: integer, minimum: 1}}`, b: `{f: {type: integer, maximum: 9}}`, want: `{f: {type: integer, minimum: 1, maximum: 9}}`,
			report: []string{"schema 0: .spec.f: the value is limited by 9", "schema 1: .spec.f: the value is limited by 1"},
		},
		"types": {
			reason: "an optional field of which no value suits all is dropped",
			a:      `{f: {type: integer}, g: {type: string}}`, b: `{f: {type: string}, g: {type: string}}`, want: `{g: {type: string}}`,
			report: []string{"schema 0: .spec.f: is no longer accepted", "schema 1: .spec.f: is no longer accepted"},
		},
		"int or string": {
			reason: "what one takes as either, all take as the one",
			a:      `{f: {x-kubernetes-int-or-string: true}}`, b: `{f: {type: integer}}`, want: `{f: {type: integer}}`,
			report: []string{"schema 0: .spec.f: only integer is accepted"},
		},
		"list map": {
			reason: "items that one tells apart must be told apart",
			a:      `{f: {type: array, items: {type: object, required: [k], properties: {k: {type: string}}}}}`,
			b:      `{f: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k], items: {type: object, required: [k], properties: {k: {type: string}}}}}`,
			want:   `{f: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k], items: {type: object, required: [k], properties: {k: {type: string}}}}}`,
			report: []string{"schema 0: .spec.f: items must differ"},
		},
		"rule about a dropped field": {
			reason: "a rule cannot stay without the field that it is about, and its object not without the rule",
			a:      `{f: {type: object, properties: {g: {type: string}, h: {type: string}}, x-kubernetes-validations: [{rule: "has(self.g)"}]}, i: {type: string}}`,
			b:      `{f: {type: object, properties: {h: {type: string}}}, i: {type: string}}`,
			want:   `{i: {type: string}}`,
			report: []string{"schema 0: .spec.f: is no longer accepted", "schema 1: .spec.f: is no longer accepted"},
		},
		"required": {
			reason: "what one cannot do without, all must have",
			a:      `{f: {type: object, required: [g], properties: {g: {type: string}}}}`,
			b:      `{f: {type: object, properties: {h: {type: string}}}, i: {type: string}}`,
			want:   `{}`,
			report: []string{"schema 0: .spec.f: is no longer accepted", "schema 1: .spec.f: is no longer accepted", "schema 1: .spec.i: is no longer accepted"},
		},
		"default": {
			reason: "a default that differs is left to each cluster",
			a:      `{f: {type: string, default: x}}`, b: `{f: {type: string, default: y}}`, want: `{f: {type: string}}`,
		},
	}
	wrap := func(fields string) *Schema {
		return schemaOf(parseProps(t, `{type: object, properties: {spec: {type: object, properties: `+fields+`}}}`))
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a, b := wrap(tc.a), wrap(tc.b)
			got, report, err := Intersect(a, b)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			want := wrap(tc.want).OpenAPI
			if spec := want.Properties["spec"]; len(spec.Properties) == 0 {
				spec.Properties = nil
				want.Properties["spec"] = spec
			}
			if diff := cmp.Diff(want, got.OpenAPI); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			var lines []string
			for _, n := range report {
				lines = append(lines, n.String())
			}
			slices.Sort(lines)
			if diff := cmp.Diff(tc.report, lines); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			newAcceptor(t, got.OpenAPI)
			reverse, _, err := Intersect(b, a)
			require.NoError(t, err)
			if diff := cmp.Diff(got.OpenAPI, reverse.OpenAPI); diff != "" {
				t.Errorf("the order of schemas matters (-ab +ba):\n%s", diff)
			}
		})
	}
}

func TestIntersectRefusesDifferentAPIs(t *testing.T) {
	thing := schemaOf(parseProps(t, `{type: object}`))
	other := thing.clone()
	other.Names.Kind = "Other"
	cluster := thing.clone()
	cluster.Scope = apiextensionsv1.ClusterScoped
	scalar := thing.clone()
	scalar.OpenAPI = &apiextensionsv1.JSONSchemaProps{Type: "string"}
	for name, s := range map[string]*Schema{"kind": other, "scope": cluster, "type": scalar, "empty": {Group: thing.Group, Version: thing.Version, Names: thing.Names}} {
		_, _, err := Intersect(thing, s)
		require.ErrorIs(t, err, ErrIncompatible, name)
	}
	_, _, err := Intersect()
	require.True(t, errors.Is(err, ErrIncompatible))
}

func TestNarrowings(t *testing.T) {
	cases := map[string]struct {
		reason    string
		old, next string
		want      []Narrowing
	}{
		"more fields":   {"more is accepted", `{f: {type: string}}`, `{f: {type: string}, g: {type: string}}`, nil},
		"looser":        {"more is accepted", `{f: {type: integer, maximum: 2}}`, `{f: {type: number}}`, nil},
		"fewer fields":  {"objects that have the field would lose it", `{f: {type: string}}`, `{}`, []Narrowing{{Path: ".f", Reason: "is no longer accepted"}}},
		"tighter":       {"objects with 3 would become invalid", `{f: {type: integer}}`, `{f: {type: integer, maximum: 2}}`, []Narrowing{{Path: ".f", Reason: "the value is limited by 2"}}},
		"items":         {"the path leads into lists", `{f: {type: array, items: {type: string}}}`, `{f: {type: array, items: {type: string, maxLength: 2}}}`, []Narrowing{{Path: ".f[]", Reason: "the length is limited by 2"}}},
		"now required":  {"objects without it would become invalid", `{f: {type: object, properties: {g: {type: string}}}}`, `{f: {type: object, required: [g], properties: {g: {type: string}}}}`, []Narrowing{{Path: ".f.g", Reason: "is required now"}}},
		"no longer any": {"objects may have anything there", `{f: {type: object, x-kubernetes-preserve-unknown-fields: true}}`, `{f: {type: object}}`, []Narrowing{{Path: ".f", Reason: "unknown fields are no longer accepted"}}},
		"other type":    {"nothing of what is there would be valid", `{f: {type: string}}`, `{f: {type: integer}}`, []Narrowing{{Path: ".f", Reason: "string and integer have no values in common"}}},
		"null":          {"null may be there", `{f: {type: string, nullable: true}}`, `{f: {type: string}}`, []Narrowing{{Path: ".f", Reason: "null is no longer accepted"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			wrap := func(fields string) *Schema { return schemaOf(parseProps(t, `{type: object, properties: `+fields+`}`)) }
			got, err := Narrowings(wrap(tc.old), wrap(tc.next))
			require.NoError(t, err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
