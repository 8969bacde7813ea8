package workspaces

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"

	"github.com/tmc-sdk/tmc/cluster/internal/patient"
	"github.com/tmc-sdk/tmc/cluster/internal/pause"
)

// Options of a Provider. The zero value works.
type Options struct {
	// Scheme of the clients and caches. Default: client-go's scheme.
	Scheme *runtime.Scheme
	// Retry is the pause between two looks at an endpoint that does not
	// answer. Default: one second.
	Retry time.Duration
}

// Provider engages the workspaces that bind an APIExport. It is safe for
// concurrent use.
type Provider struct {
	cfg    *rest.Config
	slice  string
	scheme *runtime.Scheme
	retry  time.Duration

	mu        sync.RWMutex
	endpoints map[string]*endpoint
	followed  bool // the slice has been read
	indexes   []index

	informers keeping
}

type index struct {
	obj     client.Object
	field   string
	extract client.IndexerFunc
}

var (
	_ multicluster.Provider         = (*Provider)(nil)
	_ multicluster.ProviderRunnable = (*Provider)(nil)
)

// NewProvider returns a provider of the workspaces that bind the APIExport
// whose APIExportEndpointSlice has the given name. The config points at the
// workspace of the export. No server is called before Start.
func NewProvider(cfg *rest.Config, endpointSlice string, opts Options) (*Provider, error) {
	if cfg == nil {
		return nil, errors.New("workspaces: config is nil: pass the config of the workspace that holds the APIExport")
	}
	if endpointSlice == "" {
		return nil, errors.New("workspaces: name of the APIExportEndpointSlice is empty: kcp names it after the APIExport")
	}
	scheme := runtime.NewScheme()
	add := clientgoscheme.AddToScheme
	if opts.Scheme != nil {
		scheme, add = opts.Scheme, func(*runtime.Scheme) error { return nil }
	}
	if err := errors.Join(add(scheme), apisv1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("workspaces: build scheme: %w", err)
	}
	cfg = rest.CopyConfig(cfg)
	if cfg.QPS == 0 && cfg.RateLimiter == nil {
		cfg.QPS = -1 // kcp's own priority and fairness is the better judge
	}
	// Requests of caches wait for a kcp that is down: with the back-off of
	// client-go they would come back as much as a minute after it.
	cfg = patient.Config(cfg, ofCaches)
	p := &Provider{cfg: cfg, slice: endpointSlice, scheme: scheme, retry: opts.Retry, endpoints: map[string]*endpoint{}}
	if p.retry <= 0 {
		p.retry = time.Second
	}
	return p, nil
}

// Get returns an engaged workspace by its logical cluster name, or
// multicluster.ErrClusterNotFound.
func (p *Provider) Get(_ context.Context, name multicluster.ClusterName) (crcluster.Cluster, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, e := range p.endpoints {
		if e.inner == nil {
			continue
		}
		if cl, ok := e.inner.get(name); ok {
			return cl, nil
		}
	}
	return nil, multicluster.ErrClusterNotFound
}

// IndexField indexes a field in all workspaces, present and future.
func (p *Provider) IndexField(ctx context.Context, obj client.Object, field string, extract client.IndexerFunc) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.indexes = append(p.indexes, index{obj, field, extract})
	for _, e := range p.endpoints {
		if e.inner == nil {
			continue
		}
		if err := e.inner.index(ctx, index{obj, field, extract}); err != nil {
			return err
		}
	}
	return nil
}

// SharedCache returns the cache that an engaged workspace shares with the
// other workspaces of its endpoint.
func (p *Provider) SharedCache(name multicluster.ClusterName) (cache.Cache, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, e := range p.endpoints {
		if e.inner == nil {
			continue
		}
		if c, ok := e.inner.sharedBy(name); ok {
			return c, true
		}
	}
	return nil, false
}

