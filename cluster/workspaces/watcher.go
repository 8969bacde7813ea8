package workspaces

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// ErrNotSynced says that the objects of a kind in a workspace are not all
// known yet: nothing may be concluded from what is not there.
var ErrNotSynced = errors.New("objects of the workspace are not all known yet")

// Event tells of one object in one workspace.
type Event struct {
	// Cluster is the logical cluster name of the workspace.
	Cluster multicluster.ClusterName
	// Old and New are the object before and after; Old is nil for one that
	// was added, New for one that can no longer be seen. Both are shared with
	// the cache and must not be changed.
	Old, New *unstructured.Unstructured
	// Initial says that the object was there before the watch began.
	Initial bool
}

// Object returns the object as last seen.
func (e Event) Object() *unstructured.Unstructured {
	if e.New != nil {
		return e.New
	}
	return e.Old
}

// Watcher follows kinds in all engaged workspaces. It is a multicluster.Aware:
// let the manager engage it. Events arrive from several goroutines, one after
// the other for one kind of one endpoint; an object may be told of twice.
type Watcher struct {
	provider multicluster.Provider
	handle   func(Event)

	mu     sync.Mutex
	kinds  []schema.GroupVersionKind
	feeds  map[feedKey]*feed
	synced map[syncKey]*following
	// engaged are the engagements that have not ended.
	engagements map[*engagement]struct{}
	// reading is held to read while a cache is read, and to write before an
	// informer is stopped: a read of a kind without one would start another.
	reading sync.RWMutex
}

// engagement is one workspace in sight.
type engagement struct {
	name      multicluster.ClusterName
	cluster   crcluster.Cluster
	ctx       context.Context //nolint:containedctx // it is what the engagement is: it ends when ctx does
	following map[schema.GroupVersionKind]*following
}

// following is one kind of an engagement.
type following struct {
	stop context.CancelFunc
	// left says that the kind left the set, rather than the workspace the sight.
	left bool
}

type syncKey struct {
	name multicluster.ClusterName
	kind schema.GroupVersionKind
}

var _ multicluster.Aware = (*Watcher)(nil)

// NewWatcher returns a watcher of the given kinds; Follow changes them. The
// handler must be quick and safe for concurrent use.
func NewWatcher(provider multicluster.Provider, kinds []schema.GroupVersionKind, handle func(Event)) *Watcher {
	return &Watcher{
		provider: provider, kinds: slices.Clone(kinds), handle: handle,
		feeds: map[feedKey]*feed{}, synced: map[syncKey]*following{}, engagements: map[*engagement]struct{}{},
	}
}

// Engage begins to follow a workspace, until ctx ends. It does not block; a
// kind that the workspace does not serve yet is tried again.
func (w *Watcher) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	e := &engagement{name: name, cluster: cl, ctx: ctx, following: map[schema.GroupVersionKind]*following{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.engagements[e] = struct{}{}
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.engagements, e)
	})
	w.adjustLocked(e)
	return nil
}

// Follow replaces the set of kinds, in all workspaces that are engaged and will
// be. What is known of a kind that leaves the set is forgotten, and nobody is
// told of its objects; those of a kind that comes, or comes back, are told of as
// those of a new workspace are. With a Provider of this package, the watch of a
// kind ends when no Watcher follows it any more, also for others that read the
// kind, unstructured, from the same caches. It does not block.
func (w *Watcher) Follow(kinds []schema.GroupVersionKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kinds = slices.Clone(kinds)
	for e := range w.engagements {
		w.adjustLocked(e)
	}
}

// adjustLocked has an engagement follow the kinds of the set, and no others.
func (w *Watcher) adjustLocked(e *engagement) {
	for kind, f := range e.following {
		if !slices.Contains(w.kinds, kind) {
			f.left = true
			f.stop()
			delete(e.following, kind)
			w.forgetLocked(syncKey{e.name, kind}, f)
		}
	}
	for _, kind := range w.kinds {
		if _, ok := e.following[kind]; ok {
			continue
		}
		ctx, stop := context.WithCancel(e.ctx)
		f := &following{stop: stop}
		e.following[kind] = f
		go w.follow(ctx, e, kind, f)
	}
}

// forgetLocked forgets that a kind is known, unless a newer engagement knows it.
func (w *Watcher) forgetLocked(key syncKey, f *following) {
	if w.synced[key] == f {
		delete(w.synced, key)
	}
}

// Synced says whether all objects of a kind in a workspace have been seen.
func (w *Watcher) Synced(name multicluster.ClusterName, kind schema.GroupVersionKind) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.synced[syncKey{name, kind}]
	return ok
}

// Get reads an object of a watched kind from the cache. It returns ErrNotSynced
// while not all are known, and a NotFound error where there is none. The object is
// the cache's own: copy it before you change it.
func (w *Watcher) Get(ctx context.Context, name multicluster.ClusterName, kind schema.GroupVersionKind, key client.ObjectKey) (*unstructured.Unstructured, error) {
	w.reading.RLock()
	defer w.reading.RUnlock()
	cl, err := w.engaged(ctx, name, kind)
	if err != nil {
		return nil, err
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	if err := cl.GetCache().Get(ctx, key, obj, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return obj, nil
}

// List reads the objects of a watched kind from the cache, of one namespace or
// of all where namespace is empty.
func (w *Watcher) List(ctx context.Context, name multicluster.ClusterName, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error) {
	w.reading.RLock()
	defer w.reading.RUnlock()
	cl, err := w.engaged(ctx, name, kind)
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := cl.GetCache().List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return list.Items, nil
}

func (w *Watcher) engaged(ctx context.Context, name multicluster.ClusterName, kind schema.GroupVersionKind) (crcluster.Cluster, error) {
	if !w.Synced(name, kind) {
		return nil, fmt.Errorf("%s in workspace %s: %w", kind.Kind, name, ErrNotSynced)
	}
	return w.provider.Get(ctx, name)
}
