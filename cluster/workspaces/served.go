package workspaces

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	kcpcache "github.com/kcp-dev/apimachinery/v2/pkg/cache"
	"github.com/kcp-dev/logicalcluster/v3"
	mcpcache "github.com/kcp-dev/multicluster-provider/pkg/cache"
	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	conditionsv1alpha1 "github.com/kcp-dev/sdk/apis/third_party/conditions/apis/conditions/v1alpha1"
	"github.com/kcp-dev/sdk/apis/third_party/conditions/util/conditions"
)

// served is an endpoint that answers. It engages each workspace whose binding of the
// export is ready, until its last binding goes. multicluster-provider's own provider
// does so, too, with a goroutine for each workspace that waits for its end; here
// workspaces take none.
type served struct {
	cfg      *rest.Config
	scheme   *runtime.Scheme
	logger   logr.Logger
	bindings mcpcache.WildcardCache
	objects  *lean // all workspaces share it
	events   *recorders

	mu      sync.RWMutex
	engaged map[multicluster.ClusterName]inhabited
	indexes []index
}

// inhabited is a workspace that is engaged, until it leaves.
type inhabited struct {
	crcluster.Cluster
	leave context.CancelFunc
}

// newServed returns an endpoint whose events are written until ctx ends. No server is
// called before serve.
func newServed(ctx context.Context, cfg *rest.Config, scheme *runtime.Scheme, logger logr.Logger) (*served, error) {
	bindings, err := mcpcache.NewWildcardCache(cfg, cache.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("build cache of bindings: %w", err)
	}
	objects, err := newLean(cfg, scheme, bindings)
	if err != nil {
		return nil, err
	}
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("build client for events: %w", err)
	}
	return &served{
		cfg: cfg, scheme: scheme, logger: logger, bindings: bindings, objects: objects,
		events: newRecorders(ctx, cfg, httpClient, scheme), engaged: map[multicluster.ClusterName]inhabited{},
	}, nil
}

// serve follows the bindings until ctx ends; then no workspace is engaged any more.
func (s *served) serve(ctx context.Context, aware multicluster.Aware) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer s.leaveAll()
	informer, err := s.bindings.GetInformer(ctx, &apisv1alpha1.APIBinding{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch bindings: %w", err)
	}
	come := func(obj any) {
		if binding, ok := obj.(*apisv1alpha1.APIBinding); ok && isReady(binding) {
			if err := s.engage(ctx, multicluster.ClusterName(logicalcluster.From(binding)), aware); err != nil {
				s.logger.Error(err, "Workspace is not engaged", "workspace", logicalcluster.From(binding))
			}
		}
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    come,
		UpdateFunc: func(_, obj any) { come(obj) },
		DeleteFunc: s.gone,
	})
	if err != nil {
		return fmt.Errorf("watch bindings: %w", err)
	}
	defer func() { _ = informer.RemoveEventHandler(registration) }()
	wg.Go(func() {
		if err := s.objects.Start(ctx); err != nil {
			s.logger.Error(err, "Cache of workspaces stopped")
		}
	})
	return s.bindings.Start(ctx)
}

// isReady says whether what a binding binds is served.
func isReady(b *apisv1alpha1.APIBinding) bool {
	return conditions.IsTrue(b, conditionsv1alpha1.ReadyCondition)
}

// engage engages a workspace, unless it is.
func (s *served) engage(ctx context.Context, name multicluster.ClusterName, aware multicluster.Aware) error {
	if _, ok := s.get(name); ok {
		return nil
	}
	cl, err := mcpcache.NewScopedCluster(s.cfg, logicalcluster.Name(name), s.objects, s.scheme, s.events.of(logicalcluster.Name(name)))
	if err != nil {
		return fmt.Errorf("build clients: %w", err)
	}
	ctx, leave := context.WithCancel(ctx)
	s.mu.Lock()
	s.engaged[name] = inhabited{cl, leave}
	indexes := slices.Clone(s.indexes)
	s.mu.Unlock()
	for _, i := range indexes {
		if err := cl.GetFieldIndexer().IndexField(ctx, i.obj, i.field, i.extract); err != nil {
			s.leave(name)
			return fmt.Errorf("index field %s: %w", i.field, err)
		}
	}
	if aware == nil {
		return nil
	}
	if err := aware.Engage(ctx, name, cl); err != nil {
		s.leave(name)
		return err
	}
	return nil
}

// gone ends the engagement of a workspace whose last binding went.
func (s *served) gone(obj any) {
	if unknown, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = unknown.Obj
	}
	binding, ok := obj.(*apisv1alpha1.APIBinding)
	if !ok {
		return
	}
	name := logicalcluster.From(binding)
	informer, _, _, err := s.bindings.GetSharedInformer(binding)
	if err != nil {
		s.logger.Error(err, "Bindings that are left can't be told", "workspace", name)
		return
	}
	if left, err := informer.GetIndexer().IndexKeys(kcpcache.ClusterIndexName, name.String()); err != nil || len(left) > 0 {
		return
	}
	s.leave(multicluster.ClusterName(name))
}

func (s *served) leave(name multicluster.ClusterName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.engaged[name]; ok {
		e.leave()
		delete(s.engaged, name)
	}
}

func (s *served) leaveAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.engaged {
		e.leave()
	}
	clear(s.engaged)
}

func (s *served) get(name multicluster.ClusterName) (crcluster.Cluster, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.engaged[name]
	return e.Cluster, ok
}

// sharedBy returns the cache that an engaged workspace shares with the others.
func (s *served) sharedBy(name multicluster.ClusterName) (cache.Cache, bool) {
	_, ok := s.get(name)
	return s.objects, ok
}

// index indexes a field in all workspaces, present and future.
func (s *served) index(ctx context.Context, i index) error {
	s.mu.Lock()
	s.indexes = append(s.indexes, i)
	engaged := slices.Collect(maps.Values(s.engaged))
	s.mu.Unlock()
	for _, e := range engaged {
		if err := e.GetFieldIndexer().IndexField(ctx, i.obj, i.field, i.extract); err != nil {
			return err
		}
	}
	return nil
}
