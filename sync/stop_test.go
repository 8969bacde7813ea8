package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/transform"
)

// emptyServer speaks as much of the API of a cluster as informers need, and holds
// nothing: what is asked of it over the network is what leaves goroutines behind.
func emptyServer(t *testing.T) *httptest.Server {
	t.Helper()
	resource := func(name, kind string, namespaced bool) string {
		return fmt.Sprintf(`{"name":%q,"singularName":"","kind":%q,"namespaced":%t,"verbs":["list","watch","get","delete"]}`, name, kind, namespaced)
	}
	answers := map[string]string{
		"/api":          `{"kind":"APIVersions","versions":["v1"]}`,
		"/api/v1":       `{"kind":"APIResourceList","groupVersion":"v1","resources":[` + resource("namespaces", "Namespace", false) + "," + resource("configmaps", "ConfigMap", true) + `]}`,
		"/apis":         `{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}}]}`,
		"/apis/apps":    `{"kind":"APIGroup","apiVersion":"v1","name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}}`,
		"/apis/apps/v1": `{"kind":"APIResourceList","groupVersion":"apps/v1","resources":[` + resource("deployments", "Deployment", true) + `]}`,
	}
	kinds := map[string]string{"namespaces": "v1 Namespace", "configmaps": "v1 ConfigMap", "deployments": "apps/v1 Deployment"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if answer, ok := answers[r.URL.Path]; ok {
			_, _ = w.Write([]byte(answer))
			return
		}
		version, kind, ok := strings.Cut(kinds[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]], " ")
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.URL.Query().Get("watch") == "" {
			_, _ = fmt.Fprintf(w, `{"kind":"%sList","apiVersion":%q,"metadata":{"resourceVersion":"1"},"items":[]}`, kind, version)
			return
		}
		if r.URL.Query().Get("sendInitialEvents") == "true" {
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "BOOKMARK", "object": map[string]any{
				"kind": kind, "apiVersion": version,
				"metadata": map[string]any{"resourceVersion": "1", "annotations": map[string]string{"k8s.io/initial-events-end": "true"}},
			}})
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done() // nothing happens
	}))
	t.Cleanup(server.Close)
	return server
}

// changingFleet is one cluster, and changes that a test tells of.
type changingFleet struct {
	state *tmccluster.State
	host  string
	mu    sync.Mutex
	tell  func(tmccluster.Change)
}

func (f *changingFleet) Snapshot() *tmccluster.Snapshot   { return tmccluster.NewSnapshot(f.state) }
func (f *changingFleet) WaitForSync(context.Context) bool { return true }
func (f *changingFleet) Connection(name string) (*tmccluster.Connection, error) {
	return &tmccluster.Connection{Name: name, UID: f.state.UID, Config: &rest.Config{Host: f.host}}, nil
}

func (f *changingFleet) Subscribe(fn func(tmccluster.Change)) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell = fn
	fn(tmccluster.Change{New: f.state})
	return func() {}
}

// noWorkspaces is a provider that engages nothing.
type noWorkspaces struct{}

func (noWorkspaces) Get(context.Context, multicluster.ClusterName) (crcluster.Cluster, error) {
	return nil, multicluster.ErrClusterNotFound
}

func (noWorkspaces) IndexField(context.Context, client.Object, string, client.IndexerFunc) error {
	return nil
}

// TestALoopThatStopsLeavesNoGoroutine starts the loop as a manager does, lets a
// cluster come, leave and come back, stops it, and looks for what still runs.
func TestALoopThatStopsLeavesNoGoroutine(t *testing.T) {
	server := emptyServer(t)
	before := goleak.IgnoreCurrent()
	mgr, err := mcmanager.New(&rest.Config{Host: server.URL}, noWorkspaces{}, manager.Options{
		Metrics: metricsserver.Options{BindAddress: "0"},
	})
	require.NoError(t, err)
	pipeline, err := transform.NewPipeline("stopping")
	require.NoError(t, err)
	fleet := &changingFleet{host: server.URL, state: &tmccluster.State{Name: "east", UID: "uid-east", Reachable: true, Ready: true, Version: "v1.36.3"}}
	loop, err := New(mgr, fleet, pipeline, Resources(simDeployment), Related(simConfigMap))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()

	knows := func() bool {
		lane := loop.lane("east")
		return lane != nil && lane.knowsAll()
	}
	require.Eventually(t, knows, time.Minute, 10*time.Millisecond, "the lane watches its cluster")
	fleet.mu.Lock()
	fleet.tell(tmccluster.Change{Old: fleet.state})
	fleet.mu.Unlock()
	require.Nil(t, loop.lane("east"), "the cluster left")
	fleet.mu.Lock()
	fleet.tell(tmccluster.Change{New: fleet.state})
	fleet.mu.Unlock()
	require.Eventually(t, knows, time.Minute, 10*time.Millisecond, "it came back")

	require.Error(t, goleak.Find(before), "what runs is seen")
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		server.CloseClientConnections() // what is kept alive is the transport's
		return goleak.Find(before) == nil
	}, time.Minute, 50*time.Millisecond, "%v", goleak.Find(before))
}