// Start follows the endpoint slice until ctx ends. It survives a kcp that is
// down: it looks again until it answers.
func (p *Provider) Start(ctx context.Context, aware multicluster.Aware) error {
	logger := log.FromContext(ctx).WithName("workspaces").WithValues("endpointSlice", p.slice)
	ctx = log.IntoContext(ctx, logger)

	// The mapping is known here: to ask kcp for it would need one that answers.
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{apisv1alpha1.SchemeGroupVersion})
	mapper.Add(apisv1alpha1.SchemeGroupVersion.WithKind("APIExportEndpointSlice"), meta.RESTScopeRoot)
	slices, err := cache.New(p.cfg, cache.Options{Scheme: p.scheme, Mapper: mapper, ByObject: map[client.Object]cache.ByObject{
		&apisv1alpha1.APIExportEndpointSlice{}: {Field: fields.OneTermEqualSelector("metadata.name", p.slice)},
	}})
	if err != nil {
		return fmt.Errorf("workspaces: build cache of endpoint slices: %w", err)
	}
	informer, err := slices.GetInformer(ctx, &apisv1alpha1.APIExportEndpointSlice{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("workspaces: watch endpoint slices: %w", err)
	}

	var wg sync.WaitGroup
	defer wg.Wait()
	follow := func(obj any) {
		slice, ok := obj.(*apisv1alpha1.APIExportEndpointSlice)
		if !ok {
			utilruntime.HandleError(fmt.Errorf("workspaces: unexpected %T in the watch of endpoint slices", obj))
			return
		}
		p.follow(ctx, urlsOf(slice), aware, &wg)
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    follow,
		UpdateFunc: func(_, obj any) { follow(obj) },
		DeleteFunc: func(any) { p.follow(ctx, nil, aware, &wg) },
	}); err != nil {
		return fmt.Errorf("workspaces: watch endpoint slices: %w", err)
	}
	return slices.Start(ctx)
}

// follow starts the endpoints that are new and stops those that left.
func (p *Provider) follow(ctx context.Context, urls []string, aware multicluster.Aware, wg *sync.WaitGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.followed = true
	for url, e := range p.endpoints {
		if !slices.Contains(urls, url) {
			e.cancel()
			delete(p.endpoints, url)
		}
	}
	for _, url := range urls {
		if _, ok := p.endpoints[url]; ok {
			continue
		}
		ectx, cancel := context.WithCancel(ctx)
		e := &endpoint{url: url, cancel: cancel}
		p.endpoints[url] = e
		wg.Go(func() {
			defer cancel()
			p.run(ectx, e, aware)
		})
	}
}

// run waits until the endpoint answers and then serves its workspaces, again
// and again until ctx ends.
func (p *Provider) run(ctx context.Context, e *endpoint, aware multicluster.Aware) {
	logger := log.FromContext(ctx).WithValues("endpoint", e.url)
	for {
		if err := p.serve(log.IntoContext(ctx, logger), e, aware, logger); err != nil && ctx.Err() == nil {
			logger.Info("Endpoint is not served", "error", err.Error())
		}
		if !pause.For(ctx, p.retry) {
			return
		}
	}
}

func (p *Provider) serve(ctx context.Context, e *endpoint, aware multicluster.Aware, logger logr.Logger) error {
	cfg := rest.CopyConfig(p.cfg)
	cfg.Host = e.url
	if err := answers(ctx, cfg); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inner, err := newServed(ctx, cfg, p.scheme, logger)
	if err != nil {
		return err
	}
	p.mu.Lock()
	inner.indexes = slices.Clone(p.indexes)
	e.inner = inner
	p.mu.Unlock()
	logger.Info("Endpoint is served")
	return inner.serve(ctx, aware)
}

// ofCaches accepts the requests of caches: those for all workspaces of an
// endpoint, and those for endpoint slices. A reader of one workspace should
// rather hear that kcp is down.
func ofCaches(req *http.Request) bool {
	return strings.Contains(req.URL.Path, "/clusters/*/") || strings.HasSuffix(req.URL.Path, "/apiexportendpointslices")
}
