package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ensureSchema creates a schema unless it is there. Its name says what it is.
func (p *Publisher) ensureSchema(ctx context.Context, export string, ars *apisv1alpha1.APIResourceSchema, r *Result) error {
	ars.Labels = map[string]string{LabelPublisher: export}
	err := p.client.Create(ctx, ars)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create APIResourceSchema %s: %w", ars.Name, err)
	}
	r.Created = append(r.Created, "apiresourceschema/"+ars.Name)
	return nil
}

// ensureExport creates or updates the APIExport.
func (p *Publisher) ensureExport(ctx context.Context, e *Export, current *apisv1alpha2.APIExport, resources []apisv1alpha2.ResourceSchema, r *Result) error {
	export := &apisv1alpha2.APIExport{ObjectMeta: metav1.ObjectMeta{Name: e.Name, Labels: map[string]string{LabelPublisher: e.Name}}}
	if current != nil {
		export = current.DeepCopy()
	}
	export.Spec.Resources = resources
	export.Spec.PermissionClaims = p.claims(e, current, r)
	if current == nil {
		if err := p.client.Create(ctx, export); err != nil {
			return fmt.Errorf("create APIExport %s: %w", e.Name, err)
		}
		r.Created = append(r.Created, "apiexport/"+e.Name)
		return nil
	}
	if equality.Semantic.DeepEqual(current.Spec, export.Spec) {
		return nil
	}
	if err := p.client.Update(ctx, export); err != nil {
		return fmt.Errorf("update APIExport %s: %w", e.Name, err)
	}
	r.Updated = append(r.Updated, "apiexport/"+e.Name)
	return nil
}

// claims returns those of the export, in the order in which they are there
// already, so that nothing is written for the order's sake.
func (p *Publisher) claims(e *Export, current *apisv1alpha2.APIExport, r *Result) []apisv1alpha2.PermissionClaim {
	var claims []apisv1alpha2.PermissionClaim
	same := func(a apisv1alpha2.PermissionClaim) func(apisv1alpha2.PermissionClaim) bool {
		return func(b apisv1alpha2.PermissionClaim) bool { return a.GroupResource == b.GroupResource }
	}
	if current != nil {
		for _, old := range current.Spec.PermissionClaims {
			i := slices.IndexFunc(e.Claims, same(old))
			switch {
			case i >= 0:
				claims = append(claims, e.Claims[i])
			case !p.removing:
				claims = append(claims, old)
				r.Kept = append(r.Kept, "claim "+old.String())
			}
		}
	}
	for _, c := range e.Claims {
		if !slices.ContainsFunc(claims, same(c)) {
			claims = append(claims, c)
		}
	}
	return claims
}

// ensureBinders lets the binders bind the export.
func (p *Publisher) ensureBinders(ctx context.Context, e *Export, r *Result) error {
	if len(e.Binders) == 0 {
		return nil
	}
	name := "tmc:bind:" + e.Name
	labels := map[string]string{LabelPublisher: e.Name}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{apisv1alpha2.SchemeGroupVersion.Group}, Resources: []string{"apiexports"}, ResourceNames: []string{e.Name}, Verbs: []string{"bind"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   e.Binders,
	}
	oldRole, oldBinding := &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}
	if err := p.ensureObject(ctx, "clusterrole", role, oldRole, func() bool {
		same := equality.Semantic.DeepEqual(oldRole.Rules, role.Rules)
		oldRole.Rules = role.Rules
		return same
	}, r); err != nil {
		return err
	}
	return p.ensureObject(ctx, "clusterrolebinding", binding, oldBinding, func() bool {
		same := equality.Semantic.DeepEqual(oldBinding.Subjects, binding.Subjects)
		oldBinding.Subjects = binding.Subjects
		return same
	}, r)
}

// ensureObject creates an object, or updates the one that is there if merge,
// which writes what is desired into it, finds that it differs.
func (p *Publisher) ensureObject(ctx context.Context, kind string, desired, old client.Object, merge func() (same bool), r *Result) error {
	ref := kind + "/" + desired.GetName()
	err := p.client.Get(ctx, client.ObjectKeyFromObject(desired), old)
	switch {
	case apierrors.IsNotFound(err):
		if err := p.client.Create(ctx, desired); err != nil {
			return fmt.Errorf("create %s: %w", ref, err)
		}
		r.Created = append(r.Created, ref)
		return nil
	case err != nil:
		return fmt.Errorf("read %s: %w", ref, err)
	case old.GetLabels()[LabelPublisher] != desired.GetLabels()[LabelPublisher]:
		return fmt.Errorf("update %s: %w", ref, ErrForeign)
	case merge():
		return nil
	}
	if err := p.client.Update(ctx, old); err != nil {
		return fmt.Errorf("update %s: %w", ref, err)
	}
	r.Updated = append(r.Updated, ref)
	return nil
}

// prune deletes schemas that this publisher made and that the export no longer
// names. They stay for a while: bindings follow the export one by one.
func (p *Publisher) prune(ctx context.Context, e *Export, resources []apisv1alpha2.ResourceSchema, r *Result) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(apisv1alpha1.SchemeGroupVersion.WithKind("APIResourceSchemaList"))
	if err := p.client.List(ctx, list, client.MatchingLabels{LabelPublisher: e.Name}); err != nil {
		return fmt.Errorf("list APIResourceSchemas: %w", err)
	}
	current := map[string]bool{}
	for _, res := range resources {
		current[res.Schema] = true
	}
	// A schema is superseded since the one that follows it was made.
	superseded := map[string]time.Time{}
	for i := range list.Items {
		if o := &list.Items[i]; current[o.Name] {
			superseded[resourcePart(o.Name)] = o.CreationTimestamp.Time
		}
	}
	for i := range list.Items {
		o := &list.Items[i]
		since, ok := superseded[resourcePart(o.Name)]
		if !ok {
			since = o.CreationTimestamp.Time
		}
		if current[o.Name] || o.DeletionTimestamp != nil || time.Since(since) < p.keep {
			continue
		}
		err := p.client.Delete(ctx, o, client.Preconditions{UID: &o.UID})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete APIResourceSchema %s: %w", o.Name, err)
		}
		r.Deleted = append(r.Deleted, "apiresourceschema/"+o.Name)
	}
	return nil
}

// resourcePart cuts the hash off the name of a schema.
func resourcePart(name string) string {
	_, resource, _ := strings.Cut(name, ".")
	return resource
}
