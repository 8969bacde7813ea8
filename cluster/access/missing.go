package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientauthorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
)

// Permission is one verb on one resource, of all objects or of one name.
type Permission struct {
	// Verb, as "list".
	Verb string
	// Resource, with its group.
	Resource schema.GroupResource
	// Name of the object; empty for all.
	Name string
}

// String implements fmt.Stringer: "list nodes", "get namespaces kube-system".
func (p Permission) String() string {
	return strings.TrimSpace(p.Verb + " " + p.Resource.String() + " " + p.Name)
}

// Missing returns the permissions among the rules that credentials do not
// have, sorted by resource and verb. The client may be nil.
func Missing(ctx context.Context, cfg *rest.Config, client *http.Client, rules []rbacv1.PolicyRule) ([]Permission, error) {
	if cfg == nil {
		return nil, errors.New("check permissions: no config")
	}
	if client == nil {
		var err error
		if client, err = rest.HTTPClientFor(cfg); err != nil {
			return nil, fmt.Errorf("prepare transport: %w", err)
		}
	}
	api, err := clientauthorizationv1.NewForConfigAndClient(cfg, client)
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	var missing []Permission
	for _, p := range permissions(rules) {
		review, err := api.SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: p.Verb, Group: p.Resource.Group, Resource: p.Resource.Resource, Name: p.Name,
			}},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("ask whether credentials may %s: %w", p, err)
		}
		if !review.Status.Allowed {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

// permissions spells rules out, each permission once. What is allowed on all
// objects need not be asked by name.
func permissions(rules []rbacv1.PolicyRule) []Permission {
	all := map[Permission]bool{}
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						all[Permission{Verb: verb, Resource: schema.GroupResource{Group: group, Resource: resource}, Name: name}] = true
					}
				}
			}
		}
	}
	var out []Permission
	for p := range all {
		if p.Name == "" || !all[Permission{Verb: p.Verb, Resource: p.Resource}] {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Permission) int {
		return cmp.Or(cmp.Compare(a.Resource.Group, b.Resource.Group), cmp.Compare(a.Resource.Resource, b.Resource.Resource), cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Name, b.Name))
	})
	return out
}
