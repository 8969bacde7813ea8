package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tmc-sdk/tmc/cluster/internal/follow"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// objectsLoop follows PhysicalClusters and the Secrets that they name.
type objectsLoop struct {
	client client.WithWatch
	trust  Trust
	// mailboxes may be nil.
	mailboxes Mailboxes
	sink      Sink
	queue     workqueue.TypedRateLimitingInterface[string]
	// objects, by name, as the watch shows them.
	objects cache.Store

	mu sync.Mutex
	// users of each Secret by name of cluster; watched namespaces.
	users   map[types.NamespacedName]map[string]bool
	secrets map[string]types.NamespacedName
	watched map[string]bool
	// seen is what each cluster's registration was last made of.
	seen map[string]revision
	// stale clusters have a Secret that changed; versions are the Secrets'
	// resource versions that were read last.
	stale    map[string]bool
	versions map[types.NamespacedName]string
	// pending are the clusters that were there at first and have not been
	// registered yet.
	pending map[string]bool
}

// revision of an object as far as its registration goes: the status is not
// part of it.
type revision struct {
	uid        types.UID
	generation int64
	labels     map[string]string
	deleting   bool
}

func revisionOf(pc *v1alpha1.PhysicalCluster) revision {
	return revision{uid: pc.UID, generation: pc.Generation, labels: pc.Labels, deleting: pc.DeletionTimestamp != nil}
}

func (r revision) equal(o revision) bool {
	return r.uid == o.uid && r.generation == o.generation && r.deleting == o.deleting && maps.Equal(r.labels, o.labels)
}

func newObjectsLoop(c client.WithWatch, trust Trust, sink Sink) *objectsLoop {
	return &objectsLoop{
		client: c, trust: trust, sink: sink,
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, time.Minute)),
		users: map[types.NamespacedName]map[string]bool{}, secrets: map[string]types.NamespacedName{},
		watched: map[string]bool{}, seen: map[string]revision{}, stale: map[string]bool{}, versions: map[types.NamespacedName]string{},
	}
}

// registrars is the number of clusters that are registered at once.
const registrars = 8

func (l *objectsLoop) run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.queue.ShutDown()

	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: follow.ListWatch(l.client, func() client.ObjectList { return &v1alpha1.PhysicalClusterList{} }),
		ObjectType:    &v1alpha1.PhysicalCluster{},
		Handler:       follow.OnEvent(func(o client.Object, _ bool) { l.queue.Add(o.GetName()) }),
	})
	l.objects = store
	wg.Go(func() { controller.RunWithContext(ctx) })
	if !cache.WaitForCacheSync(ctx.Done(), controller.HasSynced) {
		return nil
	}
	l.pending = map[string]bool{}
	for _, name := range store.ListKeys() {
		l.pending[name] = true
	}
	if len(l.pending) == 0 {
		l.sink.Synced()
	}
	for range registrars {
		wg.Go(func() { l.work(ctx, &wg) })
	}
	<-ctx.Done()
	return nil
}

func (l *objectsLoop) work(ctx context.Context, wg *sync.WaitGroup) {
	for {
		name, shutdown := l.queue.Get()
		if shutdown {
			return
		}
		if err := l.register(ctx, name, wg); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).V(1).Info("registering a physical cluster failed, will try again", "physicalCluster", name, "error", err.Error())
			l.queue.AddRateLimited(name)
		} else {
			l.queue.Forget(name)
			l.settle(name)
		}
		l.queue.Done(name)
	}
}

// settle notes that a cluster of the first list is registered.
func (l *objectsLoop) settle(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.pending[name] {
		return
	}
	if delete(l.pending, name); len(l.pending) == 0 {
		l.sink.Synced()
	}
}

