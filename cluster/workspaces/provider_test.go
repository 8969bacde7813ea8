package workspaces

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
)

func TestWhatAProviderNeeds(t *testing.T) {
	cfg := &rest.Config{Host: "https://kcp.example.com"}
	_, err := NewProvider(nil, "export", Options{})
	require.ErrorContains(t, err, "pass the config of the workspace that holds the APIExport")
	_, err = NewProvider(cfg, "", Options{})
	require.ErrorContains(t, err, "name of the APIExportEndpointSlice is empty")
	p, err := NewProvider(cfg, "export", Options{})
	require.NoError(t, err)
	require.Nil(t, cfg.WrapTransport, "the config that was passed is left alone")
	require.Zero(t, cfg.QPS, "the config that was passed is left alone")
	_, err = p.Get(t.Context(), "nobody")
	require.ErrorIs(t, err, multicluster.ErrClusterNotFound)
	_, ok := p.SharedCache("nobody")
	require.False(t, ok)
}

// A controller that starts while kcp is down waits for it.
func TestAProviderStartsWithoutKCP(t *testing.T) {
	var asked atomic.Int32
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer down.Close()
	p, err := NewProvider(&rest.Config{Host: down.URL}, "export", Options{Retry: time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Start(ctx, nil) }()
	require.Eventually(t, func() bool { return asked.Load() > 1 }, 30*time.Second, time.Millisecond, "it asks again")
	select {
	case err := <-ended:
		t.Fatalf("it gives up: %v", err)
	default:
	}
	cancel()
	require.NoError(t, <-ended)
}

func TestOnlyCachesWaitForKCP(t *testing.T) {
	cases := map[string]struct {
		reason string
		path   string
		want   bool
	}{
		"wildcard":  {"a cache of all workspaces", "/services/apiexport/abc/tmc/clusters/*/apis/apps/v1/deployments", true},
		"slices":    {"the cache of endpoint slices", "/clusters/root:platform/apis/apis.kcp.io/v1alpha1/apiexportendpointslices", true},
		"workspace": {"somebody reads in one workspace, and should hear that kcp is down", "/services/apiexport/abc/tmc/clusters/xyz/apis/apps/v1/deployments", false},
		"platform":  {"somebody reads in the platform's workspace", "/clusters/root:platform/api/v1/secrets", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://kcp.example.com"+tc.path, nil)
			require.NoError(t, err)
			require.Equal(t, tc.want, ofCaches(req), tc.reason)
		})
	}
}

func TestURLsOfASlice(t *testing.T) {
	slice := &apisv1alpha1.APIExportEndpointSlice{}
	require.Empty(t, urlsOf(slice), "kcp fills the status in later")
	slice.Status.APIExportEndpoints = []apisv1alpha1.APIExportEndpoint{{URL: "https://a"}, {}, {URL: "https://b"}}
	require.Equal(t, []string{"https://a", "https://b"}, urlsOf(slice))
}
