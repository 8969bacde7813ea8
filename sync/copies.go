package syncer

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// Remaining returns how many copies are left on a cluster of the objects that a
// Placement covers; with an empty namespace, that a ClusterPlacement covers. An
// error means that it can't be told now. The placement controller asks before
// it drops a cluster that work was leaving.
func (l *Loop) Remaining(ctx context.Context, workspace multicluster.ClusterName, placement types.NamespacedName, cluster string) (int, error) {
	lane := l.lane(cluster)
	if lane == nil {
		return 0, fmt.Errorf("copies on cluster %s: %w", cluster, errUnknown)
	}
	if len(l.resources()) == 0 {
		return 0, fmt.Errorf("copies on cluster %s: which kinds there are: %w", cluster, errUnknown)
	}
	n := 0
	for _, kind := range l.resources() {
		if lane.unserved(kind) {
			continue
		}
		copies, err := lane.copiesOf(ctx, kind, namespaceKey{workspace, placement.Namespace})
		if err != nil {
			return 0, fmt.Errorf("copies of %s on cluster %s: %w", kind.Kind, cluster, err)
		}
		for _, key := range copies {
			original, err := l.original(ctx, key)
			if err != nil {
				return 0, fmt.Errorf("original %s: %w", key, err)
			}
			if original != nil {
				p := l.decisions.covering(key.namespace(), original)
				if p != nil && p.Name != placement.Name {
					continue
				}
			}
			n++
		}
	}
	return n, nil
}

// NotifyRetired has fn called when the copies of what a Placement covers are
// gone from a cluster that they were leaving. It may be called more than once.
// Call NotifyRetired before the manager starts; fn must be quick and safe for
// concurrent use.
func (l *Loop) NotifyRetired(fn func(workspace multicluster.ClusterName, placement types.NamespacedName, cluster string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = append(l.retired, fn)
}

// tellRetired tells who wants to know of the clusters that an original was
// leaving and left.
func (l *Loop) tellRetired(ctx context.Context, key Key, where *assignment) {
	l.mu.Lock()
	listeners := l.retired
	l.mu.Unlock()
	if len(listeners) == 0 || where.placement == nil {
		return
	}
	name := types.NamespacedName{Namespace: where.placement.Namespace, Name: where.placement.Name}
	for cluster, t := range where.targets {
		if !t.Leaving {
			continue
		}
		if n, err := l.Remaining(ctx, key.Workspace, name, cluster); err != nil || n > 0 {
			continue
		}
		for _, fn := range listeners {
			fn(key.Workspace, name, cluster)
		}
	}
}

// allCopies returns the originals of all copies of a kind on the cluster.
func (l *lane) allCopies(ctx context.Context, kind schema.GroupVersionKind) []Key {
	copies, err := l.listCopies(ctx, kind)
	if err != nil {
		return nil
	}
	keys := make([]Key, 0, len(copies))
	for i := range copies {
		keys = append(keys, originOf(kind, &copies[i]))
	}
	return keys
}

// copiesOf returns the originals in a namespace of which the cluster holds
// copies of a kind.
func (l *lane) copiesOf(ctx context.Context, kind schema.GroupVersionKind, ns namespaceKey) ([]Key, error) {
	if !l.covers(ns.workspace) {
		return nil, errUnknown
	}
	var opts []client.ListOption
	if ns.namespace != "" {
		at := l.loop.locate(Key{Kind: kind, Workspace: ns.workspace, Namespace: ns.namespace, Name: "any"})
		opts = append(opts, client.InNamespace(at.Namespace))
	}
	copies, err := l.listCopies(ctx, kind, opts...)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for i := range copies {
		if key := originOf(kind, &copies[i]); key.namespace() == ns {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// copiesIn returns the copies of a kind in a namespace of the cluster, as the cache
// shows them; none where the cluster does not serve the kind. They are shared and must
// not be changed.
func (l *lane) copiesIn(ctx context.Context, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error) {
	if l.unserved(kind) {
		return nil, nil
	}
	return l.listCopies(ctx, kind, client.InNamespace(namespace))
}

// listCopies lists copies of a kind from the cache: errUnknown until all are known.
// They are shared and must not be changed.
func (l *lane) listCopies(ctx context.Context, kind schema.GroupVersionKind, opts ...client.ListOption) ([]unstructured.Unstructured, error) {
	as, ready := l.copiesKnown(kind)
	if !ready {
		return nil, errUnknown
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(as.GroupVersion().WithKind(as.Kind + "List"))
	if err := l.cached.List(ctx, list, opts...); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(u unstructured.Unstructured) bool {
		marks, ok := transform.ReadMarks(&u)
		return !ok || !ofKind(kind, as, marks)
	}), nil
}

// originOf returns the original of what listCopies returned.
func originOf(kind schema.GroupVersionKind, copied *unstructured.Unstructured) Key {
	marks, _ := transform.ReadMarks(copied)
	return keyOf(kind, marks.Origin)
}
