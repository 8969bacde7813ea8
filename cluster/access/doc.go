// Package access says what credentials for a physical cluster must allow, and
// finds out what they do not: least privilege, made of the kinds that are
// synced instead of guessed.
//
// # Usage
//
// ClusterRole gives the object to apply to a cluster, Missing what the
// credentials of a connection lack:
//
//	rules := append(access.FleetRules(), access.SyncRules(resources...)...)
//	role := access.ClusterRole("tmc", rules)
//	missing, err := access.Missing(ctx, conn.Config, conn.HTTPClient, rules)
//
// # Considerations
//
// Missing asks the cluster with SelfSubjectAccessReviews, one per verb and
// resource: it finds what any authorizer decides, not what RBAC objects say.
package access
