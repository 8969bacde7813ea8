package syncer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/sync/internal/lean"
)

// surroundings is what the loop takes from the world besides decisions: time,
// concurrency and the ways to servers. The simulation of the tests puts a
// clock, a scheduler and servers of its own here, so that every run of the
// real loop follows from a seed. So nothing in the loop reads the clock, starts
// a goroutine, waits, or locks over a call to a server but through these.
type surroundings struct {
	now func() time.Time
	// sleep pauses; false if ctx ended.
	sleep func(ctx context.Context, d time.Duration) bool
	// await blocks until ready says so; false if ctx ended. A nil ready never
	// says so.
	await func(ctx context.Context, ready func() bool) bool
	// synced blocks until an informer has told of all that there is; false if ctx ended.
	synced func(ctx context.Context, informer cache.Informer) bool
	// spawn runs fn beside its caller.
	spawn func(fn func())
	// after runs fn once ctx has ended.
	after func(ctx context.Context, fn func())
	// lock takes a lock that is held over calls to servers.
	lock func(locker)
	// connect builds what a lane speaks to its cluster by, and watches the copies
	// with that are selected.
	connect func(l *Loop, conn *tmccluster.Connection, copies labels.Selector) (*wires, error)
	// queue makes the queue of a lane.
	queue func() workqueue.TypedRateLimitingInterface[errand]
}

// locker is a lock that can be tried.
type locker interface {
	sync.Locker
	TryLock() bool
}

// readLocker is the read side of a lock, as a locker.
type readLocker struct{ *sync.RWMutex }

func (r readLocker) Lock()         { r.RLock() }
func (r readLocker) Unlock()       { r.RUnlock() }
func (r readLocker) TryLock() bool { return r.TryRLock() }

// originals is what the loop reads originals and Placements by:
// *workspaces.Watcher.
type originals interface {
	multicluster.Aware
	Synced(ws multicluster.ClusterName, kind schema.GroupVersionKind) bool
	Get(ctx context.Context, ws multicluster.ClusterName, kind schema.GroupVersionKind, key client.ObjectKey) (*unstructured.Unstructured, error)
	List(ctx context.Context, ws multicluster.ClusterName, kind schema.GroupVersionKind, namespace string) ([]unstructured.Unstructured, error)
}

// wires are the clients of one physical cluster.
type wires struct {
	live      client.Client // never from a cache
	cached    cache.Cache   // only copies, of the workspaces that are ours to watch
	births    births        // what was born there; nil where nothing is shown upstream
	discovery discovery.ServerResourcesInterface
	pressure  *pressure // nil bounds nothing
}

// realSurroundings are the process's own.
func realSurroundings() surroundings {
	return surroundings{
		now:   time.Now,
		sleep: sleep,
		await: func(ctx context.Context, ready func() bool) bool {
			if ready == nil {
				<-ctx.Done()
				return false
			}
			return toolscache.WaitForCacheSync(ctx.Done(), ready)
		},
		synced: func(ctx context.Context, informer cache.Informer) bool {
			return toolscache.WaitFor(ctx, "", informer.HasSyncedChecker())
		},
		spawn:   func(fn func()) { go fn() },
		after:   func(ctx context.Context, fn func()) { context.AfterFunc(ctx, fn) },
		lock:    func(l locker) { l.Lock() },
		connect: connect,
		queue: func() workqueue.TypedRateLimitingInterface[errand] {
			return newErrandQueue(
				workqueue.NewTypedItemExponentialFailureRateLimiter[errand](100*time.Millisecond, time.Minute))
		},
	}
}

func connect(l *Loop, conn *tmccluster.Connection, copies labels.Selector) (*wires, error) {
	cfg := rest.CopyConfig(conn.Config)
	cfg.QPS = -1 // the cluster's own priority and fairness is the better judge
	live := rest.CopyConfig(cfg)
	live.Timeout = requestTimeout
	w := &wires{pressure: newPressure(l.opts.lanes, l.world.now, func(limit float64) {
		l.metrics.concurrency.WithLabelValues(conn.Name).Set(limit)
	})}
	live.Wrap(w.pressure.wrap)
	live.Wrap(l.tracing.wrap)
	httpClient, err := rest.HTTPClientFor(live)
	if err != nil {
		return nil, fmt.Errorf("build client of cluster %s: %w", conn.Name, err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(live, httpClient)
	if err != nil {
		return nil, fmt.Errorf("build mapper of cluster %s: %w", conn.Name, err)
	}
	served, err := client.New(live, client.Options{HTTPClient: httpClient, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("build client of cluster %s: %w", conn.Name, err)
	}
	w.live = lean.NewClient(served, live, httpClient)
	if w.discovery, err = discovery.NewDiscoveryClientForConfigAndClient(live, httpClient); err != nil {
		return nil, fmt.Errorf("build discovery client of cluster %s: %w", conn.Name, err)
	}
	watching, err := rest.HTTPClientFor(cfg) // a watch takes longer than a request may
	if err != nil {
		return nil, fmt.Errorf("build cache of cluster %s: %w", conn.Name, err)
	}
	if w.cached, err = cache.New(cfg, cache.Options{
		HTTPClient:                   watching,
		Mapper:                       mapper,
		NewInformer:                  lean.Informers(cfg, watching, mapper, copies),
		DefaultLabelSelector:         copies,
		DefaultTransform:             l.strip,
		DefaultUnsafeDisableDeepCopy: new(true),
		ReaderFailOnMissingInformer:  true,
	}); err != nil {
		return nil, fmt.Errorf("build cache of cluster %s: %w", conn.Name, err)
	}
	if len(l.opts.upsync) == 0 {
		return w, nil
	}
	if w.births, err = newBirths(cfg, mapper); err != nil {
		return nil, fmt.Errorf("build metadata client of cluster %s: %w", conn.Name, err)
	}
	return w, nil
}

// sleep pauses; it returns false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
