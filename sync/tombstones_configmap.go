package syncer

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// Labels of the ConfigMaps of tombstones.
const (
	labelTombstoneOf = "tmc-sdk.dev/tombstone-of"      // the installation
	labelTombstoneOn = "tmc-sdk.dev/tombstone-cluster" // a hash of the cluster's name
)

// ConfigMapTombstones keep each tombstone in a ConfigMap. Make them with
// NewTombstones.
type ConfigMapTombstones struct {
	client                  client.Client
	namespace, installation string
}

var _ Tombstones = (*ConfigMapTombstones)(nil)

// NewTombstones returns tombstones of an installation that are kept as ConfigMaps
// in a namespace that exists, on a server that outlives both workspaces and
// physical clusters: where the controller has its lease, say. The client needs the
// verbs create, list and delete there. A cluster that never returns leaves its
// tombstones; they may be deleted by hand when it is given up.
func NewTombstones(c client.Client, namespace, installation string) *ConfigMapTombstones {
	return &ConfigMapTombstones{c, namespace, installation}
}

// Bury implements Tombstones.
func (c *ConfigMapTombstones) Bury(ctx context.Context, t Tombstone) error {
	err := c.client.Create(ctx, c.object(t))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("keep tombstone of %s: %w", t.Original, err)
	}
	return nil
}

// On implements Tombstones.
func (c *ConfigMapTombstones) On(ctx context.Context, cluster string) ([]Tombstone, error) {
	var list corev1.ConfigMapList
	err := c.client.List(ctx, &list, client.InNamespace(c.namespace), client.MatchingLabels{labelTombstoneOf: c.installation, labelTombstoneOn: hash([]byte(cluster))})
	if err != nil {
		return nil, fmt.Errorf("read tombstones of cluster %s: %w", cluster, err)
	}
	var graves []Tombstone
	for i := range list.Items {
		d := list.Items[i].Data
		if d["cluster"] != cluster || d["uid"] == "" || d["kind"] == "" {
			continue // another's, or of a version that is not known
		}
		graves = append(graves, Tombstone{Cluster: cluster, UID: types.UID(d["uid"]), Deletion: Deletion(d["deletion"]), Original: Key{
			Kind:      schema.GroupVersionKind{Group: d["group"], Version: d["version"], Kind: d["kind"]},
			Workspace: multicluster.ClusterName(d["workspace"]), Namespace: d["namespace"], Name: d["name"],
		}})
	}
	return graves, nil
}

// Clear implements Tombstones.
func (c *ConfigMapTombstones) Clear(ctx context.Context, t Tombstone) error {
	if err := client.IgnoreNotFound(c.client.Delete(ctx, c.object(t))); err != nil {
		return fmt.Errorf("drop tombstone of %s: %w", t.Original, err)
	}
	return nil
}

func (c *ConfigMapTombstones) object(t Tombstone) *corev1.ConfigMap {
	k := t.Original
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.namespace,
			Name:      "tmc-tombstone-" + hash(fmt.Appendf(nil, "%s/%s/%s/%s", c.installation, t.Cluster, t.UID, k)),
			Labels:    map[string]string{labelTombstoneOf: c.installation, labelTombstoneOn: hash([]byte(t.Cluster))},
		},
		Data: map[string]string{
			"cluster": t.Cluster, "uid": string(t.UID), "deletion": string(t.Deletion), "group": k.Kind.Group, "version": k.Kind.Version, "kind": k.Kind.Kind,
			"workspace": string(k.Workspace), "namespace": k.Namespace, "name": k.Name,
		},
	}
}
