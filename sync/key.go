package syncer

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// Key names one original: an object of a kind in a workspace.
type Key struct {
	// Kind of the object, as it is served in the workspace.
	Kind schema.GroupVersionKind
	// Workspace is the name, never the path, of the logical cluster.
	Workspace multicluster.ClusterName
	// Namespace of the object in the workspace; empty for a cluster-scoped one.
	Namespace string
	// Name of the object in the workspace.
	Name string
}

// String returns the key for people.
func (k Key) String() string {
	return fmt.Sprintf("%s %s|%s/%s", k.Kind.Kind, k.Workspace, k.Namespace, k.Name)
}

func (k Key) object() client.ObjectKey {
	return client.ObjectKey{Namespace: k.Namespace, Name: k.Name}
}

func (k Key) namespace() namespaceKey { return namespaceKey{k.Workspace, k.Namespace} }

func (k Key) origin(uid types.UID) transform.Origin {
	return transform.Origin{LogicalCluster: string(k.Workspace), Namespace: k.Namespace, Name: k.Name, UID: uid}
}

// namespaceKey names a namespace of a workspace; with an empty namespace, the
// cluster-scoped objects of it.
type namespaceKey struct {
	workspace multicluster.ClusterName
	namespace string
}
