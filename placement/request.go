package placement

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Request asks for a decision. It is a value: neither the engine nor a plugin
// changes it.
type Request struct {
	// Workspace, Namespace and Name say whose decision it is, for messages
	// and for plugins.
	Workspace, Namespace, Name string
	// Spec is what was asked for. Nil is the zero spec.
	Spec *v1alpha1.PlacementSpec
	// Workloads that land together.
	Workloads []Workload
	// Current is where the work is now, leaving targets included.
	Current []v1alpha1.Target
	// Now is the time to reckon tolerations and ages by.
	Now time.Time
}

// Workload is one object that a decision is for.
type Workload struct {
	// Kind of the object, which a cluster must serve.
	Kind schema.GroupVersionKind
	// Name of the object.
	Name string
	// Replicas that the object asks for; nil for a kind without replicas.
	Replicas *int32
	// Requests of one replica.
	Requests cluster.Resources
}
