package access

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// UpsyncRules are what the sync loop needs on a physical cluster to show, in
// workspaces, objects of the given resources that were born there, and to follow
// whom they belong to: it reads, and writes nothing.
func UpsyncRules(resources ...schema.GroupVersionResource) []rbacv1.PolicyRule {
	if len(resources) == 0 {
		return nil
	}
	return append(byGroup(resources, "get", "list", "watch"),
		// Owners between an object and a copy, and what Events are about.
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "services"}, Verbs: []string{"get", "list"}},
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"daemonsets", "deployments", "replicasets", "statefulsets"}, Verbs: []string{"get"}},
		rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"cronjobs", "jobs"}, Verbs: []string{"get"}})
}
