package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/tmc-sdk/tmc/cluster/internal/follow"
	"github.com/tmc-sdk/tmc/cluster/internal/patient"
	"github.com/tmc-sdk/tmc/cluster/internal/pause"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Registrar keeps a mailbox for every PhysicalCluster in pull mode that names no
// Secret, and closes the mailboxes of clusters that are registered no more. It is a manager.Runnable that needs
// leader election: one replica acts.
//
// A mailbox is closed on live proof alone, that the PhysicalCluster is gone; see
// Workspaces.Close for what becomes of it.
type Registrar struct {
	mailboxes *Workspaces
	client    client.WithWatch
	resync    time.Duration

	objects cache.Store
	queue   workqueue.TypedRateLimitingInterface[string]
}

var (
	_ manager.Runnable               = (*Registrar)(nil)
	_ manager.LeaderElectionRunnable = (*Registrar)(nil)
)

// NewRegistrar returns a registrar of the PhysicalClusters in the workspace that
// the mailboxes are below. Beside what NewWorkspaces says, it needs get, list and
// watch on physicalclusters.
func NewRegistrar(mailboxes *Workspaces) (*Registrar, error) {
	if mailboxes == nil {
		return nil, errors.New("registrar: no mailboxes")
	}
	c, err := newObjectsClient(mailboxes.platform)
	if err != nil {
		return nil, err
	}
	return &Registrar{mailboxes: mailboxes, client: c, resync: time.Minute}, nil
}

func newObjectsClient(cfg *rest.Config) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("build scheme: %w", err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("PhysicalCluster"), meta.RESTScopeRoot)
	c, err := client.NewWithWatch(patient.Config(cfg, follow.Lists("physicalclusters")), client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	return c, nil
}

// NeedLeaderElection says that one replica acts.
func (*Registrar) NeedLeaderElection() bool { return true }

// Start keeps mailboxes until ctx is done.
func (r *Registrar) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.queue = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, 30*time.Second))
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: follow.ListWatch(r.client, func() client.ObjectList { return &v1alpha1.PhysicalClusterList{} }),
		ObjectType:    &v1alpha1.PhysicalCluster{},
		Handler:       follow.OnEvent(func(o client.Object, _ bool) { r.queue.Add(o.GetName()) }),
	})
	r.objects = store
	ended := make(chan struct{}, 2)
	go func() { controller.RunWithContext(ctx); ended <- struct{}{} }()
	if !cache.WaitForCacheSync(ctx.Done(), controller.HasSynced) {
		return nil
	}
	go func() { r.work(ctx); ended <- struct{}{} }()
	for again := true; again; again = pause.For(ctx, r.resync) {
		r.queueAll(ctx)
	}
	r.queue.ShutDown()
	<-ended
	<-ended
	return nil
}

// queueAll looks at every registration, and at every mailbox that may have none.
func (r *Registrar) queueAll(ctx context.Context) {
	for _, name := range r.objects.ListKeys() {
		r.queue.Add(name)
	}
	names, err := r.mailboxes.Clusters(ctx)
	if err != nil && ctx.Err() == nil {
		log.FromContext(ctx).Error(err, "Mailboxes can't be listed; it is tried again")
	}
	for _, name := range names {
		r.queue.Add(name)
	}
}

func (r *Registrar) work(ctx context.Context) {
	for {
		name, shutdown := r.queue.Get()
		if shutdown {
			return
		}
		err := r.keep(ctx, name)
		switch {
		case err == nil || ctx.Err() != nil:
			r.queue.Forget(name)
		case errors.Is(err, ErrNotReady):
			r.queue.AddRateLimited(name)
		default:
			log.FromContext(ctx).Error(err, "Mailbox is not as it should be; it is tried again", "physicalCluster", name)
			r.queue.AddRateLimited(name)
		}
		r.queue.Done(name)
	}
}

// keep brings the mailbox of one cluster to what its registration asks for.
func (r *Registrar) keep(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	obj, exists, err := r.objects.GetByKey(name)
	if err != nil {
		return err
	}
	pc, ok := obj.(*v1alpha1.PhysicalCluster)
	if !exists || !ok {
		return r.closeUnregistered(ctx, name)
	}
	if pc.Spec.Connection.Mode != v1alpha1.ConnectionPull || pc.Spec.Connection.SecretRef.Name != "" {
		return nil
	}
	return r.mailboxes.Ensure(ctx, name)
}

// closeUnregistered closes the mailbox of a cluster whose registration is proven
// to be gone.
func (r *Registrar) closeUnregistered(ctx context.Context, name string) error {
	err := r.client.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.PhysicalCluster{})
	switch {
	case err == nil:
		return nil // the watch tells of it
	case !follow.IsGone(err, "physicalclusters", name):
		return fmt.Errorf("confirm that the registration was deleted: %w", err)
	}
	gone, err := r.mailboxes.Close(ctx, name)
	if err == nil && !gone {
		log.FromContext(ctx).Info("Mailbox of a cluster that is registered no more stays, without an agent, for copies are left in it; delete its workspace when they are not needed", "physicalCluster", name, "workspace", WorkspacePrefix+name)
	}
	return err
}
