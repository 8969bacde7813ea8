package config

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/access"
)

// ClusterRules are what the controller needs on a physical cluster, and an agent on
// its own.
func (c *Configuration) ClusterRules() []rbacv1.PolicyRule {
	return slices.Concat(access.FleetRules(), access.SyncRules(c.onClusters()...), access.UpsyncRules(c.bornOnClusters()...))
}

// onClusters are the resources that listed kinds are on clusters.
func (c *Configuration) onClusters() []schema.GroupVersionResource {
	var resources []schema.GroupVersionResource
	for _, kind := range slices.Concat(GVKs(c.Resources), GVKs(c.Related), c.Sync.furniture()) {
		for _, m := range c.Transform.Kinds {
			if m.schema() == kind.GroupKind() && m.To != nil {
				kind.Group, kind.Kind = m.To.Group, m.To.Kind
			}
		}
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		resources = append(resources, plural)
	}
	return resources
}

// bornOnClusters are the resources that are shown from clusters.
func (c *Configuration) bornOnClusters() []schema.GroupVersionResource {
	var resources []schema.GroupVersionResource
	for _, u := range c.Sync.Upsync {
		plural, _ := meta.UnsafeGuessKindToResource(u.GVK())
		resources = append(resources, plural)
	}
	return resources
}

// PlatformRules are what the controller needs in the platform's workspace.
func (c *Configuration) PlatformRules() []rbacv1.PolicyRule {
	rules := access.PlatformRules(c.Export.Name)
	if c.Fleet.Removal != nil {
		rules = append(rules, access.OperationsRules()...)
	}
	return rules
}

// MailboxRules are what the controller needs there in mode Hub.
func (c *Configuration) MailboxRules() []rbacv1.PolicyRule {
	return access.MailboxRules(c.Export.Name)
}

// LeaseRules are what replicas need in the namespace of their lease: more with
// sharding, and if tombstones are kept beside it.
func (c *Configuration) LeaseRules() []rbacv1.PolicyRule {
	rules := access.LeaseRules(c.LeaderElection.Name)
	if c.Sharding != nil {
		rules = append(rules, access.ShardingRules()...)
	}
	if t := c.Sync.Tombstones; t != nil && t.Namespace == c.LeaderElection.Namespace && t.Connection == c.LeaderElection.Connection {
		rules = append(rules, access.TombstoneRules()...)
	}
	return rules
}

// AgentRules are what an agent needs in its namespace.
func (c *Configuration) AgentRules() []rbacv1.PolicyRule {
	return slices.Concat(access.AgentRules(c.Agent.Secret), c.LeaseRules())
}
