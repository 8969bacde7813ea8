package operations

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Fleet is what the controller needs of a fleet; a cluster.Fleet is one.
type Fleet interface {
	Snapshot() *cluster.Snapshot
	Connection(name string) (*cluster.Connection, error)
	Subscribe(fn func(cluster.Change)) (cancel func())
}

// Controller keeps PhysicalClusters that are deleted until work has left them,
// and writes how much is left of those that work should leave. It is a
// manager.Runnable that needs leader election.
type Controller struct {
	fleet   Fleet
	client  client.Client
	counter Counter
	events  events.EventRecorder
	settle  time.Duration
	lost    time.Duration
	now     func() time.Time
	queue   workqueue.TypedRateLimitingInterface[string]
}

var (
	_ manager.Runnable               = (*Controller)(nil)
	_ manager.LeaderElectionRunnable = (*Controller)(nil)
)

// ControllerOption changes how a Controller works.
type ControllerOption func(*Controller)

// LostAfter sets how long a cluster that does not answer keeps its object from
// being deleted. The default is an hour; less than zero: for ever.
func LostAfter(d time.Duration) ControllerOption { return func(c *Controller) { c.lost = d } }

// Settle sets how long after its deletion a cluster is kept at least, though no
// work was found. The default is 15 seconds.
func Settle(d time.Duration) ControllerOption { return func(c *Controller) { c.settle = max(0, d) } }

// WithEvents has the controller tell of each cluster that was released.
func WithEvents(r events.EventRecorder) ControllerOption {
	return func(c *Controller) { c.events = r }
}

// NewController returns a controller for the PhysicalClusters in the workspace
// that the config leads to. It needs get and patch on physicalclusters and
// patch on their status; the credentials of the clusters need list on what the
// counter counts.
func NewController(fleet Fleet, cfg *rest.Config, counter Counter, opts ...ControllerOption) (*Controller, error) {
	if fleet == nil || counter == nil {
		return nil, errors.New("operate clusters: a fleet and a counter are needed")
	}
	cl, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return newController(fleet, cl, counter, opts...), nil
}

func newController(fleet Fleet, cl client.Client, counter Counter, opts ...ControllerOption) *Controller {
	c := &Controller{fleet: fleet, client: cl, counter: counter, settle: 15 * time.Second, lost: time.Hour, now: time.Now}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// newClient reads and writes PhysicalClusters.
func newClient(cfg *rest.Config) (client.Client, error) {
	if cfg == nil {
		return nil, errors.New("operate clusters: no config")
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("build scheme: %w", err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("PhysicalCluster"), meta.RESTScopeRoot)
	cl, err := client.New(cfg, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	return cl, nil
}

// NeedLeaderElection says that one replica writes.
func (*Controller) NeedLeaderElection() bool { return true }

// Start works until ctx is done.
func (c *Controller) Start(ctx context.Context) error {
	c.queue = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](500*time.Millisecond, time.Minute))
	cancel := c.fleet.Subscribe(func(change cluster.Change) {
		if change.Old == nil || change.New == nil || !sameConcern(change.Old, change.New) {
			c.queue.Add(change.Name())
		}
	})
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { c.work(ctx) })
	}
	<-ctx.Done()
	c.queue.ShutDown()
	wg.Wait()
	return nil
}

// sameConcern says that nothing changed that matters here: capacity does all
// the time.
func sameConcern(a, b *cluster.State) bool {
	// A change that was published without one is a change of the object.
	return a != b && a.Draining == b.Draining && a.Unschedulable == b.Unschedulable && a.Reachable == b.Reachable &&
		a.UID == b.UID && a.Reason == b.Reason && equality.Semantic.DeepEqual(a.Taints, b.Taints)
}

func (c *Controller) work(ctx context.Context) {
	for {
		name, shutdown := c.queue.Get()
		if shutdown {
			return
		}
		again, err := c.reconcile(ctx, name)
		switch {
		case err != nil && ctx.Err() == nil:
			log.FromContext(ctx).V(1).Info("operating a physical cluster failed, will try again", "physicalCluster", name, "error", err.Error())
			c.queue.AddRateLimited(name)
		default:
			c.queue.Forget(name)
			if again > 0 {
				c.queue.AddAfter(name, again)
			}
		}
		c.queue.Done(name)
	}
}

