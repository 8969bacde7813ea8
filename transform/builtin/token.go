package builtin

import (
	"github.com/tmc-sdk/tmc/transform"
)

// TokenRules say what pods get of the cluster's service accounts.
type TokenRules struct {
	// AllowMount lets a pod that asks for its token by name of the field have
	// it; else none is mounted.
	AllowMount bool
	// ClearAccount has every pod run as the namespace's default account: the
	// accounts of a workspace mean nothing on a cluster unless they are synced.
	ClearAccount bool
}

// ServiceAccountTokens keeps the cluster's tokens from workloads: what runs
// for a tenant of a workspace has no business with the cluster's API server.
func ServiceAccountTokens(rules TokenRules) transform.Transformer {
	return ofPods("ServiceAccountTokens", func(_ *transform.Target, pod object) error {
		if !rules.AllowMount || pod["automountServiceAccountToken"] != true {
			pod["automountServiceAccountToken"] = false
		}
		if rules.ClearAccount {
			delete(pod, "serviceAccountName")
			delete(pod, "serviceAccount")
		}
		return nil
	})
}
