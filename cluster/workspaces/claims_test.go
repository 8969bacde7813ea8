package workspaces

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
)

func TestRefuses(t *testing.T) {
	claim := func(group, resource string) apisv1alpha1.PermissionClaim {
		return apisv1alpha1.PermissionClaim{GroupResource: apisv1alpha1.GroupResource{Group: group, Resource: resource}}
	}
	said := func(state apisv1alpha1.AcceptablePermissionClaimState) []apisv1alpha1.AcceptablePermissionClaim {
		return []apisv1alpha1.AcceptablePermissionClaim{{PermissionClaim: claim("", "secrets"), State: state}}
	}
	tests := map[string]struct {
		reason string
		export []apisv1alpha1.PermissionClaim
		tenant []apisv1alpha1.AcceptablePermissionClaim
		want   bool
	}{
		"accepted":     {reason: "it may be seen", export: []apisv1alpha1.PermissionClaim{claim("", "secrets")}, tenant: said(apisv1alpha1.ClaimAccepted)},
		"rejected":     {reason: "the tenant said no", export: []apisv1alpha1.PermissionClaim{claim("", "secrets")}, tenant: said(apisv1alpha1.ClaimRejected), want: true},
		"not answered": {reason: "the export claims it since, and nobody accepted it yet", export: []apisv1alpha1.PermissionClaim{claim("", "secrets")}, want: true},
		"not claimed":  {reason: "nobody asked", tenant: said(apisv1alpha1.ClaimRejected)},
		"another group": {
			reason: "a resource of the same name in another group is another", export: []apisv1alpha1.PermissionClaim{claim("vault.example", "secrets")},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := &apisv1alpha1.APIBinding{}
			b.Status.ExportPermissionClaims, b.Spec.PermissionClaims = tc.export, tc.tenant
			if got := refuses(b, schema.GroupResource{Resource: "secrets"}); got != tc.want {
				t.Errorf("%s: got %t", tc.reason, got)
			}
		})
	}
}
