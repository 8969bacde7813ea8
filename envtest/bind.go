package envtest

import (
	"context"
	"fmt"
	"slices"

	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	"github.com/kcp-dev/logicalcluster/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// Bind binds a workspace to an export, as an APIBinding of the export's name,
// and waits until the workspace serves what is exported. It accepts every claim
// that the export makes now, but for those on the resources in reject. Called
// again, it brings the binding up to date.
func (k *KCP) Bind(ctx context.Context, workspace, exportPath logicalcluster.Path, export string, reject ...string) error {
	exporter, err := k.Client(exportPath)
	if err != nil {
		return err
	}
	c, err := k.Client(workspace)
	if err != nil {
		return err
	}
	answers, err := asker(k.Config(workspace))
	if err != nil {
		return err
	}
	what := fmt.Sprintf("binding of %s to %s:%s", workspace, exportPath, export)
	return k.wait(ctx, what, func(ctx context.Context) error {
		var from kcpapisv1alpha2.APIExport
		if err := exporter.Get(ctx, client.ObjectKey{Name: export}, &from); err != nil {
			return err
		}
		binding := &kcpapisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: export}}
		_, err := controllerutil.CreateOrUpdate(ctx, c, binding, func() error {
			binding.Spec.Reference.Export = &kcpapisv1alpha2.ExportBindingReference{Path: exportPath.String(), Name: export}
			binding.Spec.PermissionClaims = answerClaims(from.Spec.PermissionClaims, reject)
			return nil
		})
		if err != nil {
			return err
		}
		if err := bound(binding, from.Spec.Resources); err != nil {
			return err
		}
		paths, err := resourcePaths(ctx, exporter, from.Spec.Resources)
		if err != nil {
			return err
		}
		return answers(ctx, paths...)
	})
}

func answerClaims(claims []kcpapisv1alpha2.PermissionClaim, reject []string) []kcpapisv1alpha2.AcceptablePermissionClaim {
	var answers []kcpapisv1alpha2.AcceptablePermissionClaim
	for _, claim := range claims {
		state := kcpapisv1alpha2.ClaimAccepted
		if slices.Contains(reject, claim.Resource) {
			state = kcpapisv1alpha2.ClaimRejected
		}
		scoped := kcpapisv1alpha2.ScopedPermissionClaim{
			PermissionClaim: claim,
			Selector:        kcpapisv1alpha2.PermissionClaimSelector{MatchAll: true},
		}
		answers = append(answers, kcpapisv1alpha2.AcceptablePermissionClaim{ScopedPermissionClaim: scoped, State: state})
	}
	return answers
}

// bound fails until a binding is in effect.
func bound(b *kcpapisv1alpha2.APIBinding, wanted []kcpapisv1alpha2.ResourceSchema) error {
	if b.Status.Phase != kcpapisv1alpha2.APIBindingPhaseBound {
		return fmt.Errorf("its phase is %q", b.Status.Phase)
	}
	accepted := 0
	for _, claim := range b.Spec.PermissionClaims {
		if claim.State == kcpapisv1alpha2.ClaimAccepted {
			accepted++
		}
	}
	if len(b.Status.AppliedPermissionClaims) != accepted {
		return fmt.Errorf("%d of %d accepted claims are applied", len(b.Status.AppliedPermissionClaims), accepted)
	}
	for _, want := range wanted {
		found := slices.ContainsFunc(b.Status.BoundResources, func(r kcpapisv1alpha2.BoundAPIResource) bool {
			return r.Group == want.Group && r.Resource == want.Name && r.Schema.Name == want.Schema
		})
		if !found {
			return fmt.Errorf("%s is not bound", want.Schema)
		}
	}
	return nil
}
