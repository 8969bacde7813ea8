package syncer

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Tombstone says that an original was seen, live, to be deleted, and was let go
// though a copy of it may remain on a cluster that does not answer. An original
// that was deleting never comes back with its UID; so this proves, also when its
// workspace is gone, that the copy may go.
type Tombstone struct {
	// Cluster on which a copy may remain.
	Cluster string
	// Original that was deleted, and its UID.
	Original Key
	UID      types.UID
	// Deletion is what is to become of the copy.
	Deletion Deletion
}

// Tombstones are kept where they outlive the process. They are few: one for each
// original that did not wait for a lost cluster. Implementations are safe for
// concurrent use. *ConfigMapTombstones are kept in ConfigMaps.
type Tombstones interface {
	// Bury returns when the tombstone is kept; it may be kept already.
	Bury(ctx context.Context, t Tombstone) error
	// On returns the tombstones of a cluster.
	On(ctx context.Context, cluster string) ([]Tombstone, error)
	// Clear drops a tombstone; it may be gone already.
	Clear(ctx context.Context, t Tombstone) error
}

// WithTombstones has a tombstone kept for every original whose deletion no longer
// waits for a cluster that is lost or was removed from the fleet, before its
// finalizer is taken off. Should the cluster return, its copies are retired also
// when their workspace is gone by then, which otherwise only CollectGone may do.
// Default: none; such copies are retired while their workspace can be read.
func WithTombstones(t Tombstones) Option {
	return func(o *options) { o.tombstones = t }
}

// bury keeps a tombstone for a copy that may remain.
func (l *Loop) bury(ctx context.Context, key Key, original *unstructured.Unstructured, cluster string) error {
	if l.opts.tombstones == nil {
		return nil
	}
	how, _ := l.deletionOf(key, original)
	return l.opts.tombstones.Bury(ctx, Tombstone{Cluster: cluster, Original: key, UID: original.GetUID(), Deletion: how})
}

// exhume reads the tombstones of the cluster and sees to the copies that they are
// for, until it could.
func (l *lane) exhume(ctx context.Context) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		graves, err := l.loop.opts.tombstones.On(ctx, l.name)
		if err == nil {
			l.mu.Lock()
			for _, t := range graves {
				l.buried[t.Original] = append(l.buried[t.Original], t)
			}
			l.mu.Unlock()
			for _, t := range graves {
				l.queue.Add(errand{key: t.Original})
			}
			return
		}
		l.logger.Error(err, "Failed to read tombstones; tried again")
		if !l.loop.world.sleep(ctx, wait) {
			return
		}
	}
}

// anyGrave says whether an original of that name was let go though its copy might
// remain here.
func (l *lane) anyGrave(key Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buried[key]) > 0
}

// grave returns the tombstone of the original of a copy; nil for none.
func (l *lane) grave(key Key, uid types.UID) *Tombstone {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.buried[key] {
		if t.UID == uid {
			return &t
		}
	}
	return nil
}

// clearGraves drops the tombstones of an original of which no copy is left here.
func (l *lane) clearGraves(ctx context.Context, key Key) error {
	l.mu.Lock()
	graves := l.buried[key]
	l.mu.Unlock()
	for _, t := range graves {
		if err := l.loop.opts.tombstones.Clear(ctx, t); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.buried, key)
	return nil
}
