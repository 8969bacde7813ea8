package recovery

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// KeepNames returns a naming by which copies of workspaces that were renamed
// stay where they stood. It fails where two workspaces would get one place. kcp
// gives no logical cluster the name of one that was. After a second recovery,
// KeepNames goes around the naming of the first.
func KeepNames(n transform.Naming, now Renamed) (transform.Naming, error) {
	was := make(map[string]string, len(now.Clusters))
	for before, after := range now.Clusters {
		if other, twice := was[after]; twice {
			return nil, fmt.Errorf("workspaces %s and %s became one, %s", other, before, after)
		}
		was[after] = before
	}
	return keepNames{n, was}, nil
}

// keepNames names by the logical cluster that was.
type keepNames struct {
	transform.Naming

	was map[string]string
}

var _ transform.Naming = keepNames{}

// Locate implements transform.Naming.
func (k keepNames) Locate(kind schema.GroupVersionKind, o transform.Origin) (namespace, name string) {
	if was, ok := k.was[o.LogicalCluster]; ok {
		o.LogicalCluster = was
	}
	return k.Naming.Locate(kind, o)
}