// register tells the sink what an object and its Secret say.
func (l *objectsLoop) register(ctx context.Context, name string, wg *sync.WaitGroup) error {
	obj, exists, err := l.objects.GetByKey(name)
	if err != nil {
		return err
	}
	pc, ok := obj.(*v1alpha1.PhysicalCluster)
	if !exists || !ok {
		return l.unregister(ctx, name)
	}
	ref := secretRef(pc)
	key := types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
	l.use(ctx, name, key, wg)

	l.mu.Lock()
	last, known := l.seen[name]
	fresh := known && last.equal(revisionOf(pc)) && !l.stale[name]
	delete(l.stale, name)
	l.mu.Unlock()
	if fresh {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	if key.Name == "" && pc.Spec.Connection.Mode == v1alpha1.ConnectionPull {
		return l.registerMailbox(ctx, pc, known)
	}
	secret := &corev1.Secret{}
	err = l.client.Get(ctx, key, secret)
	if err != nil && !follow.IsGone(err, "secrets", key.Name) {
		l.markStale(name)
		if !known {
			// Nobody should have to guess why a cluster is missing.
			l.sink.Set(registrationOf(pc, nil, err, l.trust))
			l.settle(name)
		}
		// Unknown is not missing: what was registered stays.
		return fmt.Errorf("read Secret %s: %w", key, err)
	}
	if err != nil {
		err = errors.New("it does not exist; create it, with a kubeconfig in it")
	}
	l.sink.Set(registrationOf(pc, secret, err, l.trust))
	l.mu.Lock()
	l.seen[name] = revisionOf(pc)
	l.versions[key] = secret.ResourceVersion
	l.mu.Unlock()
	return nil
}

// registerMailbox tells the sink of a cluster in pull mode that names no Secret.
func (l *objectsLoop) registerMailbox(ctx context.Context, pc *v1alpha1.PhysicalCluster, known bool) error {
	reg := registered(pc)
	var err error
	if l.mailboxes == nil {
		reg.Err = errors.New("name a Secret with a kubeconfig of the cluster's mailbox in spec.connection.secretRef: this controller makes no mailboxes")
	} else if reg.Config, err = l.mailboxes.Config(ctx, pc.Name); err != nil {
		reg.Err = err
		l.markStale(pc.Name)
	}
	if err == nil || !known {
		l.sink.Set(reg)
	}
	if err != nil {
		l.settle(pc.Name)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[pc.Name] = revisionOf(pc)
	return nil
}

// unregister removes a cluster whose object is proven to be gone.
func (l *objectsLoop) unregister(ctx context.Context, name string) error {
	l.mu.Lock()
	_, known := l.seen[name]
	l.mu.Unlock()
	if !known {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	err := l.client.Get(ctx, types.NamespacedName{Name: name}, &v1alpha1.PhysicalCluster{})
	switch {
	case err == nil:
		return errors.New("the watch does not show an object that a live read finds")
	case !follow.IsGone(err, "physicalclusters", name):
		return fmt.Errorf("confirm that the object was deleted: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, name)
	delete(l.stale, name)
	delete(l.users[l.secrets[name]], name)
	delete(l.secrets, name)
	l.sink.Remove(name)
	return nil
}

func (l *objectsLoop) markStale(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale[name] = true
}

// use notes which Secret a cluster uses, and watches its namespace.
func (l *objectsLoop) use(ctx context.Context, name string, key types.NamespacedName, wg *sync.WaitGroup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.secrets[name]; ok && old != key {
		delete(l.users[old], name)
	}
	l.secrets[name] = key
	if l.users[key] == nil {
		l.users[key] = map[string]bool{}
	}
	l.users[key][name] = true
	if key.Namespace == "" || l.watched[key.Namespace] {
		return
	}
	l.watched[key.Namespace] = true
	_, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: follow.ListWatch(l.client, secretList, client.InNamespace(key.Namespace)),
		ObjectType:    secretMetadata(),
		Handler:       follow.OnEvent(l.secretChanged),
		// That a Secret changed is all that must be known: contents are read
		// live, and none is kept.
		Transform: func(obj any) (any, error) {
			if m, ok := obj.(*metav1.PartialObjectMetadata); ok {
				m.ManagedFields, m.Labels, m.Annotations = nil, nil, nil
			}
			return obj, nil
		},
	})
	wg.Go(func() { controller.RunWithContext(ctx) })
}

func secretMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return m
}

func secretList() client.ObjectList {
	l := &metav1.PartialObjectMetadataList{}
	l.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	return l
}

func (l *objectsLoop) secretChanged(o client.Object, deleted bool) {
	key := client.ObjectKeyFromObject(o)
	l.mu.Lock()
	names := slices.Collect(maps.Keys(l.users[key]))
	if read, ok := l.versions[key]; ok && read == o.GetResourceVersion() && !deleted {
		names = nil
	}
	for _, name := range names {
		l.stale[name] = true
	}
	l.mu.Unlock()
	for _, name := range names {
		l.queue.Add(name)
	}
}
