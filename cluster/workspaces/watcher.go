package workspaces

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/kcp-dev/logicalcluster/v3"
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
	kinds    []schema.GroupVersionKind
	handle   func(Event)

	mu     sync.Mutex
	feeds  map[feedKey]*feed
	synced map[syncKey]struct{}
	// inSight counts the engagements of each workspace that have not ended.
	inSight map[multicluster.ClusterName]int
}

// feedKey is one informer: shared is nil where a workspace has its own.
type feedKey struct {
	shared cache.Cache
	name   multicluster.ClusterName
	kind   schema.GroupVersionKind
}

type syncKey struct {
	name multicluster.ClusterName
	kind schema.GroupVersionKind
}

// feed is a handler on an informer and the number of workspaces that use it.
type feed struct {
	users    int
	informer cache.Informer
	remove   func() error
}

// sharer is implemented by providers whose workspaces share caches.
type sharer interface {
	SharedCache(name multicluster.ClusterName) (cache.Cache, bool)
}

var _ multicluster.Aware = (*Watcher)(nil)

// NewWatcher returns a watcher of the given kinds. The handler must be quick
// and safe for concurrent use.
func NewWatcher(provider multicluster.Provider, kinds []schema.GroupVersionKind, handle func(Event)) *Watcher {
	return &Watcher{
		provider: provider, kinds: kinds, handle: handle,
		feeds: map[feedKey]*feed{}, synced: map[syncKey]struct{}{}, inSight: map[multicluster.ClusterName]int{},
	}
}

// Engage begins to follow a workspace, until ctx ends. It does not block; a
// kind that the workspace does not serve yet is tried again.
func (w *Watcher) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	w.count(name, 1)
	context.AfterFunc(ctx, func() { w.count(name, -1) })
	for _, kind := range w.kinds {
		go w.follow(ctx, name, cl, kind)
	}
	return nil
}

func (w *Watcher) count(name multicluster.ClusterName, by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inSight[name] += by; w.inSight[name] == 0 {
		delete(w.inSight, name)
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
// while not all are known, and a NotFound error where there is none.
func (w *Watcher) Get(ctx context.Context, name multicluster.ClusterName, kind schema.GroupVersionKind, key client.ObjectKey) (*unstructured.Unstructured, error) {
	cl, err := w.engaged(ctx, name, kind)
	if err != nil {
		return nil, err
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	if err := cl.GetCache().Get(ctx, key, obj); err != nil {
		return nil, err
	}
	return obj, nil
}

// List reads the objects of a watched kind from the cache, of one namespace or
// of all where namespace is empty.
func (w *Watcher) List(ctx context.Context, name multicluster.ClusterName, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error) {
	cl, err := w.engaged(ctx, name, kind)
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := cl.GetCache().List(ctx, list, client.InNamespace(namespace)); err != nil {
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

func (w *Watcher) follow(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster, kind schema.GroupVersionKind) {
	logger := log.FromContext(ctx).WithValues("cluster", name, "kind", kind.String())
	key := feedKey{kind: kind, name: name}
	base := cl.GetCache()
	if s, ok := w.provider.(sharer); ok {
		if shared, ok := s.SharedCache(name); ok {
			key, base = feedKey{kind: kind, shared: shared}, shared
		}
	}
	f, err := w.acquire(ctx, key, base)
	for wait := time.Second; err != nil; wait = min(2*wait, 30*time.Second) {
		logger.V(1).Info("Kind can't be watched yet", "error", err.Error())
		if !sleep(ctx, wait) {
			return
		}
		f, err = w.acquire(ctx, key, base)
	}
	defer w.release(key, name)

	if !toolscache.WaitForCacheSync(ctx.Done(), f.informer.HasSynced) {
		return
	}
	// What the informer told before the workspace was engaged had no one to
	// act on it; tell it again.
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := cl.GetCache().List(ctx, list); err != nil {
		logger.Error(err, "Failed to list from the cache")
		return
	}
	w.mu.Lock()
	w.synced[syncKey{name, kind}] = struct{}{}
	w.mu.Unlock()
	for i := range list.Items {
		w.handle(Event{Cluster: name, New: &list.Items[i], Initial: true})
	}
	<-ctx.Done()
}

// acquire registers the handler with an informer unless it already is.
func (w *Watcher) acquire(ctx context.Context, key feedKey, base cache.Cache) (*feed, error) {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(key.kind)
	// Outside the lock: mapping the kind may wait for a server that hangs.
	informer, err := base.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f, ok := w.feeds[key]; ok {
		f.users++
		return f, nil
	}
	registration, err := informer.AddEventHandler(w.handler(key))
	if err != nil {
		return nil, err
	}
	f := &feed{users: 1, informer: informer, remove: func() error { return informer.RemoveEventHandler(registration) }}
	w.feeds[key] = f
	return f, nil
}

func (w *Watcher) release(key feedKey, name multicluster.ClusterName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.synced, syncKey{name, key.kind})
	f := w.feeds[key]
	if f.users--; f.users == 0 {
		delete(w.feeds, key)
		_ = f.remove() // fails only for an informer that has stopped
	}
}

func (w *Watcher) handler(key feedKey) toolscache.ResourceEventHandler {
	tell := func(oldObj, newObj any, initial bool) {
		e := Event{Cluster: key.name, Initial: initial}
		e.Old, _ = oldObj.(*unstructured.Unstructured)
		e.New, _ = newObj.(*unstructured.Unstructured)
		obj := e.Object()
		if obj == nil {
			return
		}
		if key.shared != nil {
			e.Cluster = multicluster.ClusterName(logicalcluster.From(obj))
		}
		w.handle(e)
	}
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(obj any, initial bool) { tell(nil, obj, initial) },
		UpdateFunc: func(oldObj, newObj any) { tell(oldObj, newObj, false) },
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			tell(obj, nil, false)
		},
	}
}
