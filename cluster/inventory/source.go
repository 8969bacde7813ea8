package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	inventoryv1alpha1 "sigs.k8s.io/cluster-inventory-api/apis/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/internal/follow"
	"github.com/tmc-sdk/tmc/cluster/internal/patient"
)

const resource = "clusterprofiles"

// FromProfiles returns a source of the ClusterProfiles in a namespace of the
// cluster or workspace that the config leads to. It needs get, list and watch
// on clusterprofiles there.
func FromProfiles(cfg *rest.Config, namespace string, ways ...Access) (cluster.Source, error) {
	switch {
	case cfg == nil:
		return nil, errors.New("read ClusterProfiles: no config")
	case namespace == "":
		return nil, errors.New("read ClusterProfiles: name their namespace: the names of clusters are unique in one only")
	case len(ways) == 0:
		return nil, errors.New("read ClusterProfiles: no access provider is given, so no cluster could be reached")
	}
	c, err := newClient(patient.Config(cfg, follow.Lists(resource)))
	if err != nil {
		return nil, err
	}
	return &source{client: c, namespace: namespace, ways: ways}, nil
}

func newClient(cfg *rest.Config) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	if err := inventoryv1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("build scheme: %w", err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(inventoryv1alpha1.GroupVersion.WithKind("ClusterProfile"), meta.RESTScopeNamespace)
	c, err := client.NewWithWatch(cfg, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("build client: %w", err)
	}
	return c, nil
}

type source struct {
	client    client.WithWatch
	namespace string
	ways      []Access
}

var _ cluster.Source = (*source)(nil)

// Name implements cluster.Source.
func (*source) Name() string { return "clusterprofiles" }

// Run implements cluster.Source.
func (s *source) Run(ctx context.Context, sink cluster.Sink) error {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, time.Minute))
	store, controller := toolscache.NewInformerWithOptions(toolscache.InformerOptions{
		ListerWatcher: follow.ListWatch(s.client, func() client.ObjectList { return &inventoryv1alpha1.ClusterProfileList{} }, client.InNamespace(s.namespace)),
		ObjectType:    &inventoryv1alpha1.ClusterProfile{},
		Handler:       follow.OnEvent(func(o client.Object, _ bool) { queue.Add(o.GetName()) }),
	})
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer queue.ShutDown()
	defer cancel()
	wg.Go(func() { controller.RunWithContext(ctx) })
	if !toolscache.WaitForCacheSync(ctx.Done(), controller.HasSynced) {
		return nil
	}
	known := map[string]bool{}
	for _, obj := range store.List() {
		if profile, ok := obj.(*inventoryv1alpha1.ClusterProfile); ok {
			known[profile.Name] = true
			sink.Set(s.registration(profile))
		}
	}
	sink.Synced()
	wg.Go(func() { s.work(ctx, queue, store, known, sink) })
	<-ctx.Done()
	return nil
}

func (s *source) work(ctx context.Context, queue workqueue.TypedRateLimitingInterface[string], store toolscache.Store, known map[string]bool, sink cluster.Sink) {
	for {
		name, shutdown := queue.Get()
		if shutdown {
			return
		}
		if err := s.tell(ctx, name, store, known, sink); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).V(1).Info("registering the cluster of a profile failed, will try again", "clusterProfile", name, "error", err.Error())
			queue.AddRateLimited(name)
		} else {
			queue.Forget(name)
		}
		queue.Done(name)
	}
}

// tell the sink what became of a profile.
func (s *source) tell(ctx context.Context, name string, store toolscache.Store, known map[string]bool, sink cluster.Sink) error {
	obj, exists, err := store.GetByKey(s.namespace + "/" + name)
	if err != nil {
		return err
	}
	if profile, ok := obj.(*inventoryv1alpha1.ClusterProfile); exists && ok {
		known[name] = true
		sink.Set(s.registration(profile))
		return nil
	}
	if !known[name] {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	err = s.client.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: name}, &inventoryv1alpha1.ClusterProfile{})
	switch {
	case err == nil:
		return errors.New("the watch does not show a profile that a live read finds")
	case !follow.IsGone(err, resource, name):
		return fmt.Errorf("confirm that the profile was deleted: %w", err)
	}
	delete(known, name)
	sink.Remove(name)
	return nil
}

// registration of a profile.
func (s *source) registration(profile *inventoryv1alpha1.ClusterProfile) cluster.Registration {
	reg := cluster.Registration{
		Name: profile.Name, Labels: maps.Clone(profile.Labels), CreatedAt: profile.CreationTimestamp.Time,
		// Who deletes the profile wants no new work there.
		Unschedulable: profile.DeletionTimestamp != nil,
		Properties:    map[string]string{}, Observed: map[string]time.Time{},
	}
	for _, p := range profile.Status.Properties {
		reg.Properties[p.Name] = p.Value
		if !p.LastObservedTime.IsZero() {
			reg.Observed[p.Name] = p.LastObservedTime.Time
		}
	}
	said := func(name string) string {
		if v := reg.Properties[name]; v != "" {
			return v
		}
		return reg.Labels[name]
	}
	reg.Region, reg.Zone = said(corev1.LabelTopologyRegion), said(corev1.LabelTopologyZone)
	if reg.Config, reg.Err = configOf(profile, s.ways); reg.Err != nil {
		reg.Config = nil
	}
	return reg
}
