package controller_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kcp-dev/logicalcluster/v3"
	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

const (
	exportName = "tmc"
	patience   = 30 * time.Second
)

var (
	deployments        = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	widgets            = schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"} // cluster-scoped
	placementDecisions = schema.GroupVersionKind{Group: "multicluster.x-k8s.io", Version: "v1alpha1", Kind: "PlacementDecision"}
	serial             atomic.Int32
)

// world is an export, the workspaces that bind it, and a controller.
type world struct {
	config  *rest.Config // of the workspace of the export
	tenants []*tenant
	fleet   *fleet
	copies  *copies
	writes  *counter
	metrics *prometheus.Registry
	path    logicalcluster.Path // of the workspace of the export
	before  func(*http.Request)
	refuse  func(*http.Request) bool
	// more are options that need the provider.
	more func(placementcontroller.Directory) []placementcontroller.Option
	stop func()
}

// tenant is one workspace.
type tenant struct {
	client.Client
	name multicluster.ClusterName
	path logicalcluster.Path
}

// tenants is the number of workspaces that bind the export.
const tenants = 2

// base is the export and the workspaces that all tests use, one after the
// other.
var base = sync.OnceValues(func() (*world, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	kcp := shared.kcp
	paths := []string{"export"}
	for i := range tenants {
		paths = append(paths, fmt.Sprintf("tenant-%d", i))
	}
	tree, err := kcp.CreateTree(ctx, paths...)
	if err != nil {
		return nil, err
	}
	exported, err := schemas()
	if err != nil {
		return nil, err
	}
	err = kcp.Export(ctx, tree[0].Path, envtest.APIExport{
		Name: exportName, Schemas: exported,
		Claims: []kcpapisv1alpha2.PermissionClaim{envtest.Claim("", "events"), envtest.Claim("", "namespaces"), envtest.Claim("core.kcp.io", "logicalclusters")},
	})
	if err != nil {
		return nil, err
	}
	w := &world{config: kcp.Config(tree[0].Path), path: tree[0].Path}
	for _, ws := range tree[1:] {
		if err := kcp.Bind(ctx, ws.Path, tree[0].Path, exportName); err != nil {
			return nil, err
		}
		c, err := kcp.Client(ws.Path)
		if err != nil {
			return nil, err
		}
		w.tenants = append(w.tenants, &tenant{Client: c, name: multicluster.ClusterName(ws.Cluster), path: ws.Path})
	}
	return w, nil
})

// newWorld returns the world without objects; start starts the controller.
func newWorld(tb testing.TB, f *fleet) *world {
	tb.Helper()
	sharedKCP(tb)
	b, err := base()
	require.NoError(tb, err)
	w := &world{config: b.config, path: b.path, tenants: b.tenants, fleet: f, copies: &copies{}, stop: func() {}}
	tb.Cleanup(func() {
		w.stop()
		for _, tn := range w.tenants {
			tn.clear(tb)
		}
	})
	return w
}

// clear deletes all that tests create, but for namespaces and events.
func (tn *tenant) clear(tb testing.TB) {
	tb.Helper()
	ctx := context.Background() // the test's has ended
	for _, kind := range []schema.GroupVersionKind{deployments, widgets, bare("default", "").GroupVersionKind(), bare("", "").GroupVersionKind()} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		require.NoError(tb, tn.List(ctx, list))
		for i := range list.Items {
			require.NoError(tb, client.IgnoreNotFound(tn.Delete(ctx, &list.Items[i])))
		}
	}
}

func schemas() ([]*kcpapisv1alpha1.APIResourceSchema, error) {
	crds, err := v1alpha1.CRDs()
	if err != nil {
		return nil, err
	}
	var out []*kcpapisv1alpha1.APIResourceSchema
	for _, crd := range crds {
		s, err := kcpapisv1alpha1.CRDToAPIResourceSchema(crd, "v1")
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	d, err := envtest.Schema(deployments, "deployments")
	if err != nil {
		return nil, err
	}
	x, err := envtest.Schema(widgets, "widgets")
	if err != nil {
		return nil, err
	}
	x.Spec.Scope = "Cluster"
	e, err := envtest.Schema(placementDecisions, "placementdecisions")
	if err != nil {
		return nil, err
	}
	return append(out, d, x, e), nil
}

// start starts a controller, as another process would; what it writes is
// counted from zero.
func (w *world) start(tb testing.TB, opts ...placementcontroller.Option) {
	tb.Helper()
	w.writes = &counter{before: w.before, refuse: w.refuse}
	cfg := rest.CopyConfig(w.config)
	cfg.Wrap(w.writes.wrap)
	provider, err := workspaces.NewProvider(cfg, exportName, workspaces.Options{Retry: 100 * time.Millisecond})
	require.NoError(tb, err)
	mgr, err := mcmanager.New(w.config, provider, manager.Options{
		Scheme: clientgoscheme.Scheme, Metrics: metricsserver.Options{BindAddress: "0"},
	})
	require.NoError(tb, err)
	w.metrics = prometheus.NewRegistry()
	opts = append([]placementcontroller.Option{
		placementcontroller.Resources(deployments, widgets),
		placementcontroller.WithCopies(w.copies),
		placementcontroller.WithMetrics(w.metrics),
	}, opts...)
	if w.more != nil {
		opts = append(opts, w.more(placementcontroller.NewDirectory(provider))...)
	}
	engine, err := placement.NewEngine()
	require.NoError(tb, err)
	_, err = placementcontroller.New(mgr, w.fleet, engine, opts...)
	require.NoError(tb, err)

	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("manager: %v", err)
		}
	})
}

