package transform

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Origin identifies an original.
type Origin struct {
	// LogicalCluster is the name, never the path, of the workspace.
	LogicalCluster string
	// Namespace in the workspace; empty for a cluster-scoped original.
	Namespace string
	// Name in the workspace.
	Name string
	// UID of the original.
	UID types.UID
}

// Target is one cluster that a decision names, as transformers see it.
// Transformers must not change it.
type Target struct {
	// Cluster is the name of the physical cluster.
	Cluster string
	// Labels of the cluster.
	Labels map[string]string
	// Region, Zone and Provider of the cluster; empty if unsaid.
	Region, Zone, Provider string
	// Version of Kubernetes that the cluster runs, as "v1.36.3".
	Version string
	// Properties of the cluster.
	Properties map[string]string
	// Origin of the object. The pipeline fills it in.
	Origin Origin
	// Kind is what the object is on this cluster, one of Pipeline.KindsOn. Default:
	// the first of them.
	Kind schema.GroupVersionKind
	// Replicas is the object's share on this cluster; nil if it is not divided.
	Replicas *int32
	// Division of wholes other than replicas, such as the bounds of a
	// HorizontalPodAutoscaler; nil if nothing is divided.
	Division *Division
	// Owners are what became on this cluster of those that the original names as
	// its owners; of no others anything is read. See WithOwnerReferences.
	Owners []Owner
	// Overrides for the object on this cluster, in order. They are applied
	// before the transformers: a tenant writes them, and what the platform sees
	// to has the last word.
	Overrides []Override

	pods    map[schema.GroupKind][]Path // where else pod specs are
	careful bool                        // who does what is to be found out
	known   *known                      // what the pipeline knows of the object
}

// known is what is the same for all transformers of one rendering.
type known struct {
	podPath []string
	room    [1]map[string]any
}

// Override patches what goes to a cluster, as the owner's Placement says. Exactly one of the
// patches is set.
type Override struct {
	// JSONPatch is an RFC 6902 patch, a JSON list.
	JSONPatch []byte
	// MergePatch is an RFC 7386 patch, a JSON object.
	MergePatch []byte
	// StrategicMergePatch is a patch that merges lists by the keys of their
	// elements, a JSON object. It is for kinds of Kubernetes: of others it is not
	// known what the keys are.
	StrategicMergePatch []byte
}
