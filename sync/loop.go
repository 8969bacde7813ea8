package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/source"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// Fleet is what the loop asks of the physical side. *cluster.Fleet is one.
type Fleet interface {
	// Snapshot returns the clusters as they are known now.
	Snapshot() *tmccluster.Snapshot
	// Subscribe calls fn for every change, one at a time, and first for every
	// cluster there is.
	Subscribe(fn func(tmccluster.Change)) (cancel func())
	// Connection returns what clients of a cluster are built from.
	Connection(name string) (*tmccluster.Connection, error)
	// WaitForSync blocks until it is known which clusters there are.
	WaitForSync(ctx context.Context) bool
}

// Loop syncs the objects of workspaces to physical clusters and their status
// back. Make one with New; it is safe for concurrent use.
type Loop struct {
	fleet        Fleet
	provider     multicluster.Provider
	pipeline     *transform.Pipeline
	renderings   *transform.Cache
	templates    *transform.Cache // of which only the digests are kept
	rules        *transform.StatusRules
	opts         options
	installation string
	manager      string // field manager
	finalizer    string
	metrics      *metrics
	tracing      tracing
	collector    collector
	suspended    atomic.Bool

	world      surroundings
	watcher    originals
	decisions  *decisions
	dependents dependents
	controller controller.TypedController[Key]
	started    chan struct{}
	queue      workqueue.TypedRateLimitingInterface[Key] // set before started is closed
	logger     logr.Logger

	set      atomic.Pointer[kindSet]
	changing sync.Mutex // held while the set is replaced

	opening sync.Mutex // held while lanes are opened and closed

	mu      sync.Mutex
	lanes   map[string]*lane
	records map[Key]*record
	stalled map[Key]struct{}
	closed  map[Key]struct{} // kinds, of workspaces, that can't be shown there

	overseer  workqueue.TypedRateLimitingInterface[errand] // of what workspaces show; nil until the loop starts
	showcases showcases
	retired   []func(multicluster.ClusterName, types.NamespacedName, string)
	engaged   map[multicluster.ClusterName]int // how often each workspace is
}

var _ mcmanager.Runnable = (*Loop)(nil)

// mostRenderings bounds what is kept of what was rendered. An original is rendered
// several times in a row, by the loop and by the lanes, for each of its targets.
const mostRenderings = 1024

