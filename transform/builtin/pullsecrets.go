package builtin

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tmc-sdk/tmc/transform"
)

// PullSecrets adds image pull secrets to every pod, behind the tenant's. The
// secrets must be in the namespaces of the copies.
func PullSecrets(names ...string) transform.Transformer {
	items := make([]any, 0, len(names))
	var problem error
	for i, n := range names {
		if err := first(validation.IsDNS1123Subdomain(n)); err != nil && problem == nil {
			problem = refused("PullSecrets", fmt.Sprintf("names[%d] %q", i, n), err)
		}
		items = append(items, object{"name": n})
	}
	return ofPods("PullSecrets", func(_ *transform.Target, pod object) error {
		appendMissing(pod, "imagePullSecrets", sameName, items)
		return nil
	}).or(problem)
}
