package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/sync/errgroup"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/shards"
	"github.com/tmc-sdk/tmc/transform"
)

var (
	deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	configMapKind  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	secretKind     = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	accountKind    = schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}
	claimKind      = schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolumeClaim"}
	fieldKind      = schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Field"} // cluster-scoped
	namespaceKind  = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
	eventKind      = schema.GroupVersionKind{Version: "v1", Kind: "Event"}
	placementKind  = v1alpha1.GroupVersion.WithKind("Placement")
)

// servers are shared by the tests of the package: one kcp, and physical
// clusters without controllers, so that a test decides what a copy's status is.
var servers struct {
	kcp      *tmcenvtest.KCP
	clusters []*tmcenvtest.Cluster
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	log.SetLogger(scanned())
	klog.SetLogger(scanned())
	defer func() {
		for _, c := range servers.clusters {
			_ = c.Close()
		}
		if servers.kcp != nil {
			_ = servers.kcp.Close()
		}
	}()
	code := m.Run()
	stages.close()
	if leaked() && code == 0 {
		code = 1
	}
	return code
}

// startServers starts the servers with the first test that needs them.
var startServers = sync.OnceValue(func() error {
	ctx := context.Background() // they outlive the test
	started := make(chan error, 1)
	go func() {
		var err error
		servers.kcp, err = tmcenvtest.StartKCP(ctx)
		started <- err
	}()
	clusters, err := tmcenvtest.StartClusters(ctx, tmcenvtest.Spec("east"), tmcenvtest.Spec("west"), tmcenvtest.Spec("north"))
	servers.clusters = clusters
	if err := errors.Join(err, <-started); err != nil {
		return err
	}
	for _, c := range clusters {
		if err := installField(ctx, c); err != nil {
			return err
		}
	}
	return nil
})

// installField serves the cluster-scoped kind of the tests on a cluster.
func installField(ctx context.Context, c *tmcenvtest.Cluster) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	anything := apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}
	crd := &unstructured.Unstructured{}
	typed := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "fields.example.org"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: fieldKind.Group, Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "fields", Singular: "field", Kind: "Field", ListKind: "FieldList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": anything, "status": anything}}},
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			}},
		},
	}
	crd.Object = toMap(typed)
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	return cl.Create(ctx, crd)
}

// world is what one test works in: an export of its own with tenants that bind
// it, the shared clusters, and a loop.
type world struct {
	t        testing.TB
	platform tmcenvtest.Workspace
	tenants  []tmcenvtest.Workspace
	export   string
	id       string // of the installation
	fleet    *tmccluster.Fleet
	upstream counter // of writes to workspaces by the loop
	physical counter // of writes to clusters by the loop
	// upstreamWrap, if set, stands between the next loop and kcp.
	upstreamWrap func(http.RoundTripper) http.RoundTripper
	rendering    []transform.Option
	source       *labelled // of the clusters
	loop         *loop
	// managed and coordinated, if set, are for the manager of the next loop.
	managed     func(*manager.Options)
	coordinated []mcmanager.Option
	// shares, if set, are of the workspaces for the next loop.
	shares *shards.Shards
	// provider of the loop that was started last.
	provider multicluster.Provider
	// following, if set, has the next loops sync what the export exports, and
	// what it claims of ConfigMaps and Secrets.
	following bool
	clients   sync.Map // of func() (client.Client, error), by name
	// spoiled says that the test does to the export, its bindings or the workspaces what
	// no other is to find.
	spoiled bool
	// idle is what the queue's gauges said before the loop was started.
	idle map[string]float64
}

// loop is a running controller.
type loop struct {
	*syncer.Loop
	stop context.CancelFunc
	done chan struct{}
}

// counter counts the requests that write.
type counter struct {
	n        atomic.Int64
	answered atomic.Int64 // of those, with whatever answer
	watching atomic.Int64 // watches that are open
	mu       sync.Mutex
	log      []string
	watched  map[string]string // what the last watch of a resource selects by labels
}

func (c *counter) wrap(next http.RoundTripper) http.RoundTripper { return counting{c, next} }

type counting struct {
	c    *counter
	next http.RoundTripper
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.Contains(r.URL.Path, "/events") {
		c.c.n.Add(1)
		c.c.mu.Lock()
		c.c.log = append(c.c.log, r.Method+" "+r.URL.Path)
		c.c.mu.Unlock()
		resp, err := c.next.RoundTrip(r)
		if err == nil {
			c.c.answered.Add(1)
		}
		return resp, err
	}
	if query := r.URL.Query(); query.Get("watch") != "" {
		c.c.mu.Lock()
		if c.c.watched == nil {
			c.c.watched = map[string]string{}
		}
		c.c.watched[path.Base(r.URL.Path)] = query.Get("labelSelector")
		c.c.mu.Unlock()
		resp, err := c.next.RoundTrip(r)
		if err == nil {
			c.c.watching.Add(1)
			resp.Body = &watchBody{resp.Body, sync.OnceFunc(func() { c.c.watching.Add(-1) })}
		}
		return resp, err
	}
	return c.next.RoundTrip(r)
}

