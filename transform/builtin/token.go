package builtin

import (
	"errors"
	"slices"

	"github.com/tmc-sdk/tmc/transform"
)

// TokenRules say what pods get of the cluster's service accounts.
type TokenRules struct {
	// AllowMount lets a pod that asks for its token, by
	// automountServiceAccountToken or by a projected volume, have it; else none is
	// mounted, and a pod with such a volume is refused.
	AllowMount bool
	// Audiences for which a pod may project a token all the same, as that of a
	// service mesh: such a token is worth nothing at the cluster's API server. The
	// API server's own audiences must not be among them.
	Audiences []string
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
		if !rules.AllowMount && projectsToken(pod, rules.Audiences) {
			return errors.New("a volume projects a token of the cluster's service account, which workloads of workspaces do not get: take serviceAccountToken out of the volume, or ask the platform to allow its audience")
		}
		if rules.ClearAccount {
			delete(pod, "serviceAccountName")
			delete(pod, "serviceAccount")
		}
		return nil
	})
}

// projectsToken says whether a volume of a pod has the kubelet ask for a token, for
// another audience than those that are allowed.
func projectsToken(pod object, allowed []string) bool {
	volumes, _ := pod["volumes"].([]any)
	for _, v := range volumes {
		volume, _ := v.(object)
		projected, _ := volume["projected"].(object)
		sources, _ := projected["sources"].([]any)
		for _, s := range sources {
			source, _ := s.(object)
			if source["serviceAccountToken"] == nil {
				continue
			}
			token, _ := source["serviceAccountToken"].(object)
			if audience, _ := token["audience"].(string); !slices.Contains(allowed, audience) || audience == "" {
				return true
			}
		}
	}
	return false
}
