package access

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// PlatformRules are what a controller needs in the workspace of the platform:
// to read PhysicalClusters and write their status, to keep the export of the
// given name what the clusters serve, and to work in the workspaces that bind
// it, within the claims that they accepted.
func PlatformRules(export string) []rbacv1.PolicyRule {
	const kcp = "apis.kcp.io"
	return []rbacv1.PolicyRule{
		{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}}, // to be let into the workspace at all
		{APIGroups: []string{"cluster.tmc-sdk.dev"}, Resources: []string{"physicalclusters"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{"cluster.tmc-sdk.dev"}, Resources: []string{"physicalclusters/status"}, Verbs: []string{"get", "patch"}},
		{APIGroups: []string{kcp}, Resources: []string{"apiexportendpointslices"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{kcp}, Resources: []string{"apiexports"}, Verbs: []string{"create"}}, // a name can't bound what is not there yet
		{APIGroups: []string{kcp}, Resources: []string{"apiexports"}, ResourceNames: []string{export}, Verbs: []string{"get", "update"}},
		{APIGroups: []string{kcp}, Resources: []string{"apiresourceschemas"}, Verbs: []string{"create", "delete", "get", "list"}},
		{APIGroups: []string{kcp}, Resources: []string{"apiexports/content"}, ResourceNames: []string{export}, Verbs: []string{"*"}},
	}
}

// OperationsRules are what a controller needs beside PlatformRules to keep
// PhysicalClusters that are deleted until their work has left, as package
// operations does.
func OperationsRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{"cluster.tmc-sdk.dev"}, Resources: []string{"physicalclusters"}, Verbs: []string{"patch"}}}
}

// SecretRules are what a controller needs in a namespace of the platform's
// workspace that holds kubeconfigs of clusters.
func SecretRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "watch"}}}
}

// LeaseRules are what leader election needs in the namespace of its lease.
func LeaseRules(lease string) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{lease}, Verbs: []string{"get", "update"}},
		{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}
}

// ShardingRules are what replicas need that share the workspaces, beside LeaseRules,
// in the namespace of their leases: there is one for each workspace, whose name
// nobody knows before.
func ShardingRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "list", "create", "update", "delete"}}}
}

// TombstoneRules are what a controller needs in the namespace that keeps its
// tombstones.
func TombstoneRules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"create", "delete", "list"}}}
}

// MailboxRules are what the hub's side of pull mode needs in the platform's
// workspace beside PlatformRules: to make, find and end the workspaces that are
// mailboxes, and to keep and bind the export of theirs. In a mailbox it needs
// nothing more, for kcp makes who creates a workspace its admin.
func MailboxRules(export string) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{"tenancy.kcp.io"}, Resources: []string{"workspaces"}, Verbs: []string{"create", "delete", "get", "list"}},
		{APIGroups: []string{"apis.kcp.io"}, Resources: []string{"apiexports"}, ResourceNames: []string{export + mailbox.ExportSuffix}, Verbs: []string{"bind", "get", "update"}},
	}
}

// Role returns a role for one namespace that has the given rules.
func Role(namespace, name string, rules []rbacv1.PolicyRule) *rbacv1.Role {
	r := &rbacv1.Role{Rules: rules}
	r.APIVersion, r.Kind = rbacv1.SchemeGroupVersion.String(), "Role"
	r.Namespace, r.Name = namespace, name
	return r
}
