package envtest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	"github.com/kcp-dev/logicalcluster/v3"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// An APIExport is what Export creates.
type APIExport struct {
	Name    string
	Schemas []*kcpapisv1alpha1.APIResourceSchema
	Claims  []kcpapisv1alpha2.PermissionClaim
}

// Export creates an APIExport and its schemas in a workspace, or brings them up
// to date, and waits until the export has its identity. A schema that is there
// stays as it is: kcp's schemas never change; a new one has a new name. Two exports
// of a workspace must not share one: after a start kcp may look for the objects of
// one export among those of the other.
func (k *KCP) Export(ctx context.Context, path logicalcluster.Path, export APIExport) error {
	c, err := k.Client(path)
	if err != nil {
		return err
	}
	resources := make([]kcpapisv1alpha2.ResourceSchema, 0, len(export.Schemas))
	for _, s := range export.Schemas {
		if err := c.Create(ctx, s.DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create schema %s in %s: %w", s.Name, path, err)
		}
		resources = append(resources, kcpapisv1alpha2.ResourceSchema{
			Group: s.Spec.Group, Name: s.Spec.Names.Plural, Schema: s.Name,
			Storage: kcpapisv1alpha2.ResourceSchemaStorage{CRD: &kcpapisv1alpha2.ResourceSchemaStorageCRD{}},
		})
	}
	what := fmt.Sprintf("export %s in %s", export.Name, path)
	return k.wait(ctx, what, func(ctx context.Context) error {
		object := &kcpapisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: export.Name}}
		_, err := controllerutil.CreateOrUpdate(ctx, c, object, func() error {
			object.Spec.Resources = resources
			object.Spec.PermissionClaims = export.Claims
			return nil
		})
		if err != nil {
			return err
		}
		if object.Status.IdentityHash == "" {
			return fmt.Errorf("it has no identity yet")
		}
		return nil
	})
}

// Claim is a permission claim on a resource of kcp's own, such as configmaps,
// with every verb.
func Claim(group, resource string) kcpapisv1alpha2.PermissionClaim {
	return kcpapisv1alpha2.PermissionClaim{
		GroupResource: kcpapisv1alpha2.GroupResource{Group: group, Resource: resource},
		Verbs:         []string{"*"},
	}
}

// Schema makes an APIResourceSchema for a namespaced kind whose spec and status
// may hold anything, with a status subresource. What else a test needs it sets
// in the result; Spec.Scope for instance.
func Schema(gvk schema.GroupVersionKind, plural string) (*kcpapisv1alpha1.APIResourceSchema, error) {
	anything := apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}
	raw, err := json.Marshal(apiextensionsv1.JSONSchemaProps{
		Type:       "object",
		Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": anything, "status": anything},
		// Some kinds, ConfigMap for one, have neither.
		XPreserveUnknownFields: new(true),
	})
	if err != nil {
		return nil, fmt.Errorf("write the schema of %s: %w", gvk, err)
	}
	group := gvk.Group
	if group == "" {
		group = "core" // in a schema's name alone
	}
	return &kcpapisv1alpha1.APIResourceSchema{
		ObjectMeta: metav1.ObjectMeta{Name: strings.Join([]string{gvk.Version, plural, group}, ".")},
		Spec: kcpapisv1alpha1.APIResourceSchemaSpec{
			Group: gvk.Group,
			Names: apiextensionsv1.CustomResourceDefinitionNames{
				Plural: plural, Singular: strings.ToLower(gvk.Kind), Kind: gvk.Kind, ListKind: gvk.Kind + "List",
			},
			Scope: apiextensionsv1.NamespaceScoped,
			Versions: []kcpapisv1alpha1.APIResourceVersion{{
				Name: gvk.Version, Served: true, Storage: true,
				Schema:       runtime.RawExtension{Raw: raw},
				Subresources: apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			}},
		},
	}, nil
}
