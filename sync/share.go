package syncer

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// Share says which workspaces are this replica's, where several share them out.
// *shards.Shards is one.
type Share interface {
	// Buckets returns the buckets of logical clusters (transform.BucketOf) that
	// are this replica's, in order.
	Buckets() []int
	// Subscribe calls fn after each change of the buckets, one call at a time.
	Subscribe(fn func()) (cancel func())
}

// WithShare narrows what is watched on physical clusters to the copies of a share
// of the workspaces. It goes with a coordinator of the manager that engages
// workspaces of the same share and no others: package shards makes both. Nothing
// is concluded about the copies of other workspaces, should one be engaged. When
// the share changes, the watches are opened anew. Default: all copies of the
// installation are watched.
func WithShare(s Share) Option {
	return func(o *options) { o.share = s }
}

// watching is which copies a lane watches.
type watching struct {
	all     bool // of whatever workspace
	buckets []int
}

// share returns what is this replica's to watch.
func (l *Loop) share() watching {
	if l.opts.share == nil {
		return watching{all: true}
	}
	return watching{buckets: l.opts.share.Buckets()}
}

// selector selects it on a cluster.
func (w watching) selector(installation string) labels.Selector {
	if w.all {
		return transform.SelectorFor(installation)
	}
	return transform.SelectorForBuckets(installation, w.buckets)
}

func (w watching) equals(other watching) bool {
	return w.all == other.all && slices.Equal(w.buckets, other.buckets)
}

// covers says whether the copies of a workspace are watched.
func (w watching) covers(ws multicluster.ClusterName) bool {
	if w.all {
		return true
	}
	_, found := slices.BinarySearch(w.buckets, transform.BucketOf(string(ws)))
	return found
}

// shareChanged opens the lanes anew that watch another share than is ours now.
func (l *Loop) shareChanged(ctx context.Context) {
	l.world.lock(&l.opening)
	defer l.opening.Unlock()
	now := l.share()
	for _, lane := range l.allLanes() {
		if lane.equals(now) {
			continue
		}
		l.closeLane(lane.name)
		l.openLane(ctx, lane.name)
		l.wake(lane.name)
	}
}
