package inventory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	inventoryv1alpha1 "sigs.k8s.io/cluster-inventory-api/apis/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/internal/pause"
)

// ErrForeign says that a ClusterProfile of that name belongs to another
// cluster manager.
var ErrForeign = errors.New("ClusterProfile belongs to another cluster manager")

// Fleet is what a Publisher needs of a fleet; a cluster.Fleet is one.
type Fleet interface {
	Snapshot() *cluster.Snapshot
	Subscribe(fn func(cluster.Change)) (cancel func())
}

// Publisher shows a fleet as ClusterProfiles. It is a manager.Runnable that
// needs leader election.
type Publisher struct {
	fleet              Fleet
	client             client.Client
	namespace, manager string

	mu sync.Mutex
	// left are the clusters that were seen to leave the fleet, or whose profiles
	// were found when all sources of the fleet had been read and none had them.
	left map[string]bool
}

// syncer is implemented by a fleet that says when all of its sources have been read;
// a cluster.Fleet does.
type syncer interface {
	WaitForSync(ctx context.Context) bool
}

var (
	_ manager.Runnable               = (*Publisher)(nil)
	_ manager.LeaderElectionRunnable = (*Publisher)(nil)
)

// NewPublisher returns a publisher that writes into a namespace, under the name
// of a cluster manager: profiles that bear another name are not touched. It
// needs create, get, list, patch and delete on clusterprofiles, and patch on their
// status.
func NewPublisher(fleet Fleet, cfg *rest.Config, namespace, managerName string) (*Publisher, error) {
	if fleet == nil || cfg == nil || namespace == "" || managerName == "" {
		return nil, errors.New("publish ClusterProfiles: a fleet, a config, a namespace and the name of a cluster manager are needed")
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return newPublisher(fleet, c, namespace, managerName), nil
}

func newPublisher(fleet Fleet, c client.Client, namespace, managerName string) *Publisher {
	return &Publisher{fleet: fleet, client: c, namespace: namespace, manager: managerName, left: map[string]bool{}}
}

// NeedLeaderElection says that one replica writes.
func (*Publisher) NeedLeaderElection() bool { return true }

// Start publishes until ctx is done. Once the fleet has read its sources it deletes
// the profiles of this cluster manager whose clusters left while nobody published.
func (p *Publisher) Start(ctx context.Context) error {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](500*time.Millisecond, time.Minute))
	cancel := p.fleet.Subscribe(func(c cluster.Change) {
		p.mu.Lock()
		p.left[c.Name()] = c.New == nil
		p.mu.Unlock()
		if c.Old == nil || c.New == nil || !equality.Semantic.DeepEqual(p.profile(c.Old), p.profile(c.New)) {
			queue.Add(c.Name())
		}
	})
	defer cancel()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				name, shutdown := queue.Get()
				if shutdown {
					return
				}
				if err := p.publish(ctx, name); err != nil && ctx.Err() == nil {
					log.FromContext(ctx).V(1).Info("publishing a cluster profile failed, will try again", "physicalCluster", name, "error", err.Error())
					queue.AddRateLimited(name)
				} else {
					queue.Forget(name)
				}
				queue.Done(name)
			}
		})
	}
	wg.Go(func() { p.collect(ctx, queue.Add) })
	<-ctx.Done()
	queue.ShutDown()
	wg.Wait()
	return nil
}

// collect has the profiles that bear our name, and whose clusters the fleet does not
// have though it has read its sources, looked at.
func (p *Publisher) collect(ctx context.Context, look func(name string)) {
	fleet, ok := p.fleet.(syncer)
	if !ok || !fleet.WaitForSync(ctx) {
		return // nothing is concluded from what may not be there yet
	}
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		list := &inventoryv1alpha1.ClusterProfileList{}
		err := p.client.List(ctx, list, client.InNamespace(p.namespace), client.MatchingLabels{inventoryv1alpha1.LabelClusterManagerKey: p.manager})
		if err == nil {
			for i := range list.Items {
				if p.missing(list.Items[i].Name) {
					look(list.Items[i].Name)
				}
			}
			return
		}
		log.FromContext(ctx).V(1).Info("listing cluster profiles failed, will try again", "error", err.Error())
		if !pause.For(ctx, wait) {
			return
		}
	}
}