// watchBody tells when a watch is closed.
type watchBody struct {
	io.ReadCloser
	closed func()
}

func (w *watchBody) Close() error {
	w.closed()
	return w.ReadCloser.Close()
}

// watches says whether the last watch of a resource was one for an object.
func (c *counter) watches(tb testing.TB, resource string, obj client.Object) bool {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	selector, err := labels.Parse(c.watched[resource])
	require.NoError(tb, err)
	return selector.Matches(labels.Set(obj.GetLabels()))
}

func (c *counter) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.log, "\n")
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = nil
	c.n.Store(0)
	c.answered.Store(0)
}

var worlds atomic.Int32

// quickProbe finds a lost cluster within a second.
var quickProbe = tmccluster.ProbePolicy{Interval: 200 * time.Millisecond, Timeout: time.Second, FailureThreshold: 2, SuccessThreshold: 1}

// newWorld makes an export and tenants for a test, and starts no loop.
func newWorld(tb testing.TB, tenants int) *world {
	tb.Helper()
	needServers(tb)
	s := stages.take(tb)
	require.NoError(tb, s.err)
	w := &world{t: tb, platform: s.platform, export: exportName, id: newID()}
	tb.Cleanup(func() {
		if _, measures := tb.(*testing.B); !measures && !tb.Failed() && !w.spoiled {
			stages.give(s)
		}
	})
	s.tenants = append(s.tenants, w.moreTenants(len(s.tenants), tenants)...)
	w.tenants = slices.Clone(s.tenants[:tenants])
	w.fleet = w.startFleet((*tmcenvtest.Cluster).Config)
	return w
}

// moreTenants makes those that are lacking from have to want.
func (w *world) moreTenants(have, want int) []tmcenvtest.Workspace {
	w.t.Helper()
	more := make([]tmcenvtest.Workspace, max(want-have, 0))
	parallel(w.t, 4, len(more), func(i int) (err error) {
		if more[i], err = workspace(w.t.Context(), fmt.Sprintf("tenant-%s-%d", w.id, have+i)); err == nil {
			err = servers.kcp.Bind(w.t.Context(), more[i].Path, w.platform.Path, exportName)
		}
		return err
	})
	return more
}

// newWorldWithoutExport leaves the export, and who binds it, to the test.
func newWorldWithoutExport(tb testing.TB) *world {
	tb.Helper()
	needServers(tb)
	var err error
	w := &world{t: tb, export: exportName, id: newID(), tenants: make([]tmcenvtest.Workspace, 1)}
	w.platform, err = workspace(tb.Context(), "platform-"+w.id)
	require.NoError(tb, err)
	w.tenants[0], err = workspace(tb.Context(), "tenant-"+w.id)
	require.NoError(tb, err)
	w.fleet = w.startFleet((*tmcenvtest.Cluster).Config)
	return w
}

func needServers(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs real servers")
	}
	require.NoError(tb, startServers())
}

const exportName = "tmc"

// newID returns the id of the next world, and of the installation in it.
func newID() string { return fmt.Sprintf("test-%d", worlds.Add(1)) }

func workspace(ctx context.Context, name string) (tmcenvtest.Workspace, error) {
	return servers.kcp.CreateWorkspace(ctx, tmcenvtest.Root, name)
}

// apiExport exports placements, deployments and a cluster-scoped kind.
func (w *world) apiExport() tmcenvtest.APIExport {
	export, err := standardExport()
	require.NoError(w.t, err)
	return export
}

// pipeline returns one whose copies stand where no other world's do: worlds may have
// had the same tenants.
func (w *world) pipeline(opts ...transform.Option) (*transform.Pipeline, error) {
	return transform.NewPipeline(w.id, append([]transform.Option{transform.WithNaming(naming(w.id))}, opts...)...)
}

// naming is that of the world with this id.
type naming string

func (n naming) Locate(kind schema.GroupVersionKind, o transform.Origin) (namespace, name string) {
	o.LogicalCluster += "/" + string(n)
	return transform.HashedNaming{}.Locate(kind, o)
}

