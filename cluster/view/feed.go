package view

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

// Snapshotter shows physical clusters: a cluster.Fleet is one.
type Snapshotter interface {
	Snapshot() *cluster.Snapshot
}

// Feed keeps a View up to date. It is a multicluster.Aware: let a manager
// engage it with workspaces. It writes nothing and runs on every replica.
type Feed struct {
	view    *View
	watcher *workspaces.Watcher
	listed  []schema.GroupVersionKind

	mu    sync.RWMutex
	kinds []schema.GroupVersionKind // that are shown now
}

var _ multicluster.Aware = (*Feed)(nil)

// NewFeed returns a feed of the given kinds in the workspaces of a provider,
// and of the clusters of a fleet; the fleet may be nil.
func NewFeed(v *View, provider multicluster.Provider, fleet Snapshotter, kinds ...schema.GroupVersionKind) (*Feed, error) {
	if v == nil || provider == nil || len(kinds) == 0 {
		return nil, errors.New("feed a view: a view, a provider and kinds are needed")
	}
	if fleet != nil {
		v.mu.Lock()
		v.fleet = fleet.Snapshot
		v.mu.Unlock()
	}
	f := &Feed{view: v, listed: kinds, kinds: kinds}
	f.watcher = workspaces.NewWatcher(provider, kinds, f.note)
	return f, nil
}

// FollowKinds shows kinds of a set that changes beside those that NewFeed was given,
// until cancel is called. Objects of a kind that leaves the set are shown no more.
func (f *Feed) FollowKinds(more workspaces.Kinds) (cancel func()) {
	f.changed(more)
	cancel = more.Subscribe(func() { f.changed(more) })
	f.changed(more) // it may have changed before anybody told
	return cancel
}

func (f *Feed) changed(more workspaces.Kinds) {
	now := slices.Clone(f.listed)
	for _, kind := range more.Kinds() {
		if !slices.ContainsFunc(now, func(k schema.GroupVersionKind) bool { return k.GroupKind() == kind.GroupKind() }) {
			now = append(now, kind)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, left := workspaces.ChangedKinds(f.kinds, now)
	f.kinds = now
	f.watcher.Follow(now)
	f.view.dropKinds(left)
}

// following returns the kinds that are shown now.
func (f *Feed) following() []schema.GroupVersionKind {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.kinds
}

// NeedLeaderElection says that each replica has a view of its own.
func (*Feed) NeedLeaderElection() bool { return false }

// Start waits until ctx is done: a Feed works when it is engaged. It is there
// so that a manager takes a Feed.
func (*Feed) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Engage implements multicluster.Aware.
func (f *Feed) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	round := f.view.seen(string(name))
	if err := f.watcher.Engage(ctx, name, cl); err != nil {
		return err
	}
	go func() {
		f.sweep(ctx, name)
		<-ctx.Done()
		f.view.unseen(string(name), round, time.Now())
	}()
	return nil
}

func (f *Feed) note(e workspaces.Event) {
	o := ObjectOf(e.Object())
	f.mu.RLock()
	defer f.mu.RUnlock() // so that nothing of a kind is set that was just dropped
	if !slices.Contains(f.kinds, o.Kind) {
		return
	}
	if e.New == nil {
		f.view.Delete(string(e.Cluster), o)
		return
	}
	f.view.Set(string(e.Cluster), o)
}

// sweep drops the objects that went while the workspace could not be seen.
func (f *Feed) sweep(ctx context.Context, name multicluster.ClusterName) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for _, kind := range f.following() {
		for !f.watcher.Synced(name, kind) && slices.Contains(f.following(), kind) {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}
	for _, o := range f.view.leftovers(string(name)) {
		_, err := f.watcher.Get(ctx, name, o.Kind, client.ObjectKey{Namespace: o.Namespace, Name: o.Name})
		switch {
		case apierrors.IsNotFound(err):
			f.view.Delete(string(name), o)
		case err != nil && ctx.Err() == nil:
			log.FromContext(ctx).V(1).Info("an object of the view can't be looked up", "cluster", name, "kind", o.KindName, "error", err.Error())
		}
	}
}
