package workspaces

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
)

// probeTimeout bounds one look at an endpoint.
const probeTimeout = 10 * time.Second

// endpoint is one virtual workspace URL, that is, one shard.
type endpoint struct {
	url    string
	cancel context.CancelFunc
	// inner is nil until the endpoint answered once.
	inner *served
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
