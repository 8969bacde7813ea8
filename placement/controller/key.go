package controller

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

var (
	placementKind        = v1alpha1.GroupVersion.WithKind("Placement")
	clusterPlacementKind = v1alpha1.GroupVersion.WithKind("ClusterPlacement")
)

// Key names one Placement in one workspace; with an empty namespace, one
// ClusterPlacement.
type Key struct {
	// Workspace is the name, never the path, of the logical cluster.
	Workspace multicluster.ClusterName
	// NamespacedName of the Placement.
	types.NamespacedName
}

// String returns the key for people.
func (k Key) String() string {
	return fmt.Sprintf("%s %s|%s", k.kind().Kind, k.Workspace, k.NamespacedName)
}

func (k Key) kind() schema.GroupVersionKind { return kindIn(k.Namespace) }

func (k Key) resource() schema.GroupVersionResource {
	if k.Namespace == "" {
		return v1alpha1.GroupVersion.WithResource("clusterplacements")
	}
	return v1alpha1.GroupVersion.WithResource("placements")
}

// kindIn returns the kind that decides in a namespace; for the empty one, that
// is for cluster-scoped objects, ClusterPlacement.
func kindIn(namespace string) schema.GroupVersionKind {
	if namespace == "" {
		return clusterPlacementKind
	}
	return placementKind
}

// keyIn names a Placement of a namespace.
func keyIn(workspace multicluster.ClusterName, namespace, name string) Key {
	return Key{Workspace: workspace, NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}
