package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// Fleet is the live inventory of physical clusters: its sources say which
// there are; it connects to each, probes it, reads its capacity and what it
// serves, and publishes what it knows as immutable snapshots.
//
// A Fleet is a manager.Runnable. It writes nothing, anywhere, and every
// replica of a controller needs its own: it does not wait for leader election.
type Fleet struct {
	opts     options
	metrics  *metrics
	snapshot atomic.Pointer[Snapshot]
	notify   notifier

	mu sync.Mutex
	// members by name; byUID, those that were found to be a given cluster.
	members map[string]*member
	byUID   map[types.UID]map[*member]bool
	// sourceSynced says which sources have reported all they know.
	sourceSynced []bool
	started      bool
	syncedOnce   bool
	synced       chan struct{}
	apis         apiSets
}

// NewFleet returns a fleet with the given sources and settings.
func NewFleet(opts ...Option) (*Fleet, error) {
	o := defaultOptions()
	for _, opt := range opts {
		opt(&o)
	}
	for _, s := range o.sources {
		if s == nil {
			return nil, errors.New("add source: nil")
		}
	}
	f := &Fleet{
		opts:         o,
		members:      map[string]*member{},
		byUID:        map[types.UID]map[*member]bool{},
		sourceSynced: make([]bool, len(o.sources)),
		synced:       make(chan struct{}),
	}
	f.snapshot.Store(NewSnapshot())
	f.metrics = newMetrics()
	if o.registry != nil {
		if err := f.metrics.register(o.registry, f); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return f, nil
}

// NeedLeaderElection says that the fleet runs on every replica.
func (*Fleet) NeedLeaderElection() bool { return false }

// Start runs the fleet until ctx is done. What it knew by then stays readable.
// A fleet runs once.
func (f *Fleet) Start(ctx context.Context) error {
	f.mu.Lock()
	if f.started {
		f.mu.Unlock()
		return errors.New("start fleet: already started")
	}
	f.started = true
	f.checkSyncLocked()
	f.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	t := &tasks{ctx: func() context.Context { return ctx }}
	for i, s := range f.opts.sources {
		t.spawn(func(ctx context.Context) { f.runSource(ctx, i, s, t) })
	}
	<-ctx.Done()
	cancel()
	t.wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		if m.lost != nil {
			m.lost.Stop()
		}
	}
	return nil
}

// runSource runs a source again whenever it ends, ever more slowly. What it
// has said stays said meanwhile.
func (f *Fleet) runSource(ctx context.Context, index int, s Source, t *tasks) {
	logger := log.FromContext(ctx).WithValues("source", s.Name())
	const first, last = time.Second, time.Minute
	for pause := first; ctx.Err() == nil; pause = min(2*pause, last) {
		start := time.Now()
		err := s.Run(ctx, &sink{fleet: f, index: index, tasks: t})
		if ctx.Err() != nil {
			return
		}
		f.metrics.sourceErrors.WithLabelValues(s.Name()).Inc()
		logger.Error(err, "source of clusters ended; the clusters it registered stay, it will be run again")
		if time.Since(start) > last {
			pause = first
		}
		sleep(ctx, jitter(pause))
	}
}

// Snapshot returns the fleet as it is now. It takes no lock.
func (f *Fleet) Snapshot() *Snapshot { return f.snapshot.Load() }

// Subscribe calls fn for each change of the fleet, one at a time and in order,
// until cancel is called: first for each cluster that is in the fleet now, as
// if it joined, then for what follows. fn is called on another goroutine and
// delays other subscribers, so it should only note what to do. It may be in a
// call while cancel returns; it is not called again.
//
// Snapshot, called from fn, is at least as new as the change.
func (f *Fleet) Subscribe(fn func(Change)) (cancel func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var replay []Change
	for st := range f.snapshot.Load().All() {
		m := f.members[st.Name]
		replay = append(replay, Change{New: st, Reconnected: m != nil && m.connected()})
	}
	return f.notify.subscribe(fn, replay)
}

// WaitForSync waits until every source has reported all it knows once, and
// every cluster registered by then has been probed, and its capacity and APIs
// read if it answers. It returns false if ctx ends first.
func (f *Fleet) WaitForSync(ctx context.Context) bool {
	select {
	case <-f.synced:
		return true
	case <-ctx.Done():
		return false
	}
}

// Connection returns what to build clients of a cluster from. The error is
// ErrNotFound or ErrNotConnected.
func (f *Fleet) Connection(name string) (*Connection, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.members[name]
	if !ok {
		return nil, fmt.Errorf("connect to cluster %q: %w", name, ErrNotFound)
	}
	if !m.connected() {
		return nil, fmt.Errorf("connect to cluster %q: %w", name, ErrNotConnected)
	}
	return m.session.conn, nil
}

// Refresh asks for the version and the served APIs of a cluster to be read
// again soon, as after an API was installed there. Unknown names are ignored.
func (f *Fleet) Refresh(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.members[name]; ok && m.session != nil {
		select {
		case m.session.refresh <- struct{}{}:
		default:
		}
	}
}

// checkSyncLocked closes synced once.
func (f *Fleet) checkSyncLocked() {
	if f.syncedOnce || !f.started {
		return
	}
	for _, ok := range f.sourceSynced {
		if !ok {
			return
		}
	}
	for _, m := range f.members {
		if !m.settled() {
			return
		}
	}
	f.syncedOnce = true
	close(f.synced)
}

// sink is what a source reports to.
type sink struct {
	fleet *Fleet
	index int
	tasks *tasks
}

var _ Sink = (*sink)(nil)

// Set implements Sink.
func (s *sink) Set(reg Registration) { s.fleet.set(s.index, reg, s.tasks) }

// Remove implements Sink.
func (s *sink) Remove(name string) { s.fleet.remove(s.index, name, s.tasks) }

// Synced implements Sink.
func (s *sink) Synced() {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	s.fleet.sourceSynced[s.index] = true
	s.fleet.checkSyncLocked()
}
