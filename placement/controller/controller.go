package controller

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
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	crcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/source"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement"
)

// Engine decides. It is a pure function of the request and the fleet.
// *placement.Engine is one.
type Engine interface {
	// Place decides where the work of a request goes.
	Place(ctx context.Context, r *placement.Request, fleet *cluster.Snapshot) (*placement.Decision, error)
}

var _ Engine = (*placement.Engine)(nil)

// Controller decides where the work of all workspaces goes and records it in
// Placements. Make one with New.
type Controller struct {
	fleet    Fleet
	engine   Engine
	provider multicluster.Provider
	opts     options
	metrics  *metrics
	logger   logr.Logger
	born     time.Time
	poll     time.Duration // between questions for the copies on a cluster that is left

	changing sync.Mutex // held while the set is replaced
	set      atomic.Pointer[[]schema.GroupVersionKind]
	watcher  *workspaces.Watcher

	controller crcontroller.TypedController[Key]
	queue      *queue // set before started is closed
	started    chan struct{}
	stopped    chan struct{}
	stop       func()

	// deciding is held from the look at what others have reserved and where
	// they are until the decision counts among that.
	deciding    sync.Mutex
	ledger      *ledger
	neighbours  *neighbours
	usage       *usage
	preemptions *preemptions

	gate   *gate
	index  *index
	memo   *memo
	recent *recent
	pulse  *pulse
	pens   pens
}

var _ mcmanager.Runnable = (*Controller)(nil)

// New returns a controller and adds it to the manager, with which it starts
// and stops; where the manager elects a leader, only the leader decides.
func New(mgr mcmanager.Manager, fleet Fleet, engine Engine, opts ...Option) (*Controller, error) {
	if mgr == nil || mgr.GetProvider() == nil {
		return nil, errors.New("placement controller: the manager has no multicluster provider: pass one of the workspaces to mcmanager.New")
	}
	if fleet == nil || engine == nil {
		return nil, errors.New("placement controller: fleet and engine are needed")
	}
	o := defaultOptions()
	for _, opt := range opts {
		opt(&o)
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	stopped := make(chan struct{})
	c := &Controller{
		fleet: fleet, engine: engine, provider: mgr.GetProvider(), opts: o,
		logger: mgr.GetLogger().WithName("placement"),
		born:   o.now(), poll: o.poll,
		started: make(chan struct{}), stopped: stopped, stop: sync.OnceFunc(func() { close(stopped) }),
		ledger: newLedger(o.reserve), neighbours: newNeighbours(), usage: newUsages(), preemptions: newPreemptions(),
		gate: newGate(), index: newIndex(), memo: newMemo(), recent: newRecent(), pulse: newPulse(o.beat, o.slowBeat),
	}
	var err error
	if c.metrics, err = newMetrics(o.registerer, c.index, c.ledger); err != nil {
		return nil, err
	}
	c.set.Store(o.kinds())
	c.watcher = workspaces.NewWatcher(c.provider, c.kinds(), c.observe)
	if err := c.build(); err != nil {
		return nil, fmt.Errorf("placement controller: build controller: %w", err)
	}
	if n, ok := o.copies.(CopiesNotifier); ok {
		c.poll = o.poll * notifiedPolls
		n.NotifyRetired(func(workspace multicluster.ClusterName, name types.NamespacedName, _ string) {
			c.enqueue(false, Key{Workspace: workspace, NamespacedName: name})
		})
	}
	for _, layer := range o.layers {
		if n, ok := layer.(LayerNotifier); ok {
			n.NotifyChanged(func(workspace multicluster.ClusterName) { c.enqueue(true, c.index.in(workspace)...) })
		}
	}
	if err := mgr.Add(c); err != nil {
		return nil, fmt.Errorf("placement controller: add to manager: %w", err)
	}
	return c, nil
}

// notifiedPolls is how much less often Copies are asked that tell by
// themselves.
const notifiedPolls = 12

// maxBackoff bounds the pause between two tries of a Placement that fails.
const maxBackoff = 2 * time.Minute

func (c *Controller) build() (err error) {
	c.controller, err = crcontroller.NewTypedUnmanaged("tmc-placement", crcontroller.TypedOptions[Key]{
		Reconciler:              c,
		MaxConcurrentReconciles: c.opts.workers,
		SkipNameValidation:      new(true),
		Logger:                  c.logger,
		LogConstructor:          c.logFor,
		NewQueue: func(name string, limiter workqueue.TypedRateLimiter[Key]) workqueue.TypedRateLimitingInterface[Key] {
			c.queue = newQueue(name, limiter)
			return c.queue
		},
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[Key](50*time.Millisecond, maxBackoff),
	})
	if err != nil {
		return err
	}
	return c.controller.Watch(source.TypedFunc[Key](func(context.Context, workqueue.TypedRateLimitingInterface[Key]) error {
		close(c.started)
		return nil
	}))
}

// NeedLeaderElection says that one replica decides.
func (*Controller) NeedLeaderElection() bool { return true }

// Start runs the controller until ctx ends. The manager calls it.
func (c *Controller) Start(ctx context.Context) error {
	defer c.stop()
	ctx = log.IntoContext(ctx, c.logger)
	if !c.fleet.WaitForSync(ctx) {
		return nil
	}
	if l, ok := c.opts.limiter.(LimiterStarter); ok {
		l.Started(c.opts.now())
	}
	defer c.followSources()()
	cancel := c.fleet.Subscribe(func(change cluster.Change) {
		c.ledger.seen(change)
		c.pulse.note(change)
	})
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c.pulse.run(ctx, func(changes map[string]effect) { c.enqueue(onlyLater(changes), c.index.affected(changes)...) })
	})
	for _, source := range c.opts.scores {
		if s, ok := source.(ScoreStarter); ok {
			wg.Go(func() { s.Start(ctx) })
		}
	}
	return c.controller.Start(ctx)
}

