package agent_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/pull"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/agent"
	"github.com/tmc-sdk/tmc/transform"
)

const installation = "hub"

var (
	deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	configMapKind  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	secretKind     = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	deployments    = deploymentKind.GroupVersion().WithResource("deployments")
	configmaps     = configMapKind.GroupVersion().WithResource("configmaps")
	secrets        = secretKind.GroupVersion().WithResource("secrets")

	quickProbe = tmccluster.ProbePolicy{Interval: 200 * time.Millisecond, Timeout: 5 * time.Second, FailureThreshold: 2, SuccessThreshold: 2}
	scheme     = runtime.NewScheme()
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, clusterv1alpha1.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if started.Load() {
		if kcp, err := startKCP(); err == nil {
			_ = kcp.Close()
		}
	}
	os.Exit(code)
}

// startKCP starts the kcp that the tests of this package share. It outlives them.
var startKCP = sync.OnceValues(func() (*tmcenvtest.KCP, error) { return tmcenvtest.StartKCP(context.Background()) })

var started atomic.Bool

func sharedKCP(t *testing.T) *tmcenvtest.KCP {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers")
	}
	started.Store(true)
	kcp, err := startKCP()
	require.NoError(t, err)
	return kcp
}

// world is a platform with one tenant, whose clusters are in pull mode.
type world struct {
	t         *testing.T
	kcp       *tmcenvtest.KCP
	clusters  map[string]*tmcenvtest.Cluster
	platform  tmcenvtest.Workspace
	tenant    client.Client
	admin     client.Client // of the platform's workspace
	mailboxes *pull.Workspaces
	upstream  counter // of writes to kcp
	stopHub   func()
	agents    map[string]*running
}

// running is an agent that runs, or ran.
type running struct {
	store *memory
	stop  func()
	down  counter // of writes to its cluster
}

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers")
	}
	w := &world{t: t, clusters: map[string]*tmcenvtest.Cluster{}, agents: map[string]*running{}}
	specs := make([]tmcenvtest.ClusterSpec, 0, len(names))
	for _, name := range names {
		specs = append(specs, tmcenvtest.Spec(name))
	}
	started.Store(true)
	go func() { _, _ = startKCP() }() // beside the clusters
	for _, c := range tmcenvtest.NewClusters(t, specs...) {
		w.clusters[c.Name()] = c
		w.addNode(c)
	}
	w.kcp = sharedKCP(t)
	tree, err := w.kcp.CreateTree(t.Context(), "platform", "tenant")
	require.NoError(t, err)
	w.platform = tree[0]
	w.admin, err = client.New(w.kcp.Config(w.platform.Path), client.Options{Scheme: scheme})
	require.NoError(t, err)
	crds, err := clusterv1alpha1.CRDs()
	require.NoError(t, err)
	for _, crd := range crds {
		require.NoError(t, w.admin.Create(t.Context(), crd))
	}
	require.NoError(t, w.kcp.Export(t.Context(), w.platform.Path, w.export()))
	require.NoError(t, w.kcp.Bind(t.Context(), tree[1].Path, w.platform.Path, "tmc"))
	w.tenant, err = w.kcp.Client(tree[1].Path)
	require.NoError(t, err)
	w.startHub()
	return w
}

func (w *world) export() tmcenvtest.APIExport {
	s, err := tmcenvtest.Schema(deploymentKind, "deployments")
	require.NoError(w.t, err)
	schemas := []*kcpapisv1alpha1.APIResourceSchema{s}
	crds, err := v1alpha1.CRDs()
	require.NoError(w.t, err)
	for _, crd := range crds {
		s, err := kcpapisv1alpha1.CRDToAPIResourceSchema(crd, "v1")
		require.NoError(w.t, err)
		schemas = append(schemas, s)
	}
	claims := []kcpapisv1alpha2.PermissionClaim{tmcenvtest.Claim("", "configmaps"), tmcenvtest.Claim("", "secrets"), tmcenvtest.Claim("", "events"), tmcenvtest.Claim("", "namespaces")}
	return tmcenvtest.APIExport{Name: "tmc", Schemas: schemas, Claims: claims}
}

