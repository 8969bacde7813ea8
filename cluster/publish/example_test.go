package publish_test

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/tmc-sdk/tmc/cluster/publish"
)

// definition returns a CustomResourceDefinition whose spec has the given
// fields.
func definition(fields map[string]apiextensionsv1.JSONSchemaProps) *apiextensionsv1.CustomResourceDefinition {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	crd.Name = "databases.example.com"
	crd.Spec = apiextensionsv1.CustomResourceDefinitionSpec{
		Group: "example.com", Scope: apiextensionsv1.NamespaceScoped,
		Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "databases", Kind: "Database"},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: "v1", Served: true, Storage: true,
			Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
				Type:       "object",
				Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": {Type: "object", Properties: fields}},
			}},
		}},
	}
	return crd
}

func ExampleIntersect() {
	newer, _ := publish.FromCRD(definition(map[string]apiextensionsv1.JSONSchemaProps{
		"engine": {Type: "string"}, "replicas": {Type: "integer"},
	}), "v1")
	older, _ := publish.FromCRD(definition(map[string]apiextensionsv1.JSONSchemaProps{
		"engine": {Type: "string"},
	}), "v1")

	both, report, err := publish.Intersect(newer, older)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(both.OpenAPI.Properties["spec"].Properties), "field")
	for _, n := range report {
		fmt.Println(n)
	}
	// Output:
	// 1 field
	// schema 0: .spec.replicas: is no longer accepted
}

func ExampleNarrowings() {
	published, _ := publish.FromCRD(definition(map[string]apiextensionsv1.JSONSchemaProps{
		"size": {Type: "integer"},
	}), "v1")
	limit := 10.0
	next, _ := publish.FromCRD(definition(map[string]apiextensionsv1.JSONSchemaProps{
		"size": {Type: "integer", Maximum: &limit},
	}), "v1")

	narrowed, _ := publish.Narrowings(published, next)
	fmt.Println(narrowed[0].Path, narrowed[0].Reason)
	// Output:
	// .spec.size the value is limited by 10
}

func ExampleSchema_APIResourceSchema() {
	s, _ := publish.FromCRD(definition(nil), "v1")
	object, _ := s.APIResourceSchema()
	fmt.Println(object.Name)
	// Output:
	// v6d958373f4ea.databases.example.com
}