// timeout bounds what is asked of one server.
const timeout = 15 * time.Second

// reconcile one object; it says when to look again.
func (c *Controller) reconcile(ctx context.Context, name string) (again time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	pc := &v1alpha1.PhysicalCluster{}
	if err := c.client.Get(ctx, types.NamespacedName{Name: name}, pc); err != nil {
		return 0, client.IgnoreNotFound(fmt.Errorf("read PhysicalCluster %s: %w", name, err))
	}
	if pc.DeletionTimestamp == nil && !controllerutil.ContainsFinalizer(pc, v1alpha1.Finalizer) {
		old := pc.DeepCopy()
		controllerutil.AddFinalizer(pc, v1alpha1.Finalizer)
		if err := c.patch(ctx, pc, old); err != nil {
			return 0, err
		}
	}
	if !leaving(pc) {
		return 0, c.report(ctx, pc, nil)
	}
	v := judge(c.look(ctx, pc))
	if v.release {
		return 0, c.release(ctx, pc, v)
	}
	return v.again, c.report(ctx, pc, &v)
}

// look gathers what is to be judged.
func (c *Controller) look(ctx context.Context, pc *v1alpha1.PhysicalCluster) *situation {
	s := &situation{object: pc, now: c.now(), settle: c.settle, lostAfter: c.lost}
	s.state, _ = c.fleet.Snapshot().Lookup(pc.Name)
	if s.state == nil {
		return s
	}
	conn, err := c.fleet.Connection(pc.Name)
	switch {
	case err != nil:
		s.workErr = err
	case !s.state.Reachable:
		s.workErr = errors.New(s.state.Message)
	default:
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		s.work, s.workErr = c.count(ctx, conn, tenantsLeaving(pc))
	}
	return s
}

// count the work that should leave: that of some tenants, or, with none, all.
func (c *Controller) count(ctx context.Context, conn *cluster.Connection, tenants []string) (v1alpha1.Work, error) {
	if len(tenants) == 0 {
		return c.counter.Count(ctx, conn)
	}
	of, ok := c.counter.(TenantCounter)
	if !ok {
		return v1alpha1.Work{}, errors.New("the counter tells no tenants apart: make it an operations.TenantCounter, as operations.Copies is")
	}
	return of.CountOf(ctx, conn, tenants)
}

// report writes what is left, or, with nil, that it is of no concern.
func (c *Controller) report(ctx context.Context, pc *v1alpha1.PhysicalCluster, v *verdict) error {
	old := pc.DeepCopy()
	if v == nil {
		meta.RemoveStatusCondition(&pc.Status.Conditions, v1alpha1.ConditionDrained)
		pc.Status.Work = nil
	} else {
		meta.SetStatusCondition(&pc.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionDrained, Status: v.status, Reason: v.reason, Message: v.message, ObservedGeneration: pc.Generation,
		})
		if v.work != nil {
			pc.Status.Work = v.work
		}
	}
	if equality.Semantic.DeepEqual(old.Status, pc.Status) {
		return nil
	}
	if err := c.client.Status().Patch(ctx, pc, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("write status of PhysicalCluster %s: %w", pc.Name, err))
	}
	return nil
}

// release lets an object go, and says why: nobody can read it in the object.
func (c *Controller) release(ctx context.Context, pc *v1alpha1.PhysicalCluster, v verdict) error {
	if !controllerutil.ContainsFinalizer(pc, v1alpha1.Finalizer) {
		return nil
	}
	old := pc.DeepCopy()
	controllerutil.RemoveFinalizer(pc, v1alpha1.Finalizer)
	if err := c.patch(ctx, pc, old); err != nil {
		return err
	}
	log.FromContext(ctx).Info("physical cluster is removed", "physicalCluster", pc.Name, "reason", v.reason, "message", v.message)
	if c.events != nil {
		kind := corev1.EventTypeNormal
		if v.status != metav1.ConditionTrue {
			kind = corev1.EventTypeWarning
		}
		c.events.Eventf(pc, nil, kind, v.reason, "Remove", "%s", v.message)
	}
	return nil
}

func (c *Controller) patch(ctx context.Context, pc, old *v1alpha1.PhysicalCluster) error {
	if err := c.client.Patch(ctx, pc, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("write PhysicalCluster %s: %w", pc.Name, err))
	}
	return nil
}
