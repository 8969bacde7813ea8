package builtin

import (
	"github.com/tmc-sdk/tmc/transform"
)

// PullSecrets adds image pull secrets to every pod, behind the tenant's. The
// secrets must be in the namespaces of the copies.
func PullSecrets(names ...string) transform.Transformer {
	items := make([]any, 0, len(names))
	for _, n := range names {
		items = append(items, object{"name": n})
	}
	return ofPods("PullSecrets", func(_ *transform.Target, pod object) error {
		appendMissing(pod, "imagePullSecrets", sameName, items)
		return nil
	})
}
