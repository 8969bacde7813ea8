package publish

import (
	"errors"
	"fmt"
	"slices"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Export is what a platform offers to tenants: the APIs that workspaces can
// bind, and what the controllers may touch in workspaces that do.
type Export struct {
	// Name of the APIExport.
	Name string
	// Schemas of the kinds that run on physical clusters; see Intersect.
	Schemas []*Schema
	// Definitions of APIs that are served as they are, such as
	// placement/v1alpha1.CRDs().
	Definitions []*apiextensionsv1.CustomResourceDefinition
	// Claims on what is not part of the export. WorkloadClaims has what
	// workloads need.
	Claims []apisv1alpha2.PermissionClaim
	// Binders may bind the export in their workspaces. None: what other
	// bindings of roles allow.
	Binders []rbacv1.Subject
}

// WorkloadClaims are the claims for workloads: the ConfigMaps and Secrets that
// they mention, to be read and to have a finalizer; the namespaces that they
// are in, to be read; and Events, to be written.
func WorkloadClaims() []apisv1alpha2.PermissionClaim {
	return []apisv1alpha2.PermissionClaim{
		Claim("", "configmaps", "*"),
		Claim("", "secrets", "*"),
		Claim("", "namespaces", "get", "list", "watch"),
		Claim("", "events", "*"),
	}
}

// Claim returns a claim on a built-in resource.
func Claim(group, resource string, verbs ...string) apisv1alpha2.PermissionClaim {
	return apisv1alpha2.PermissionClaim{
		GroupResource: apisv1alpha2.GroupResource{Group: group, Resource: resource},
		Verbs:         verbs,
	}
}

// schemas returns the objects that the export needs, sorted by resource.
func (e *Export) schemas() ([]*apisv1alpha1.APIResourceSchema, error) {
	var out []*apisv1alpha1.APIResourceSchema
	seen := map[schema.GroupResource]bool{}
	put := func(ars *apisv1alpha1.APIResourceSchema) error {
		gr := resourceOf(ars)
		if seen[gr] {
			return fmt.Errorf("publish %s: it is given twice", gr)
		}
		if err := nameByContent(ars, e.Name); err != nil {
			return err
		}
		seen[gr] = true
		out = append(out, ars)
		return nil
	}
	for _, s := range e.Schemas {
		if s == nil || s.OpenAPI == nil {
			return nil, errors.New("publish schema: it is empty")
		}
		ars, err := s.APIResourceSchema()
		if err != nil {
			return nil, err
		}
		if err := put(ars); err != nil {
			return nil, err
		}
	}
	for _, crd := range e.Definitions {
		if crd == nil {
			return nil, errors.New("publish definition: nil")
		}
		ars, err := fromDefinition(crd)
		if err != nil {
			return nil, err
		}
		if err := put(ars); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b *apisv1alpha1.APIResourceSchema) int { return compareResources(resourceOf(a), resourceOf(b)) })
	return out, nil
}

// fromDefinition converts all versions of a definition.
func fromDefinition(crd *apiextensionsv1.CustomResourceDefinition) (*apisv1alpha1.APIResourceSchema, error) {
	crd = crd.DeepCopy()
	complete(&crd.Spec.Names)
	if c := crd.Spec.Conversion; c != nil && c.Strategy == apiextensionsv1.WebhookConverter && c.Webhook == nil {
		return nil, fmt.Errorf("publish %s: it is converted by a webhook, but has none", crd.Name)
	}
	ars, err := apisv1alpha1.CRDToAPIResourceSchema(crd, "v0")
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", crd.Name, err)
	}
	ars.TypeMeta = metav1.TypeMeta{APIVersion: apisv1alpha1.SchemeGroupVersion.String(), Kind: "APIResourceSchema"}
	if a, ok := crd.Annotations[apiextensionsv1.KubeAPIApprovedAnnotation]; ok {
		ars.Annotations = map[string]string{apiextensionsv1.KubeAPIApprovedAnnotation: a}
	}
	return ars, nil
}

func resourceOf(ars *apisv1alpha1.APIResourceSchema) schema.GroupResource {
	return schema.GroupResource{Group: ars.Spec.Group, Resource: ars.Spec.Names.Plural}
}

func compareResources(a, b schema.GroupResource) int {
	switch x, y := a.String(), b.String(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
