package controller

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// list reads the objects of a kind from the cache, without a copy: they are
// shared and must not be changed.
func (c *Controller) list(ctx context.Context, workspace multicluster.ClusterName, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error) {
	if !c.watcher.Synced(workspace, kind) {
		return nil, fmt.Errorf("%s in workspace %s: %w", kind.Kind, workspace, workspaces.ErrNotSynced)
	}
	cl, err := c.provider.Get(ctx, workspace)
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := cl.GetCache().List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Kind, err)
	}
	return list.Items, nil
}

// placements returns the Placements of a namespace, or the ClusterPlacements
// for the empty one, each decoded once.
func (c *Controller) placements(ctx context.Context, workspace multicluster.ClusterName, namespace string) ([]*v1alpha1.Placement, error) {
	return c.decoded(ctx, workspace, kindIn(namespace), namespace)
}

// decoded returns the Placements of a kind, of all namespaces for the empty one.
func (c *Controller) decoded(ctx context.Context, workspace multicluster.ClusterName, kind schema.GroupVersionKind, namespace string) ([]*v1alpha1.Placement, error) {
	items, err := c.list(ctx, workspace, kind, namespace)
	if err != nil {
		return nil, err
	}
	out := make([]*v1alpha1.Placement, 0, len(items))
	for i := range items {
		p, err := memoized(c.memo, workspace, &items[i], decode)
		if err != nil {
			continue // its schema forbids it; one bad object harms no other
		}
		out = append(out, p)
	}
	return out, nil
}

// decode reads a Placement or a ClusterPlacement: they differ only in what
// they cover.
func decode(obj *unstructured.Unstructured) (*v1alpha1.Placement, error) {
	p := &v1alpha1.Placement{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, p); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", obj.GetKind(), client.ObjectKeyFromObject(obj), err)
	}
	p.ManagedFields = nil
	return p, nil
}

// memo remembers what was computed from an object, for as long as the object
// is the same. It saves time and decides nothing.
type memo struct {
	mu      sync.Mutex
	entries map[memoKey]memoEntry
}

type memoKey struct {
	workspace multicluster.ClusterName
	uid       types.UID
}

type memoEntry struct {
	version string
	value   any
}

func newMemo() *memo { return &memo{entries: map[memoKey]memoEntry{}} }

// memoized returns compute(obj), from memory where that is possible.
func memoized[T any](m *memo, workspace multicluster.ClusterName, obj *unstructured.Unstructured, compute func(*unstructured.Unstructured) (T, error)) (T, error) {
	k, version := memoKey{workspace, obj.GetUID()}, obj.GetResourceVersion()
	if version == "" {
		return compute(obj)
	}
	m.mu.Lock()
	e, ok := m.entries[k]
	m.mu.Unlock()
	if value, is := e.value.(T); ok && is && e.version == version {
		return value, nil
	}
	value, err := compute(obj)
	if err != nil {
		return value, err
	}
	m.mu.Lock()
	m.entries[k] = memoEntry{version, value}
	m.mu.Unlock()
	return value, nil
}

func (m *memo) drop(workspace multicluster.ClusterName, uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, memoKey{workspace, uid})
}

func (m *memo) dropWorkspace(name multicluster.ClusterName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.entries, func(k memoKey, _ memoEntry) bool { return k.workspace == name })
}
