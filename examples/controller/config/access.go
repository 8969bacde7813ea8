package config

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/access"
)

// ClusterRules are what the controller needs on a physical cluster.
func (c *Configuration) ClusterRules() []rbacv1.PolicyRule {
	var resources []schema.GroupVersionResource
	for _, kind := range append(GVKs(c.Resources), GVKs(c.Related)...) {
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		resources = append(resources, plural)
	}
	return append(access.FleetRules(), access.SyncRules(resources...)...)
}