// addNode gives a cluster without controllers room for pods.
func (w *world) addNode(c *tmcenvtest.Cluster) {
	cl := w.on(c.Name())
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("16Gi"), corev1.ResourcePods: resource.MustParse("110")}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-0"}}
	require.NoError(w.t, cl.Create(w.t.Context(), node))
	node.Spec.Taints = nil // the admission's, until a controller has seen the node
	require.NoError(w.t, cl.Update(w.t.Context(), node))
	node.Status.Allocatable, node.Status.Capacity = room, room
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	require.NoError(w.t, cl.Status().Update(w.t.Context(), node))
}

// startHub runs what a platform runs beside kcp, until stopHub.
func (w *world) startHub() {
	w.t.Helper()
	cfg := rest.CopyConfig(w.kcp.Config(w.platform.Path))
	cfg.QPS = -1
	cfg.Wrap(w.upstream.wrap)
	tenants, err := workspaces.NewProvider(cfg, "tmc", workspaces.Options{Retry: 200 * time.Millisecond})
	require.NoError(w.t, err)
	mgr, err := mcmanager.New(cfg, tenants, w.managerOptions())
	require.NoError(w.t, err)
	w.mailboxes, err = pull.NewWorkspaces(cfg, "tmc", deployments, configmaps, secrets)
	require.NoError(w.t, err)
	registrar, err := pull.NewRegistrar(w.mailboxes)
	require.NoError(w.t, err)
	fleet, err := tmccluster.NewFleet(
		tmccluster.WithSource(tmccluster.FromObjects(cfg, tmccluster.WithMailboxes(w.mailboxes))),
		tmccluster.WithAPIs(deploymentKind), tmccluster.WithProbe(quickProbe), tmccluster.WithGrace(time.Second))
	require.NoError(w.t, err)
	status, err := tmccluster.NewStatusWriter(fleet, cfg)
	require.NoError(w.t, err)
	pipeline, err := transform.NewPipeline(installation)
	require.NoError(w.t, err)
	loop, err := syncer.New(mgr, fleet, pipeline, syncer.Resources(deploymentKind), syncer.Related(configMapKind, secretKind),
		syncer.ReportEvery(50*time.Millisecond), syncer.TidyAfter(100*time.Millisecond))
	require.NoError(w.t, err)
	engine, err := placement.NewEngine()
	require.NoError(w.t, err)
	_, err = placementcontroller.New(mgr, fleet, engine, placementcontroller.Resources(deploymentKind), placementcontroller.WithCopies(loop))
	require.NoError(w.t, err)
	for _, r := range []manager.Runnable{fleet, status, registrar} {
		require.NoError(w.t, mgr.GetLocalManager().Add(r))
	}
	w.stopHub = w.run("hub", mgr.Start)
}

func (w *world) managerOptions() manager.Options {
	logger := logr.Discard()
	if os.Getenv("TMC_TEST_LOG") != "" {
		logger = testr.NewWithInterface(w.t, testr.Options{Verbosity: 1})
	}
	return manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logger}
}