// startFleet starts a fleet of all clusters, which are reached by the given
// configuration of each.
func (w *world) startFleet(config func(*tmcenvtest.Cluster) *rest.Config) *tmccluster.Fleet {
	regs := make([]tmccluster.Registration, 0, len(servers.clusters))
	for _, c := range servers.clusters {
		cfg := rest.CopyConfig(config(c))
		cfg.Wrap(w.physical.wrap)
		regs = append(regs, tmccluster.Registration{Name: c.Name(), Config: cfg})
	}
	probe := quickProbe
	_, measured := w.t.(*testing.B)
	if measured {
		probe = tmccluster.DefaultProbePolicy() // a server that is worked hard takes a second to answer now and then
	}
	w.source = &labelled{regs: regs}
	fleet, err := tmccluster.NewFleet(tmccluster.WithSource(w.source), tmccluster.WithProbe(probe))
	require.NoError(w.t, err)
	if measured {
		w.t.Cleanup(fleet.Subscribe(func(c tmccluster.Change) {
			if c.Old != nil && c.New != nil && c.Old.Reachable != c.New.Reachable {
				w.t.Logf("%s: reachable %t: what runs there is reported anew", c.Name(), c.New.Reachable)
			}
		}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = fleet.Start(ctx) }()
	w.t.Cleanup(func() { cancel(); <-done })
	return fleet
}

// start runs a loop until the test ends or stopLoop is called.
func (w *world) start(opts ...syncer.Option) *loop {
	w.t.Helper()
	cfg := rest.CopyConfig(servers.kcp.Config(w.platform.Path))
	cfg.QPS = -1
	cfg.Wrap(w.upstream.wrap)
	if w.upstreamWrap != nil {
		cfg.Wrap(w.upstreamWrap)
	}
	provider, err := workspaces.NewProvider(cfg, w.export, workspaces.Options{Retry: 200 * time.Millisecond})
	require.NoError(w.t, err)
	logger := scanned()
	_, measured := w.t.(*testing.B)
	switch {
	case os.Getenv("TMC_TEST_LOG") != "":
		logger = testr.NewWithInterface(w.t, testr.Options{Verbosity: 1})
	case measured:
		logger = logr.Discard()
	}
	options := manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logger}
	if w.managed != nil {
		w.managed(&options)
	}
	mgr, err := mcmanager.New(cfg, provider, options, w.coordinated...)
	require.NoError(w.t, err)
	w.provider = provider
	pipeline, err := w.pipeline(w.rendering...)
	require.NoError(w.t, err)
	if !measured {
		opts = append([]syncer.Option{syncer.WithTracing(sdktrace.NewTracerProvider(sdktrace.WithSyncer(scanner{})))}, opts...)
	}
	kinds := []syncer.Option{syncer.Resources(deploymentKind, fieldKind), syncer.Related(configMapKind, secretKind)}
	if w.following {
		exported, err := workspaces.NewExportedKinds(cfg, w.export, workspaces.ExportedOptions{})
		require.NoError(w.t, err)
		require.NoError(w.t, mgr.GetLocalManager().Add(exported))
		kinds = []syncer.Option{
			syncer.ResourcesFrom(exported),
			syncer.RelatedFrom(exported.Claimed(map[schema.GroupVersionKind]string{configMapKind: "configmaps", secretKind: "secrets"})),
		}
	}
	if w.shares != nil {
		require.NoError(w.t, mgr.GetLocalManager().Add(w.shares))
		opts = append(opts, syncer.WithShare(w.shares))
	}
	opts = slices.Concat(kinds, []syncer.Option{syncer.ReportEvery(50 * time.Millisecond)}, opts)
	l, err := syncer.New(mgr, w.fleet, pipeline, opts...)
	require.NoError(w.t, err)
	w.idle = queueGauges(w.t)
	ctx, cancel := context.WithCancel(context.Background())
	w.loop = &loop{Loop: l, stop: cancel, done: make(chan struct{})}
	go func(done chan struct{}) {
		defer close(done)
		if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
			w.t.Errorf("manager: %v", err)
		}
	}(w.loop.done)
	w.t.Cleanup(w.stopLoop)
	return w.loop
}

func (w *world) stopLoop() {
	w.loop.stop()
	select {
	case <-w.loop.done:
	case <-time.After(15 * time.Second):
		stacks := make([]byte, 1<<20)
		w.t.Errorf("the loop does not stop:\n%s", stacks[:runtime.Stack(stacks, true)])
		<-w.loop.done
	}
}

// tenant returns a client for a tenant's workspace, as the tenant's admin.
func (w *world) tenant(i int) client.Client {
	w.t.Helper()
	path := w.tenants[i].Path
	return w.client(path.String(), func() (client.Client, error) { return servers.kcp.Client(path) })
}

// cluster returns a client for a physical cluster, as its admin.
func (w *world) cluster(name string) client.Client {
	w.t.Helper()
	for _, c := range servers.clusters {
		if c.Name() == name {
			return w.client(name, c.Client)
		}
	}
	w.t.Fatalf("no cluster %q", name)
	return nil
}

// client returns the client of that name, made at its first use: each has to
// ask what is served before it can ask for anything.
func (w *world) client(name string, make func() (client.Client, error)) client.Client {
	w.t.Helper()
	known, _ := w.clients.LoadOrStore(name, sync.OnceValues(make))
	c, err := known.(func() (client.Client, error))()
	require.NoError(w.t, err)
	return c
}

// parallel calls do for 0 to n-1, several at a time.
func parallel(tb testing.TB, workers, n int, do func(i int) error) {
	tb.Helper()
	var group errgroup.Group
	group.SetLimit(workers)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	require.NoError(tb, group.Wait())
}

// eventually polls until check returns nil.
func eventually(tb testing.TB, what string, check func() error) {
	tb.Helper()
	within(tb, 90*time.Second, what, check) // generous: it costs time only where a test fails
}

// within is eventually, with another patience.
func within(tb testing.TB, patience time.Duration, what string, check func() error) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	var err error
	for time.Now().Before(deadline) {
		if err = check(); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	tb.Fatalf("%s: %v", what, err)
}