// missing says whether the fleet does not have a cluster, and takes note that it
// left, unless it was seen to come.
func (p *Publisher) missing(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.fleet.Snapshot().Lookup(name); there {
		return false
	}
	if _, told := p.left[name]; !told {
		p.left[name] = true
	}
	return true
}

// profile of a cluster as it should be.
func (p *Publisher) profile(st *cluster.State) *inventoryv1alpha1.ClusterProfile {
	profile := &inventoryv1alpha1.ClusterProfile{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.namespace, Name: st.Name,
			Labels: map[string]string{inventoryv1alpha1.LabelClusterManagerKey: p.manager},
		},
		Spec: inventoryv1alpha1.ClusterProfileSpec{DisplayName: st.Name, ClusterManager: inventoryv1alpha1.ClusterManager{Name: p.manager}},
	}
	profile.Status.Version.Kubernetes = st.Version
	profile.Status.Properties = propertiesOf(st)
	healthy := metav1.Condition{
		Type: inventoryv1alpha1.ClusterConditionControlPlaneHealthy, Status: metav1.ConditionTrue,
		Reason: cluster.ReasonAnswering, Message: "the API server answers",
	}
	switch {
	case st.Reachable:
	case st.UnreachableSince.IsZero():
		healthy.Status, healthy.Reason, healthy.Message = metav1.ConditionUnknown, orText(st.Reason, cluster.ReasonConnecting), st.Message
	default:
		healthy.Status, healthy.Reason, healthy.Message = metav1.ConditionFalse, cluster.ReasonUnreachable, st.Message
		healthy.LastTransitionTime = metav1.NewTime(st.UnreachableSince)
	}
	profile.Status.Conditions = []metav1.Condition{healthy}
	return profile
}

// publish brings one profile up to date, or deletes that of a cluster that was
// seen to leave the fleet.
func (p *Publisher) publish(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	found := &inventoryv1alpha1.ClusterProfile{}
	err := p.client.Get(ctx, types.NamespacedName{Namespace: p.namespace, Name: name}, found)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read ClusterProfile %s: %w", name, err)
	}
	st, there := p.fleet.Snapshot().Lookup(name)
	if !there {
		p.mu.Lock()
		left := p.left[name]
		p.mu.Unlock()
		if err != nil || !left || found.Spec.ClusterManager.Name != p.manager {
			return nil
		}
		uid := found.UID
		return client.IgnoreNotFound(p.client.Delete(ctx, found, client.Preconditions{UID: &uid}))
	}
	want := p.profile(st)
	if apierrors.IsNotFound(err) {
		found = want.DeepCopy()
		found.Status = inventoryv1alpha1.ClusterProfileStatus{}
		if err := p.client.Create(ctx, found); err != nil {
			return fmt.Errorf("create ClusterProfile %s: %w", name, err)
		}
	}
	if found.Spec.ClusterManager.Name != p.manager {
		return fmt.Errorf("%w: %s is of %q", ErrForeign, name, found.Spec.ClusterManager.Name)
	}
	return p.update(ctx, found, want)
}

// update writes what differs.
func (p *Publisher) update(ctx context.Context, found, want *inventoryv1alpha1.ClusterProfile) error {
	old := found.DeepCopy()
	if found.Labels == nil {
		found.Labels = map[string]string{}
	}
	found.Labels[inventoryv1alpha1.LabelClusterManagerKey] = p.manager
	found.Spec = want.Spec
	if !equality.Semantic.DeepEqual(old, found) {
		if err := p.client.Patch(ctx, found, client.MergeFrom(old)); err != nil {
			return fmt.Errorf("write ClusterProfile %s: %w", found.Name, err)
		}
	}
	old = found.DeepCopy()
	setStatus(&found.Status, &want.Status)
	if equality.Semantic.DeepEqual(old.Status, found.Status) {
		return nil
	}
	if err := p.client.Status().Patch(ctx, found, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("write status of ClusterProfile %s: %w", found.Name, err)
	}
	return nil
}