// run starts a process, and returns what stops it. It stops with the test.
func (w *world) run(name string, start func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := start(ctx); err != nil && ctx.Err() == nil {
			w.t.Errorf("%s: %v", name, err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

// register registers a cluster in pull mode.
func (w *world) register(name string) {
	w.t.Helper()
	pc := &clusterv1alpha1.PhysicalCluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	pc.Spec.Connection.Mode = clusterv1alpha1.ConnectionPull
	eventually(w.t, "register "+name, func() error { return w.admin.Create(w.t.Context(), pc.DeepCopy()) })
}

// join makes a bootstrap token for a cluster, joins with it and starts the agent.
func (w *world) join(name string) {
	w.t.Helper()
	var token *pull.Way
	eventually(w.t, "token for "+name, func() error {
		cfg, err := w.mailboxes.Config(w.t.Context(), name)
		if err != nil {
			return err
		}
		token, err = pull.NewToken(w.t.Context(), cfg, name)
		return err
	})
	a := &running{store: &memory{}}
	w.agents[name] = a
	_, err := pull.Join(w.t.Context(), token, a.store)
	require.NoError(w.t, err)
	w.startAgent(name)
}

func (w *world) startAgent(name string) {
	w.t.Helper()
	a := w.agents[name]
	credentials, err := pull.Resume(w.t.Context(), a.store)
	require.NoError(w.t, err)
	home := rest.CopyConfig(w.clusters[name].Config())
	home.Wrap(a.down.wrap)
	x, err := agent.New(w.t.Context(), agent.Config{
		Home: home, Mailbox: credentials, Installation: installation,
		Resources: []schema.GroupVersionKind{deploymentKind, configMapKind, secretKind},
	},
		agent.WithManager(w.managerOptions()), agent.WithTransport(w.upstream.wrap),
		agent.WithFleet(tmccluster.WithProbe(quickProbe)),
		agent.WithReporter(pull.LeaseDuration(6*time.Second)),
		// Nobody there ends namespaces that are deleted.
		agent.WithLoop(syncer.ReportEvery(50*time.Millisecond), syncer.TidyAfter(time.Hour)))
	require.NoError(w.t, err)
	a.stop = w.run("agent of "+name, x.Start)
}

// on returns a client for a physical cluster, as its admin.
func (w *world) on(cluster string) client.Client {
	w.t.Helper()
	c, err := w.clusters[cluster].Client()
	require.NoError(w.t, err)
	return c
}

// waitCluster waits for a condition of a PhysicalCluster.
func (w *world) waitCluster(name, condition string, status metav1.ConditionStatus, reason string) *clusterv1alpha1.PhysicalCluster {
	w.t.Helper()
	pc := &clusterv1alpha1.PhysicalCluster{}
	eventually(w.t, name+" "+condition, func() error {
		if err := w.admin.Get(w.t.Context(), client.ObjectKey{Name: name}, pc); err != nil {
			return err
		}
		for _, c := range pc.Status.Conditions {
			if c.Type == condition && c.Status == status && c.Reason == reason {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", pc.Status.Conditions)
	})
	return pc
}

// copies returns the copies on a cluster of everything with a name in the
// tenant's namespace default.
func (w *world) copies(cluster string, kind schema.GroupVersionKind, name string) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := w.on(cluster).List(w.t.Context(), list, client.MatchingLabelsSelector{Selector: transform.SelectorFor(syncer.AgentInstallation(installation))}); err != nil {
		return nil, err
	}
	var found []unstructured.Unstructured
	for _, u := range list.Items {
		if u.GetName() == name {
			found = append(found, u)
		}
	}
	return found, nil
}

func (w *world) waitCopy(cluster string, kind schema.GroupVersionKind, name string, checks ...func(*unstructured.Unstructured) error) *unstructured.Unstructured {
	w.t.Helper()
	var found *unstructured.Unstructured
	eventually(w.t, kind.Kind+" "+name+" on "+cluster, func() error {
		all, err := w.copies(cluster, kind, name)
		if err != nil {
			return err
		}
		if len(all) != 1 {
			return fmt.Errorf("there are %d", len(all))
		}
		found = &all[0]
		return check(found, checks)
	})
	return found
}

func (w *world) waitNoCopy(cluster string, kind schema.GroupVersionKind, name string) {
	w.t.Helper()
	eventually(w.t, "no "+kind.Kind+" "+name+" on "+cluster, func() error {
		all, err := w.copies(cluster, kind, name)
		if err == nil && len(all) > 0 {
			err = errors.New("it is there")
		}
		return err
	})
}

func (w *world) waitOriginal(name string, checks ...func(*unstructured.Unstructured) error) *unstructured.Unstructured {
	w.t.Helper()
	u := object(deploymentKind, name)
	eventually(w.t, "original "+name, func() error {
		if err := w.tenant.Get(w.t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
			return err
		}
		return check(u, checks)
	})
	return u
}

func (w *world) waitNoOriginal(name string) {
	w.t.Helper()
	u := object(deploymentKind, name)
	eventually(w.t, "no original "+name, func() error {
		err := w.tenant.Get(w.t.Context(), client.ObjectKeyFromObject(u), u)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there: %w", err)
	})
}

// setReady writes what the controllers of the cluster would report of a copy.
func (w *world) setReady(cluster string, copied *unstructured.Unstructured, n int64) {
	w.t.Helper()
	eventually(w.t, "status of the copy", func() error {
		u := copied.DeepCopy()
		if err := w.on(cluster).Get(w.t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
			return err
		}
		u.Object["status"] = map[string]any{
			"observedGeneration": u.GetGeneration(), "replicas": n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n,
			"conditions": []any{map[string]any{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastTransitionTime": "2026-01-01T00:00:00Z", "lastUpdateTime": "2026-01-01T00:00:00Z", "message": ""}},
		}
		return w.on(cluster).Status().Update(w.t.Context(), u)
	})
}

func check(u *unstructured.Unstructured, checks []func(*unstructured.Unstructured) error) error {
	for _, c := range checks {
		if err := c(u); err != nil {
			return err
		}
	}
	return nil
}

func condition(kind, status, reason string) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		for _, item := range list {
			c, _ := item.(map[string]any)
			if c["type"] == kind && c["status"] == status && c["reason"] == reason {
				return nil
			}
		}
		return fmt.Errorf("no %s=%s %s in %v", kind, status, reason, list)
	}
}

func field(path string, want any) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		got, _, _ := unstructured.NestedFieldNoCopy(u.Object, strings.Split(path, ".")...)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("%s is %v and not %v", path, got, want)
		}
		return nil
	}
}

func object(kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(kind)
	u.SetNamespace("default")
	u.SetName(name)
	return u
}

func deployment(name string, replicas int64) *unstructured.Unstructured {
	u := object(deploymentKind, name)
	u.Object["spec"] = map[string]any{
		"replicas": replicas,
		"selector": map[string]any{"matchLabels": map[string]any{"app": name}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": name}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "main", "image": "registry.example/app:1"}}},
		},
	}
	return u
}

func mentioning(d *unstructured.Unstructured, configMap, secret string) *unstructured.Unstructured {
	spec := d.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	spec["volumes"] = []any{
		map[string]any{"name": "config", "configMap": map[string]any{"name": configMap}},
		map[string]any{"name": "secret", "secret": map[string]any{"secretName": secret}},
	}
	return d
}

func withData(kind schema.GroupVersionKind, name, field string, data map[string]any) *unstructured.Unstructured {
	u := object(kind, name)
	u.Object[field] = data
	return u
}

// memory is a store for as long as the test lasts.
type memory struct{ data []byte }

func (m *memory) Load(context.Context) ([]byte, error)      { return m.data, nil }
func (m *memory) Save(_ context.Context, data []byte) error { m.data = data; return nil }

// counter counts requests that wrote, but for Leases and events.
type counter struct {
	mu  sync.Mutex
	log []string
}

func (c *counter) wrap(next http.RoundTripper) http.RoundTripper { return counting{c, next} }

type counting struct {
	c    *counter
	next http.RoundTripper
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil || resp.StatusCode >= http.StatusBadRequest || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return resp, err
	}
	if !strings.Contains(r.URL.Path, "/events") && !strings.Contains(r.URL.Path, "/leases") {
		c.c.mu.Lock()
		c.c.log = append(c.c.log, r.Method+" "+r.URL.Path)
		c.c.mu.Unlock()
	}
	return resp, nil
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = nil
}

// about returns the writes whose path contains a text.
func (c *counter) about(text string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []string
	for _, line := range c.log {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func eventually(tb testing.TB, what string, check func() error) {
	tb.Helper()
	deadline := time.Now().Add(90 * time.Second)
	var err error
	for time.Now().Before(deadline) {
		if err = check(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	tb.Fatalf("%s: %v", what, err)
}
