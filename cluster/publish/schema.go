package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Schema is one version of an API, in the form in which kcp can serve it: a
// structural schema, names, scope, subresources and printer columns.
//
// Treat a Schema as immutable once it has been handed on.
type Schema struct {
	// Group and Version of the API. The core group is "".
	Group, Version string
	// Names of the kind and the resource.
	Names apiextensionsv1.CustomResourceDefinitionNames
	// Scope of the resource.
	Scope apiextensionsv1.ResourceScope
	// OpenAPI is the structural schema.
	OpenAPI *apiextensionsv1.JSONSchemaProps
	// Subresources that are served: status and scale.
	Subresources apiextensionsv1.CustomResourceSubresources
	// Columns that kubectl prints.
	Columns []apiextensionsv1.CustomResourceColumnDefinition
	// Approval is the value of the annotation api-approved.kubernetes.io,
	// which groups of the Kubernetes community need.
	Approval string
}

// Kind returns group, version and kind.
func (s *Schema) Kind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: s.Group, Version: s.Version, Kind: s.Names.Kind}
}

// Resource returns group and resource.
func (s *Schema) Resource() schema.GroupResource {
	return schema.GroupResource{Group: s.Group, Resource: s.Names.Plural}
}

// clone returns a copy that shares nothing.
func (s *Schema) clone() *Schema {
	c := *s
	s.Names.DeepCopyInto(&c.Names)
	c.OpenAPI = s.OpenAPI.DeepCopy()
	s.Subresources.DeepCopyInto(&c.Subresources)
	c.Columns = slices.Clone(s.Columns)
	return &c
}

// FromCRD returns a version of a CustomResourceDefinition as it is.
func FromCRD(crd *apiextensionsv1.CustomResourceDefinition, version string) (*Schema, error) {
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		if v.Name != version {
			continue
		}
		if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
			return nil, fmt.Errorf("import %s: version %s has no schema", crd.Name, version)
		}
		s := &Schema{
			Group: crd.Spec.Group, Version: version, Names: crd.Spec.Names, Scope: crd.Spec.Scope,
			OpenAPI:  v.Schema.OpenAPIV3Schema,
			Columns:  v.AdditionalPrinterColumns,
			Approval: crd.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation],
		}
		if v.Subresources != nil {
			s.Subresources = *v.Subresources
		}
		s = s.clone()
		complete(&s.Names)
		return s, nil
	}
	return nil, fmt.Errorf("import %s: it has no version %s", crd.Name, version)
}

// APIResourceSchema returns the object that makes the schema known to kcp. Its
// name begins with a hash of its contents, since such objects are immutable:
// another schema is another object.
func (s *Schema) APIResourceSchema() (*apisv1alpha1.APIResourceSchema, error) {
	ordered := s.OpenAPI.DeepCopy()
	order(ordered)
	raw, err := json.Marshal(ordered)
	if err != nil {
		return nil, fmt.Errorf("encode schema of %s: %w", s.Kind(), err)
	}
	names := *s.Names.DeepCopy()
	complete(&names)
	ars := &apisv1alpha1.APIResourceSchema{
		TypeMeta: metav1.TypeMeta{APIVersion: apisv1alpha1.SchemeGroupVersion.String(), Kind: "APIResourceSchema"},
		Spec: apisv1alpha1.APIResourceSchemaSpec{
			Group: s.Group, Names: names, Scope: s.Scope,
			Versions: []apisv1alpha1.APIResourceVersion{{
				Name: s.Version, Served: true, Storage: true,
				Schema:                   runtime.RawExtension{Raw: raw},
				Subresources:             s.Subresources,
				AdditionalPrinterColumns: s.Columns,
			}},
		},
	}
	if s.Approval != "" {
		ars.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: s.Approval}
	}
	return ars, nameByContent(ars, "")
}

// versionOf reads one version of a schema back.
func versionOf(ars *apisv1alpha1.APIResourceSchema, i int) (*Schema, error) {
	v := &ars.Spec.Versions[i]
	props, err := v.GetSchema()
	if err != nil {
		return nil, fmt.Errorf("decode schema of %s: %w", ars.Name, err)
	}
	if props == nil {
		return nil, fmt.Errorf("decode schema of %s: there is none", ars.Name)
	}
	return &Schema{
		Group: ars.Spec.Group, Version: v.Name, Names: ars.Spec.Names, Scope: ars.Spec.Scope, OpenAPI: props,
		Subresources: v.Subresources, Columns: v.AdditionalPrinterColumns,
		Approval: ars.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation],
	}, nil
}

// nameByContent gives the object the name that its contents call for, and the
// export that it is for, if any: two exports must not share a schema. kcp keeps
// the objects of an export under its identity, but finds the storage by the
// schema alone: of two exports that share one, whichever is asked first after a
// start of kcp decides where the objects of both are looked for, and those of the
// other seem to be gone (kcp 0.28.1, crdHandler.getOrCreateServingInfoFor).
func nameByContent(ars *apisv1alpha1.APIResourceSchema, export string) error {
	var content bytes.Buffer
	enc := json.NewEncoder(&content)
	if err := enc.Encode(ars.Spec); err != nil {
		return fmt.Errorf("encode %s: %w", ars.Spec.Names.Plural, err)
	}
	content.WriteString(ars.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation])
	content.WriteString(export)
	sum := sha256.Sum256(content.Bytes())
	group := ars.Spec.Group
	if group == "" {
		group = "core"
	}
	ars.Name = fmt.Sprintf("v%s.%s.%s", hex.EncodeToString(sum[:6]), ars.Spec.Names.Plural, group)
	return nil
}

// order sorts what has no order, so that schemas that mean the same have the
// same name, whichever cluster was asked first.
func order(s *apiextensionsv1.JSONSchemaProps) {
	slices.Sort(s.Required)
	slices.SortFunc(s.Enum, func(a, b apiextensionsv1.JSON) int { return bytes.Compare(a.Raw, b.Raw) })
	for name, p := range s.Properties {
		order(&p)
		s.Properties[name] = p
	}
	if s.Items != nil && s.Items.Schema != nil {
		order(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		order(s.AdditionalProperties.Schema)
	}
}

// complete fills in the names that kcp requires and that a server may leave to
// convention.
func complete(n *apiextensionsv1.CustomResourceDefinitionNames) {
	if n.ListKind == "" {
		n.ListKind = n.Kind + "List"
	}
	if n.Singular == "" {
		n.Singular = lower(n.Kind)
	}
}