// settled waits until everything that happened so far has been dealt with: a
// new namespace's work, asked for later than all else, has a place.
func (w *world) settled(tb testing.TB, tn *tenant) {
	tb.Helper()
	name := fmt.Sprintf("barrier-%d", serial.Add(1))
	tn.namespace(tb, name)
	tn.deploy(tb, name, "barrier")
	tn.eventually(tb, name, "default", decided)
	w.writes.mu.Lock()
	defer w.writes.mu.Unlock()
	w.writes.writes["POST placements"]--
	w.writes.writes["PATCH placements/status"]--
	for write, n := range w.writes.writes {
		if n == 0 {
			delete(w.writes.writes, write)
		}
	}
}

func (tn *tenant) create(tb testing.TB, obj client.Object) {
	tb.Helper()
	require.NoError(tb, tn.Create(tb.Context(), obj))
}

func (tn *tenant) namespace(tb testing.TB, name string) {
	tb.Helper()
	ns := &unstructured.Unstructured{}
	ns.SetAPIVersion("v1")
	ns.SetKind("Namespace")
	ns.SetName(name)
	tn.create(tb, ns)
}

// deploy creates a Deployment of three replicas of half a core.
func (tn *tenant) deploy(tb testing.TB, namespace, name string, pairs ...string) *unstructured.Unstructured {
	tb.Helper()
	d := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"replicas": int64(3),
		"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
			"name": "main", "image": "example.org/main",
			"resources": map[string]any{"requests": map[string]any{"cpu": "500m"}},
		}}}},
	}}}
	d.SetGroupVersionKind(deployments)
	d.SetNamespace(namespace)
	d.SetName(name)
	labels := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		labels[pairs[i]] = pairs[i+1]
	}
	d.SetLabels(labels)
	tn.create(tb, d)
	return d
}

// place creates a Placement with a spec.
func (tn *tenant) place(tb testing.TB, namespace, name, spec string) {
	tb.Helper()
	tn.create(tb, placementWith(tb, namespace, name, spec))
}

// update changes the spec of a Placement.
func (tn *tenant) update(tb testing.TB, namespace, name, patch string) {
	tb.Helper()
	require.NoError(tb, tn.Patch(tb.Context(), bare(namespace, name), client.RawPatch(types.MergePatchType, []byte(patch))))
}

// get reads a Placement or, without a namespace, a ClusterPlacement.
func (tn *tenant) get(ctx context.Context, namespace, name string) (*v1alpha1.Placement, error) {
	u := bare(namespace, name)
	if err := tn.Get(ctx, client.ObjectKeyFromObject(u), u); err != nil {
		return nil, err
	}
	p := &v1alpha1.Placement{}
	return p, fromUnstructured(u, p)
}

// eventually waits until a Placement is as it should be, and returns it.
func (tn *tenant) eventually(tb testing.TB, namespace, name string, is func(*v1alpha1.Placement) bool) *v1alpha1.Placement {
	tb.Helper()
	var last *v1alpha1.Placement
	var err error
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	for {
		last, err = tn.get(ctx, namespace, name)
		if err == nil && is(last) {
			return last
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("placement %s/%s is not as it should be: %v\n%s", namespace, name, err, show(last))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// event waits until an event with a reason tells of an object.
func (tn *tenant) event(tb testing.TB, namespace, about, reason string) {
	tb.Helper()
	var events corev1.EventList
	require.Eventually(tb, func() bool {
		if err := tn.List(tb.Context(), &events, client.InNamespace(namespace)); err != nil {
			return false
		}
		return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
			return e.InvolvedObject.Name == about && e.Reason == reason && e.Message != "" && e.Action != ""
		})
	}, patience, 50*time.Millisecond, "no event %s of %s", reason, about)
}

// decisions returns how many decisions were made.
func (w *world) decisions(tb testing.TB) float64 {
	tb.Helper()
	return sumOf(tb, w.metrics, "tmc_placement_decisions_total")
}

// sumOf adds up a counter over its labels.
func sumOf(tb testing.TB, metrics *prometheus.Registry, name string) (total float64) {
	tb.Helper()
	families, err := metrics.Gather()
	require.NoError(tb, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			total += m.GetCounter().GetValue()
		}
	}
	return total
}

func decided(p *v1alpha1.Placement) bool { return condition(p) != nil }

func condition(p *v1alpha1.Placement) *metav1.Condition {
	return meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionPlaced)
}

func refused(reason string) func(*v1alpha1.Placement) bool {
	return func(p *v1alpha1.Placement) bool {
		c := condition(p)
		return c != nil && c.Status == metav1.ConditionFalse && c.Reason == reason
	}
}

// on says that a Placement is placed on the clusters, of which those in
// parentheses are being left.
func on(summary string) func(*v1alpha1.Placement) bool {
	return func(p *v1alpha1.Placement) bool {
		names := make([]string, 0, len(p.Status.Targets))
		for _, target := range p.Status.Targets {
			if target.Leaving {
				names = append(names, "("+target.Cluster+")")
			} else {
				names = append(names, target.Cluster)
			}
		}
		return strings.Join(names, " ") == summary
	}
}
