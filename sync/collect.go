package syncer

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// Register knows, live and from elsewhere than an export, whether a workspace
// was deleted. *workspaces.Register is one.
type Register interface {
	// Gone says whether the workspace with this logical cluster name is proven
	// to be deleted. An error, and so false, proves nothing.
	Gone(ctx context.Context, name multicluster.ClusterName) (bool, error)
}

// CollectGone retires the copies of workspaces that were deleted while nobody
// was there to see it. A workspace that is not engaged is nothing special: it
// may have unbound, or its endpoint may be down. Its copies go only if the
// register proves, again and again for the given time and once more right
// before each deletion, that the workspace is deleted.
//
// When more than half of the workspaces that have copies seem to be gone at once,
// none is collected and an error is logged: that is what a kcp looks like that
// lost its data. The last of few workspaces is therefore left to a person. Keep
// it switched off while a kcp is rebuilt from a backup, until its copies have
// their originals back. Default: nothing is collected.
func CollectGone(register Register, after time.Duration) Option {
	return func(o *options) { o.register, o.collectAfter = register, after }
}

// collector remembers which workspaces are proven gone, and since when.
type collector struct {
	mu        sync.Mutex
	since     map[multicluster.ClusterName]time.Time
	condemned map[multicluster.ClusterName]bool
}

// judge takes in which workspaces with copies there are, and which of them are
// proven gone now. It returns those that are to be collected, and false if so
// many are gone that none may be.
func (c *collector) judge(now time.Time, after time.Duration, all, gone map[multicluster.ClusterName]bool) (condemned []multicluster.ClusterName, plausible bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if 2*len(gone) > len(all) {
		c.since, c.condemned = nil, nil
		return nil, false
	}
	since := make(map[multicluster.ClusterName]time.Time, len(gone))
	c.condemned = map[multicluster.ClusterName]bool{}
	for ws := range gone {
		since[ws] = now
		if before, ok := c.since[ws]; ok {
			since[ws] = before
		}
		if now.Sub(since[ws]) >= after {
			c.condemned[ws] = true
			condemned = append(condemned, ws)
		}
	}
	c.since = since // a workspace that was not proven gone this time starts anew
	return condemned, true
}

func (c *collector) has(ws multicluster.ClusterName) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.condemned[ws]
}

// collect looks for workspaces that are gone until ctx ends.
func (l *Loop) collect(ctx context.Context) {
	interval := min(max(l.opts.collectAfter/2, time.Second), 10*time.Minute)
	for l.world.sleep(ctx, interval) {
		l.sweep(ctx)
	}
}

// sweep sends lanes to retire the copies of workspaces that are gone.
func (l *Loop) sweep(ctx context.Context) {
	lanes := l.allLanes()
	copies := make([]map[multicluster.ClusterName][]errand, len(lanes))
	all, gone := map[multicluster.ClusterName]bool{}, map[multicluster.ClusterName]bool{}
	for i, lane := range lanes {
		copies[i] = lane.byWorkspace(ctx)
		for ws := range copies[i] {
			all[ws] = true
		}
	}
	for ws := range all {
		if _, err := l.provider.Get(ctx, ws); err == nil {
			continue
		}
		proven, err := l.opts.register.Gone(ctx, ws)
		if err != nil {
			l.logger.V(1).Info("Workspace is neither engaged nor proven to be deleted", "workspace", ws, "error", err.Error())
		}
		if proven && err == nil {
			gone[ws] = true
		}
	}
	condemned, plausible := l.collector.judge(l.world.now(), l.opts.collectAfter, all, gone)
	if !plausible {
		l.logger.Error(nil, "Too many workspaces are gone at once; nothing is collected: check that kcp has not lost its data", "gone", len(gone), "all", len(all))
	}
	for _, ws := range condemned {
		for i, lane := range lanes {
			for _, e := range copies[i][ws] {
				lane.queue.Add(e)
			}
		}
	}
}

// byWorkspace returns errands for everything that is ours on the cluster, by
// workspace.
func (l *lane) byWorkspace(ctx context.Context) map[multicluster.ClusterName][]errand {
	found := map[multicluster.ClusterName][]errand{}
	for _, kind := range l.loop.kinds() {
		for _, key := range l.allCopies(ctx, kind) {
			found[key.Workspace] = append(found[key.Workspace], errand{key: key})
		}
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(namespaceKind.GroupVersion().WithKind("NamespaceList"))
	if !l.ready(namespaceKind) || l.cached.List(ctx, list) != nil {
		return found
	}
	for i := range list.Items {
		if marks, ok := transform.ReadMarks(&list.Items[i]); ok && marks.Namespace == "" {
			ws := multicluster.ClusterName(marks.LogicalCluster)
			found[ws] = append(found[ws], errand{key: Key{Workspace: ws, Namespace: marks.Name}, tidy: true})
		}
	}
	return found
}

// workspaceGone proves, live, that the workspace of a copy is deleted.
func (l *Loop) workspaceGone(ctx context.Context, ws multicluster.ClusterName) (Cause, error) {
	if !l.collector.has(ws) {
		return "", errUnknown
	}
	return because(CauseWorkspaceGone)(l.opts.register.Gone(ctx, ws))
}
