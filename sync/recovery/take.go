package recovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kcp-dev/logicalcluster/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
)

var (
	physicalClusters  = clusterv1alpha1.GroupVersion.WithResource("physicalclusters")
	placements        = placementv1alpha1.GroupVersion.WithResource("placements")
	clusterPlacements = placementv1alpha1.GroupVersion.WithResource("clusterplacements")
	secrets           = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// Source is what a backup is taken from.
type Source struct {
	// Platform leads to the workspace with the PhysicalClusters.
	Platform *rest.Config
	// Tenants lead to all workspaces of tenants at once, one per shard: the
	// endpoints of the export, with "/clusters/*".
	Tenants []*rest.Config
	// Path returns the path of a workspace, by its logical cluster.
	Path func(ctx context.Context, cluster string) (string, error)
	// Originals are the resources of which originals are kept.
	Originals []schema.GroupVersionResource
	// Secrets keeps the Secrets of connections, as anybody can read them.
	Secrets bool
}

// Take reads a backup.
func Take(ctx context.Context, from Source) (*Backup, error) {
	b := &Backup{Taken: time.Now().UTC().Truncate(time.Second), Workspaces: []Workspace{}}
	platform, err := dynamic.NewForConfig(from.Platform)
	if err != nil {
		return nil, fmt.Errorf("build client of the platform: %w", err)
	}
	if b.Platform, err = list(ctx, platform.Resource(physicalClusters)); err != nil {
		return nil, fmt.Errorf("read PhysicalClusters: %w", err)
	}
	if from.Secrets {
		connections, err := connectionsOf(ctx, platform, b.Platform)
		if err != nil {
			return nil, err
		}
		b.Platform = append(connections, b.Platform...)
	}
	clean(b.Platform, false)
	found := map[string]*Workspace{}
	for _, cfg := range from.Tenants {
		if err := takeShard(ctx, cfg, from.Originals, found); err != nil {
			return nil, err
		}
	}
	for cluster, ws := range found {
		if ws.Path, err = from.Path(ctx, cluster); err != nil {
			return nil, fmt.Errorf("path of workspace %s: %w", cluster, err)
		}
		clean(ws.Placements, true)
		clean(ws.Originals, false)
		b.Workspaces = append(b.Workspaces, *ws)
	}
	slices.SortFunc(b.Workspaces, func(x, y Workspace) int { return cmp.Compare(x.Path, y.Path) })
	return b, nil
}

// takeShard reads all workspaces of one endpoint.
func takeShard(ctx context.Context, cfg *rest.Config, kinds []schema.GroupVersionResource, found map[string]*Workspace) error {
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("build client of %s: %w", cfg.Host, err)
	}
	for _, resource := range slices.Concat([]schema.GroupVersionResource{placements, clusterPlacements}, kinds) {
		objects, err := list(ctx, client.Resource(resource))
		if err != nil {
			return fmt.Errorf("read %s: %w", resource.Resource, err)
		}
		for i := range objects {
			if objects[i].GetKind() == "ConfigMap" && objects[i].GetName() == "kube-root-ca.crt" {
				continue // every namespace gets one
			}
			cluster := logicalcluster.From(&objects[i]).String()
			ws := found[cluster]
			if ws == nil {
				ws = &Workspace{Cluster: cluster, Placements: []unstructured.Unstructured{}, Originals: []unstructured.Unstructured{}}
				found[cluster] = ws
			}
			if resource == placements || resource == clusterPlacements {
				ws.Placements = append(ws.Placements, objects[i])
			} else {
				ws.Originals = append(ws.Originals, objects[i])
			}
		}
	}
	return nil
}

// connectionsOf reads the Secrets that registrations refer to.
func connectionsOf(ctx context.Context, platform dynamic.Interface, clusters []unstructured.Unstructured) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	for i := range clusters {
		ref, _, _ := unstructured.NestedStringMap(clusters[i].Object, "spec", "connection", "secretRef")
		secret, err := platform.Resource(secrets).Namespace(ref["namespace"]).Get(ctx, ref["name"], metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the Secret of %s: %w", clusters[i].GetName(), err)
		}
		all = append(all, *secret)
	}
	return all, nil
}

// list reads all objects of a resource, in pages, sorted.
func list(ctx context.Context, from dynamic.ResourceInterface) ([]unstructured.Unstructured, error) {
	all := []unstructured.Unstructured{}
	for token := ""; ; {
		page, err := from.List(ctx, metav1.ListOptions{Limit: 500, Continue: token})
		if err != nil {
			return nil, err
		}
		if page == nil {
			return nil, errors.New("the server answered with nothing")
		}
		all = append(all, page.Items...)
		if token = page.GetContinue(); token == "" {
			break
		}
	}
	slices.SortFunc(all, func(a, b unstructured.Unstructured) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	return all, nil
}

// clean takes out what a server writes. UIDs stay: copies are tied to them.
func clean(objects []unstructured.Unstructured, status bool) {
	for i := range objects {
		obj := &objects[i]
		for _, field := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "selfLink", "ownerReferences", "finalizers", "deletionTimestamp", "deletionGracePeriodSeconds"} {
			unstructured.RemoveNestedField(obj.Object, "metadata", field)
		}
		obj.SetAnnotations(without(obj.GetAnnotations()))
		obj.SetLabels(without(obj.GetLabels()))
		if !status {
			unstructured.RemoveNestedField(obj.Object, "status")
		}
	}
}

// without returns labels or annotations without those that kcp writes.
func without(m map[string]string) map[string]string {
	for key := range m {
		if isKCP(key) {
			delete(m, key)
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}
