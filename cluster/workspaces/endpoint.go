package workspaces

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/kcp-dev/logicalcluster/v3"
	mcpcache "github.com/kcp-dev/multicluster-provider/pkg/cache"
	mcrecorder "github.com/kcp-dev/multicluster-provider/pkg/events/recorder"
	"github.com/kcp-dev/multicluster-provider/pkg/provider"
	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
)

// probeTimeout bounds one look at an endpoint.
const probeTimeout = 10 * time.Second

// endpoint is one virtual workspace URL, that is, one shard.
type endpoint struct {
	url    string
	cancel context.CancelFunc
	// inner is nil until the endpoint answered once.
	inner *provider.Provider
	// shared maps the names of workspaces to the cache they share.
	shared sync.Map
}

// options of the provider that serves this endpoint alone, until ctx ends.
func (e *endpoint) options(ctx context.Context, scheme *runtime.Scheme, logger logr.Logger) provider.Options {
	quiet := logr.Discard()
	if sink := logger.GetSink(); sink != nil {
		// The provider logs whole objects at Info for each event.
		quiet = logr.New(errorsOnly{sink})
	}
	ready := provider.ConditionReadyFunc("Ready")
	objects := &leanOnce{ctx: ctx, logger: logger}
	writers := &recordersOnce{ctx: ctx}
	return provider.Options{
		Scheme:              scheme,
		EndpointSliceObject: &apisv1alpha1.APIExportEndpointSlice{},
		ObjectToWatch:       &apisv1alpha1.APIBinding{},
		AddFilter:           ready,
		UpdateFilter:        ready,
		Log:                 &quiet,
		ExtractURLsFromEndpointSlice: func(obj client.Object) ([]string, error) {
			slice, ok := obj.(*apisv1alpha1.APIExportEndpointSlice)
			if !ok {
				return nil, fmt.Errorf("expected an APIExportEndpointSlice, got %T", obj)
			}
			if slices.Contains(urlsOf(slice), e.url) {
				return []string{e.url}, nil
			}
			return nil, nil
		},
		NewCluster: func(cfg *rest.Config, name logicalcluster.Name, bindings mcpcache.WildcardCache, scheme *runtime.Scheme, _ mcrecorder.EventRecorderGetter) (*mcpcache.ScopedCluster, error) {
			shared, err := objects.get(cfg, scheme, bindings)
			if err != nil {
				return nil, err
			}
			e.shared.Store(multicluster.ClusterName(name), shared)
			events, err := writers.get(cfg, scheme)
			if err != nil {
				return nil, err
			}
			return mcpcache.NewScopedCluster(cfg, name, shared, scheme, events.of(name))
		},
	}
}

func urlsOf(slice *apisv1alpha1.APIExportEndpointSlice) []string {
	urls := make([]string, 0, len(slice.Status.APIExportEndpoints))
	for _, e := range slice.Status.APIExportEndpoints {
		if e.URL != "" {
			urls = append(urls, e.URL)
		}
	}
	return urls
}

// answers says whether the virtual workspace lists the bindings of its export,
// the first thing that the provider will ask of it.
func answers(ctx context.Context, cfg *rest.Config) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return fmt.Errorf("build client for %s: %w", cfg.Host, err)
	}
	defer httpClient.CloseIdleConnections()
	url := strings.TrimSuffix(cfg.Host, "/") + "/clusters/*/apis/" + apisv1alpha1.SchemeGroupVersion.String() + "/apibindings?limit=1"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", cfg.Host, err)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		return fmt.Errorf("probe %s: %w", cfg.Host, err)
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("probe %s: %w", cfg.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("probe %s: server answers %s", cfg.Host, resp.Status)
	}
	return nil
}

// errorsOnly passes errors on and drops the rest.
type errorsOnly struct{ logr.LogSink }

func (errorsOnly) Enabled(int) bool         { return false }
func (errorsOnly) Info(int, string, ...any) {}
func (s errorsOnly) WithValues(kv ...any) logr.LogSink {
	return errorsOnly{s.LogSink.WithValues(kv...)}
}

func (s errorsOnly) WithName(name string) logr.LogSink { return errorsOnly{s.LogSink.WithName(name)} }
