package access

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// FleetRules are what the fleet itself needs on a physical cluster: to know
// which cluster it is and of which time, and what room it has.
func FleetRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{""}, Resources: []string{"nodes", "pods"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"metrics.k8s.io"}, Resources: []string{"nodes"}, Verbs: []string{"list"}},
	}
}

// SyncRules are what the sync loop needs on a physical cluster, for objects of
// the given resources and the namespaces that they are put in. It never needs
// to change a status, to impersonate or to bind roles.
func SyncRules(resources ...schema.GroupVersionResource) []rbacv1.PolicyRule {
	namespaces := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	return byGroup(append([]schema.GroupVersionResource{namespaces}, resources...), "create", "delete", "get", "list", "patch", "watch")
}

// byGroup returns a rule for each group of resources, sorted.
func byGroup(resources []schema.GroupVersionResource, verbs ...string) []rbacv1.PolicyRule {
	groups := map[string][]string{}
	for _, r := range resources {
		if !slices.Contains(groups[r.Group], r.Resource) {
			groups[r.Group] = append(groups[r.Group], r.Resource)
		}
	}
	var rules []rbacv1.PolicyRule
	for group, names := range groups {
		slices.Sort(names)
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: names, Verbs: slices.Clone(verbs)})
	}
	slices.SortFunc(rules, func(a, b rbacv1.PolicyRule) int { return strings.Compare(a.APIGroups[0], b.APIGroups[0]) })
	return rules
}

// TidyRules let the sync loop see whether a namespace that it made is empty, so
// that it can delete it when the last copy has gone. RBAC can't say that only
// metadata is read; without these rules such namespaces stay.
func TidyRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"list"}}}
}

// AgentRules are what an agent needs in its own namespace of its own cluster, beside
// LeaseRules there: to keep its credentials in a Secret of the given name. For the
// rest of the cluster it needs FleetRules and SyncRules, as a controller does that
// reaches into the cluster from outside.
func AgentRules(secret string) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}}, // a name can't bound what is not there yet
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{secret}, Verbs: []string{"get", "update"}},
	}
}

// ReviewRules are what a program needs in the cluster whose API server it asks who
// reads its metrics, and whether they may.
func ReviewRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
	}
}

// ClusterRole returns the role that has the given rules, ready to be applied
// or printed.
func ClusterRole(name string, rules []rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      rules,
	}
}
