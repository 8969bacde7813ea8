package workspaces

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/kcp-dev/logicalcluster/v3"

	"github.com/tmc-sdk/tmc/cluster/internal/pause"
)

// feedKey is one informer: shared is nil where a workspace has its own.
type feedKey struct {
	shared cache.Cache
	name   multicluster.ClusterName
	kind   schema.GroupVersionKind
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

// keeper is implemented by providers that stop an informer of a shared cache when
// nobody needs it any more.
type keeper interface {
	// keep has an informer stay.
	keep(shared cache.Cache, kind schema.GroupVersionKind)
	// letGo undoes one keep. The last one stops the informer, if the kind left.
	letGo(shared cache.Cache, kind schema.GroupVersionKind, left bool)
}

// follow follows one kind of one workspace until ctx ends. It returns when all there
// is has been told of: goroutines are not to grow with workspaces.
func (w *Watcher) follow(ctx context.Context, e *engagement, kind schema.GroupVersionKind, mine *following) {
	var atEnd []func() // the last goes first
	defer func() {
		context.AfterFunc(ctx, func() {
			for _, end := range slices.Backward(atEnd) {
				end()
			}
		})
	}()
	name, cl := e.name, e.cluster
	logger := log.FromContext(ctx).WithValues("cluster", name, "kind", kind.String())
	key := feedKey{kind: kind, name: name}
	base := cl.GetCache()
	if s, ok := w.provider.(sharer); ok {
		if shared, ok := s.SharedCache(name); ok {
			key, base = feedKey{kind: kind, shared: shared}, shared
		}
	}
	if k, ok := w.provider.(keeper); ok && key.shared != nil {
		k.keep(key.shared, kind)
		atEnd = append(atEnd, func() { k.letGo(key.shared, kind, w.hasLeft(mine)) })
	}
	f, err := w.acquire(ctx, key, base)
	for wait := time.Second; err != nil; wait = min(2*wait, 30*time.Second) {
		logger.V(1).Info("Kind can't be watched yet", "error", err.Error())
		if !pause.For(ctx, wait) {
			return
		}
		f, err = w.acquire(ctx, key, base)
	}
	atEnd = append(atEnd, func() { w.release(key, name, mine) })

	if !toolscache.WaitFor(ctx, "", f.informer.HasSyncedChecker()) {
		return
	}
	// What the informer told before the workspace was engaged had no one to
	// act on it; tell it again.
	known, err := w.know(ctx, e, kind, mine)
	for ; err != nil; known, err = w.know(ctx, e, kind, mine) {
		logger.Error(err, "Failed to list from the cache")
		if !pause.For(ctx, time.Second) {
			return
		}
	}
	for i := range known {
		w.handle(Event{Cluster: name, New: &known[i], Initial: true})
	}
}

// know takes note that all objects of a kind are known, and returns them.
func (w *Watcher) know(ctx context.Context, e *engagement, kind schema.GroupVersionKind, mine *following) ([]unstructured.Unstructured, error) {
	w.reading.RLock()
	defer w.reading.RUnlock()
	w.mu.Lock()
	if mine.left || ctx.Err() != nil {
		w.mu.Unlock()
		return nil, nil
	}
	w.mu.Unlock()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := e.cluster.GetCache().List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if mine.left || ctx.Err() != nil {
		return nil, nil
	}
	w.synced[syncKey{e.name, kind}] = mine
	return list.Items, nil
}

// hasLeft says whether it was the kind that left.
func (w *Watcher) hasLeft(f *following) bool {
	w.mu.Lock()
	left := f.left
	w.mu.Unlock()
	if left { // who reads on the word of before is let finish
		w.reading.Lock()
		//nolint:staticcheck // nothing is to be done under it
		w.reading.Unlock()
	}
	return left
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

func (w *Watcher) release(key feedKey, name multicluster.ClusterName, mine *following) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgetLocked(syncKey{name, key.kind}, mine)
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
