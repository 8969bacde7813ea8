package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// StatusWriter writes what a fleet knows into the status of PhysicalCluster
// objects. It is a manager.Runnable that needs leader election: one replica
// writes.
//
// It writes only what differs from what is there, and amounts of capacity that
// change all the time at most every thirty seconds.
type StatusWriter struct {
	fleet  *Fleet
	client client.Client
	calm   time.Duration

	queue workqueue.TypedRateLimitingInterface[string]
	mu    sync.Mutex
	// written is when each object was last written.
	written map[string]time.Time
}

var (
	_ manager.Runnable               = (*StatusWriter)(nil)
	_ manager.LeaderElectionRunnable = (*StatusWriter)(nil)
)

// NewStatusWriter returns a writer for the objects in the workspace that the
// config leads to. It needs get on physicalclusters and patch on their status.
// Clusters of the fleet that have no object there are left out.
func NewStatusWriter(f *Fleet, cfg *rest.Config) (*StatusWriter, error) {
	if f == nil || cfg == nil {
		return nil, errors.New("write status of PhysicalClusters: fleet and config are needed")
	}
	c, err := newObjectsClient(cfg)
	if err != nil {
		return nil, err
	}
	return &StatusWriter{fleet: f, client: c, calm: 30 * time.Second, written: map[string]time.Time{}}, nil
}

// NeedLeaderElection says that one replica writes.
func (*StatusWriter) NeedLeaderElection() bool { return true }

// Start writes until ctx is done.
func (w *StatusWriter) Start(ctx context.Context) error {
	w.queue = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](500*time.Millisecond, time.Minute))
	cancel := w.fleet.Subscribe(func(c Change) {
		switch {
		case c.New == nil:
		case c.Old != nil && onlyAmounts(c.Old, c.New):
			// Pods come and go all the time: not worth a look each.
			w.queue.AddAfter(c.Name(), w.calm)
		default:
			w.queue.Add(c.Name())
		}
	})
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { w.work(ctx) })
	}
	<-ctx.Done()
	w.queue.ShutDown()
	wg.Wait()
	return nil
}

func (w *StatusWriter) work(ctx context.Context) {
	for {
		name, shutdown := w.queue.Get()
		if shutdown {
			return
		}
		again, err := w.write(ctx, name)
		switch {
		case err != nil && ctx.Err() == nil:
			log.FromContext(ctx).V(1).Info("writing the status of a physical cluster failed, will try again", "physicalCluster", name, "error", err.Error())
			w.queue.AddRateLimited(name)
		default:
			w.queue.Forget(name)
			if again > 0 {
				w.queue.AddAfter(name, again)
			}
		}
		w.queue.Done(name)
	}
}

// write brings one object up to date. It says when to look again, if what
// differs can wait.
func (w *StatusWriter) write(ctx context.Context, name string) (again time.Duration, err error) {
	st, ok := w.fleet.Snapshot().Lookup(name)
	if !ok {
		w.mu.Lock()
		delete(w.written, name)
		w.mu.Unlock()
		return 0, nil
	}
	if st.Reason == ReasonConnecting || st.Reason == ReasonReading {
		// Half of the truth would be written only to be corrected soon.
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	pc := &v1alpha1.PhysicalCluster{}
	if err := w.client.Get(ctx, types.NamespacedName{Name: name}, pc); err != nil {
		return 0, client.IgnoreNotFound(fmt.Errorf("read PhysicalCluster %s: %w", name, err))
	}
	generation := pc.Status.ObservedGeneration
	if g := w.fleet.generationOf(name); g > 0 {
		generation = g
	}
	desired := statusOf(st, &pc.Status, generation)
	w.mu.Lock()
	last := w.written[name]
	w.mu.Unlock()
	switch compareStatus(&pc.Status, &desired) {
	case none:
		return 0, nil
	case noise:
		if wait := w.calm - time.Since(last); !last.IsZero() && wait > 0 {
			return wait, nil
		}
	case news:
	}
	old := pc.DeepCopy()
	pc.Status = desired
	// The resource version guards the list of conditions, which a merge patch
	// replaces whole.
	if err := w.client.Status().Patch(ctx, pc, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})); err != nil {
		return 0, client.IgnoreNotFound(fmt.Errorf("write status of PhysicalCluster %s: %w", name, err))
	}
	w.mu.Lock()
	w.written[name] = time.Now()
	w.mu.Unlock()
	return 0, nil
}

// generationOf is the generation of the object that a cluster's registration
// is of; zero if it is of none.
func (f *Fleet) generationOf(name string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.members[name]; ok {
		return m.reg.generation
	}
	return 0
}