// Engage begins to decide for a workspace, until ctx ends. The manager calls
// it.
func (c *Controller) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	r := c.gate.enter(name)
	context.AfterFunc(ctx, func() {
		if c.gate.leave(name, r) {
			c.index.dropWorkspace(name)
			c.memo.dropWorkspace(name)
			c.recent.dropWorkspace(name)
			c.neighbours.dropWorkspace(name)
			c.usage.dropWorkspace(name)
			c.preemptions.dropWorkspace(name)
		}
	})
	for _, layer := range c.opts.layers {
		if aware, ok := layer.(multicluster.Aware); ok {
			if err := aware.Engage(ctx, name, cl); err != nil {
				return fmt.Errorf("engage layer %s: %w", layer.Name(), err)
			}
		}
	}
	r.await = func() { c.awaitKnown(ctx, name, r) }
	go r.await()
	return c.watcher.Engage(ctx, name, cl)
}

// awaitKnown opens the gate of a workspace once its objects are known. A kind
// that can't be listed, as one that the export lacks, holds the others up for
// a while only; what is decided without it stays as it is where it can.
func (c *Controller) awaitKnown(ctx context.Context, name multicluster.ClusterName, r *room) {
	for {
		round := c.gate.roundOf(r)
		if !c.untilKnown(ctx, name) {
			return
		}
		c.restore(ctx, name)
		if parked, opened := c.gate.unlock(r, round); opened {
			c.enqueue(true, parked...)
			return
		}
	}
}

// untilKnown blocks until all kinds are known in a workspace, or have been waited
// for long enough; false if ctx ended.
func (c *Controller) untilKnown(ctx context.Context, name multicluster.ClusterName) bool {
	deadline := time.NewTimer(c.opts.knownAfter)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		kinds := c.kinds()
		unknown := slices.DeleteFunc(kinds, func(kind schema.GroupVersionKind) bool { return c.watcher.Synced(name, kind) })
		if len(unknown) == 0 && len(c.resources()) > 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		case <-deadline.C:
			c.logger.Info("Deciding without kinds that can't be listed yet; export them or leave them out of Resources", "workspace", name, "kinds", unknown)
			return true
		}
	}
}

// enqueue asks for Placements to be decided; bulk puts them behind what
// changes now.
func (c *Controller) enqueue(bulk bool, keys ...Key) {
	if len(keys) == 0 {
		return
	}
	select {
	case <-c.started:
	case <-c.stopped:
		return
	}
	c.index.byPriority(keys)
	for _, k := range keys {
		priority := c.index.rank(k)
		if bulk {
			priority += handler.LowPriority
		}
		c.queue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, k)
	}
}

func (c *Controller) logFor(key *Key) logr.Logger {
	if key == nil {
		return c.logger
	}
	return c.logger.WithValues("workspace", key.Workspace, "kind", key.kind().Kind, "namespace", key.Namespace, "name", key.Name)
}
