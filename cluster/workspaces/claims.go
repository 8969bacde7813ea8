package workspaces

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
)

// Refused returns the name of the APIBinding by which a workspace does not accept
// the export's permission claim to a resource, and so hides the resource's objects
// from whoever serves the export; empty if it accepts the claim, or the export makes
// none. It reads a cache. An error means that it can't be told now; for a workspace
// that is not engaged it is multicluster.ErrClusterNotFound.
func (p *Provider) Refused(ctx context.Context, name multicluster.ClusterName, resource schema.GroupResource) (binding string, err error) {
	cl, err := p.Get(ctx, name)
	if err != nil {
		return "", err
	}
	list := &apisv1alpha1.APIBindingList{}
	if err := cl.GetCache().List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("list the APIBindings of workspace %s: %w", name, err)
	}
	for i := range list.Items {
		if refuses(&list.Items[i], resource) {
			return list.Items[i].Name, nil
		}
	}
	return "", nil
}

// refuses says whether a binding's export claims a resource, and the binding does
// not accept that.
func refuses(b *apisv1alpha1.APIBinding, resource schema.GroupResource) bool {
	of := func(c apisv1alpha1.PermissionClaim) bool {
		return c.Group == resource.Group && c.Resource == resource.Resource
	}
	return slices.ContainsFunc(b.Status.ExportPermissionClaims, of) &&
		!slices.ContainsFunc(b.Spec.PermissionClaims, func(c apisv1alpha1.AcceptablePermissionClaim) bool {
			return of(c.PermissionClaim) && c.State == apisv1alpha1.ClaimAccepted
		})
}