// New returns a loop and adds it to the manager, with which it starts and
// stops; where the manager elects a leader, only the leader's loop runs. The
// pipeline carries the id of the installation: two installations with
// different ids never touch each other's copies.
func New(mgr mcmanager.Manager, fleet Fleet, pipeline *transform.Pipeline, opts ...Option) (*Loop, error) {
	if mgr == nil || mgr.GetProvider() == nil {
		return nil, errors.New("syncer: the manager has no multicluster provider: pass one of the workspaces to mcmanager.New")
	}
	if fleet == nil || pipeline == nil {
		return nil, errors.New("syncer: fleet and pipeline are needed")
	}
	l, err := newLoop(mgr.GetProvider(), fleet, pipeline, mgr.GetLogger().WithName("sync"), opts)
	if err != nil {
		return nil, err
	}
	l.watcher = workspaces.NewWatcher(l.provider, l.watched(), l.handle)
	l.controller, err = controller.NewTypedUnmanaged("tmc-sync", controller.TypedOptions[Key]{
		Reconciler:              l,
		MaxConcurrentReconciles: l.opts.workers,
		SkipNameValidation:      new(true),
		Logger:                  l.logger,
		LogConstructor:          l.logFor,
		NewQueue: func(name string, limiter workqueue.TypedRateLimiter[Key]) workqueue.TypedRateLimitingInterface[Key] {
			return newKeyQueue(name, limiter)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("syncer: build controller: %w", err)
	}
	err = l.controller.Watch(source.TypedFunc[Key](func(_ context.Context, q workqueue.TypedRateLimitingInterface[Key]) error {
		l.queue = q
		close(l.started)
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("syncer: build controller: %w", err)
	}
	if err := mgr.Add(l); err != nil {
		return nil, fmt.Errorf("syncer: add to manager: %w", err)
	}
	return l, nil
}

// newLoop returns a loop that nothing drives yet.
func newLoop(provider multicluster.Provider, fleet Fleet, pipeline *transform.Pipeline, logger logr.Logger, opts []Option) (*Loop, error) {
	o := defaults()
	for _, opt := range opts {
		opt(&o)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &Loop{
		fleet: fleet, provider: provider, pipeline: pipeline, rules: o.rules, opts: o,
		renderings:   transform.NewCache(pipeline, mostRenderings, transform.Finish(seal)),
		templates:    transform.NewCache(pipeline, mostRenderings, transform.Finish(sealTemplate(pipeline))),
		world:        realSurroundings(),
		installation: pipeline.Installation(),
		manager:      "tmc-" + pipeline.Installation(),
		finalizer:    FinalizerOf(pipeline.Installation()),
		decisions:    newDecisions(),
		dependents:   dependents{by: map[multicluster.ClusterName]map[types.UID]map[Key]struct{}{}},
		started:      make(chan struct{}),
		logger:       logger,
		showcases:    showcases{by: map[showcaseKey]*showcase{}},
		lanes:        map[string]*lane{}, records: map[Key]*record{}, stalled: map[Key]struct{}{}, closed: map[Key]struct{}{}, engaged: map[multicluster.ClusterName]int{},
	}
	l.tracing = newTracing(o.tracing, func() time.Time { return l.world.now() })
	l.suspended.Store(o.observeOnly)
	set, err := o.kindSet(pipeline, nil)
	if err != nil {
		return nil, err
	}
	l.set.Store(set)
	if l.rules == nil {
		l.rules = transform.NewStatusRules()
	}
	if err := l.rules.Validate(); err != nil {
		return nil, fmt.Errorf("syncer: rules of status: %w", err)
	}
	if l.metrics, err = newMetrics(o.registerer); err != nil {
		return nil, err
	}
	return l, nil
}

var (
	placementKind        = v1alpha1.GroupVersion.WithKind("Placement")
	clusterPlacementKind = v1alpha1.GroupVersion.WithKind("ClusterPlacement")
)

// Start runs the loop until ctx ends. The manager calls it.
func (l *Loop) Start(ctx context.Context) error {
	ctx = log.IntoContext(ctx, l.logger)
	if !l.fleet.WaitForSync(ctx) {
		return nil
	}
	defer l.followSources()()
	if l.opts.share != nil {
		defer l.opts.share.Subscribe(func() { l.shareChanged(ctx) })()
	}
	l.startUpsync(ctx)
	l.world.spawn(func() { l.recall(ctx) })
	cancel := l.fleet.Subscribe(func(change tmccluster.Change) { l.fleetChanged(ctx, change) })
	defer cancel()
	if l.opts.register != nil {
		l.world.spawn(func() { l.collect(ctx) })
	}
	return l.controller.Start(ctx)
}

// Engage begins to sync a workspace. The manager calls it.
func (l *Loop) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	l.decisions.drop(name) // what was known before the workspace was last out of sight
	l.dependents.drop(name)
	l.forgetSettled(name)
	l.noteEngaged(ctx, name)
	l.showcases.drop(name)
	l.oversee(name)
	return l.watcher.Engage(ctx, name, cl)
}

// tends says whether the objects of a workspace are this replica's to sync, or
// nobody's: with sharding, a workspace that the provider knows and that was not
// engaged here is another's.
func (l *Loop) tends(ctx context.Context, ws multicluster.ClusterName) bool {
	kinds := []schema.GroupVersionKind{placementKind, clusterPlacementKind}
	if l.opts.decider != nil {
		kinds = l.kinds()
	}
	if slices.ContainsFunc(kinds, func(kind schema.GroupVersionKind) bool { return l.watcher.Synced(ws, kind) }) {
		return true
	}
	_, err := l.provider.Get(ctx, ws)
	return errors.Is(err, multicluster.ErrClusterNotFound)
}

// enqueue asks for an original to be reconciled; bulk puts it behind what
// changes now.
func (l *Loop) enqueue(key Key, bulk bool) {
	<-l.started
	if bulk {
		addAs(l.queue, key, rankBulk)
		return
	}
	l.queue.Add(key)
}

func (l *Loop) logFor(key *Key) logr.Logger {
	if key == nil {
		return l.logger
	}
	return l.logger.WithValues("kind", key.Kind.Kind, "workspace", key.Workspace, "namespace", key.Namespace, "name", key.Name)
}

// locate returns where the copy of an original stands on any cluster.
func (l *Loop) locate(key Key) client.ObjectKey {
	namespace, name := l.pipeline.Locate(key.Kind, key.origin(""))
	return client.ObjectKey{Namespace: namespace, Name: name}
}
