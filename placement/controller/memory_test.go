package controller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// memory is a provider of workspaces that are nothing but maps, and the server
// that the controller writes to: what a test at the size of a fleet, or of
// many quick cases, needs of kcp. What matters about servers is tested on them.
type memory struct {
	mu       sync.RWMutex
	objects  map[place]*unstructured.Unstructured
	lists    map[place]map[types.NamespacedName]place // by kind and workspace
	handlers map[place][]toolscache.ResourceEventHandler
	told     chan func()
	version  int
	writes   map[string]int
	perName  map[string]int // status writes, by workspace, namespace and name
	names    []multicluster.ClusterName
}

// place says where an object is; without a name, where those of a kind are.
type place struct {
	workspace multicluster.ClusterName
	kind      string
	types.NamespacedName
}

func newMemory(workspaces int) *memory {
	m := &memory{
		objects: map[place]*unstructured.Unstructured{}, lists: map[place]map[types.NamespacedName]place{}, handlers: map[place][]toolscache.ResourceEventHandler{},
		told: make(chan func(), 100_000), writes: map[string]int{}, perName: map[string]int{},
	}
	for i := range workspaces {
		m.names = append(m.names, multicluster.ClusterName(fmt.Sprintf("ws-%03d", i)))
	}
	return m
}

// put creates or replaces an object; del deletes it.
func (m *memory) put(workspace multicluster.ClusterName, u *unstructured.Unstructured) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.putLocked(workspace, u)
}

func (m *memory) putLocked(workspace multicluster.ClusterName, u *unstructured.Unstructured) {
	at := place{workspace, u.GetKind(), client.ObjectKeyFromObject(u)}
	old := m.objects[at]
	m.version++
	u.SetResourceVersion(fmt.Sprint(m.version))
	if old == nil {
		u.SetUID(types.UID(fmt.Sprint("uid-", m.version)))
		u.SetCreationTimestamp(metav1.Now())
		u.SetGeneration(1)
	}
	m.objects[at] = u
	list := place{workspace: workspace, kind: at.kind}
	if m.lists[list] == nil {
		m.lists[list] = map[types.NamespacedName]place{}
	}
	m.lists[list][at.NamespacedName] = at
	m.tell(list, func(h toolscache.ResourceEventHandler) {
		if old == nil {
			h.OnAdd(u, false)
		} else {
			h.OnUpdate(old, u)
		}
	})
}

func (m *memory) del(workspace multicluster.ClusterName, u *unstructured.Unstructured) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delLocked(workspace, u)
}

func (m *memory) delLocked(workspace multicluster.ClusterName, u *unstructured.Unstructured) {
	at, list := place{workspace, u.GetKind(), client.ObjectKeyFromObject(u)}, place{workspace: workspace, kind: u.GetKind()}
	old := m.objects[at]
	delete(m.objects, at)
	delete(m.lists[list], at.NamespacedName)
	m.tell(list, func(h toolscache.ResourceEventHandler) { h.OnDelete(old) })
}

// edit changes the spec of a Placement.
func (m *memory) edit(workspace multicluster.ClusterName, namespace, name string, change func(spec map[string]any)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.objects[place{workspace, bare(namespace, name).GetKind(), types.NamespacedName{Namespace: namespace, Name: name}}].DeepCopy()
	spec, _ := next.Object["spec"].(map[string]any)
	if spec == nil {
		spec = map[string]any{}
	}
	change(spec)
	next.Object["spec"] = spec
	next.SetGeneration(next.GetGeneration() + 1)
	m.putLocked(workspace, next)
}

func (m *memory) tell(list place, tell func(toolscache.ResourceEventHandler)) {
	for _, h := range m.handlers[list] {
		m.told <- func() { tell(h) }
	}
}

func (m *memory) get(workspace multicluster.ClusterName, namespace, name string) *v1alpha1.Placement {
	m.mu.RLock()
	defer m.mu.RUnlock()
	u := m.objects[place{workspace, bare(namespace, name).GetKind(), types.NamespacedName{Namespace: namespace, Name: name}}]
	if u == nil {
		return nil
	}
	p := &v1alpha1.Placement{}
	if err := fromUnstructured(u, p); err != nil {
		return nil
	}
	return p
}

// written returns how many writes of a kind there were, and forgets them.
func (m *memory) written() (writes, perName map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	writes, perName, m.writes, m.perName = m.writes, m.perName, map[string]int{}, map[string]int{}
	return writes, perName
}

// RoundTrip is the server.
func (m *memory) RoundTrip(req *http.Request) (*http.Response, error) {
	workspace := multicluster.ClusterName(req.URL.Host)
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	at := place{workspace: workspace}
	parts = parts[3:] // apis, group, version
	if parts[0] == "namespaces" {
		at.Namespace, parts = parts[1], parts[2:]
	}
	at.kind = map[string]string{"clusterplacements": "ClusterPlacement", "placements": "Placement", "placementdecisions": "PlacementDecision"}[parts[0]]
	if len(parts) > 1 {
		at.Name = parts[1]
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	answer, err := m.serve(req.Method, at, body)
	code := http.StatusOK
	if status := apierrors.APIStatus(nil); err != nil {
		status, _ = err.(apierrors.APIStatus)
		s := status.Status()
		s.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		answer, code = s, int(s.Code)
	}
	data, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(data)), Request: req}, nil
}

func (m *memory) serve(method string, at place, body []byte) (any, error) {
	resource := schema.GroupResource{Group: v1alpha1.Group, Resource: at.kind}
	switch method {
	case http.MethodGet:
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(at.kind + "List"))
		for name, where := range m.lists[place{workspace: at.workspace, kind: at.kind}] {
			if name.Namespace == at.Namespace {
				list.Items = append(list.Items, *m.objects[where])
			}
		}
		return list.UnstructuredContent(), nil
	case http.MethodPost:
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal(body, &u.Object); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		at.Name = u.GetName()
		if m.objects[at] != nil {
			return nil, apierrors.NewAlreadyExists(resource, at.Name)
		}
		m.writes["create"]++
		m.putLocked(at.workspace, u)
		return u.Object, nil
	}
	old := m.objects[at]
	if old == nil {
		return nil, apierrors.NewNotFound(resource, at.Name)
	}
	next := &unstructured.Unstructured{}
	switch method {
	case http.MethodDelete:
		m.writes["delete"]++
		m.delLocked(at.workspace, old)
		return metav1.Status{Status: metav1.StatusSuccess}, nil
	case http.MethodPut:
		if err := next.UnmarshalJSON(body); err != nil {
			return nil, err
		}
		m.writes["update"]++
		m.putLocked(at.workspace, next)
		return next.Object, nil
	}
	before, err := old.MarshalJSON()
	if err != nil {
		return nil, err
	}
	after, err := jsonpatch.MergePatch(before, body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if err := next.UnmarshalJSON(after); err != nil {
		return nil, err
	}
	if next.GetResourceVersion() != old.GetResourceVersion() || next.GetUID() != old.GetUID() {
		return nil, apierrors.NewConflict(resource, at.Name, fmt.Errorf("it has changed"))
	}
	m.writes["status"]++
	m.perName[fmt.Sprint(at.workspace, "/", at.NamespacedName)]++
	m.putLocked(at.workspace, next)
	return next.Object, nil
}

// Get implements multicluster.Provider.
func (m *memory) Get(_ context.Context, name multicluster.ClusterName) (crcluster.Cluster, error) {
	return &workspace{memory: m, name: name}, nil
}

// IndexField implements multicluster.Provider.
func (m *memory) IndexField(context.Context, client.Object, string, client.IndexerFunc) error {
	return nil
}

// Start implements multicluster.ProviderRunnable: it engages all workspaces.
func (m *memory) Start(ctx context.Context, aware multicluster.Aware) error {
	for _, name := range m.names {
		if err := aware.Engage(ctx, name, &workspace{memory: m, name: name}); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case tell := <-m.told:
			tell()
		}
	}
}

// workspace is one of them, as far as the controller looks at it.
type workspace struct {
	crcluster.Cluster
	memory *memory
	name   multicluster.ClusterName
}

func (w *workspace) GetConfig() *rest.Config { return &rest.Config{Host: "http://" + string(w.name)} }

func (w *workspace) GetHTTPClient() *http.Client                  { return &http.Client{Transport: w.memory} }
func (w *workspace) GetCache() cache.Cache                        { return &view{workspace: w} }
func (w *workspace) GetEventRecorder(string) events.EventRecorder { return nil }

// view is the cache of a workspace.
type view struct {
	cache.Cache
	workspace *workspace
}

func (v *view) GetInformer(_ context.Context, obj client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	return &informer{memory: v.workspace.memory, of: place{workspace: v.workspace.name, kind: obj.GetObjectKind().GroupVersionKind().Kind}}, nil
}

func (v *view) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(opts)
	list, ok := into.(*unstructured.UnstructuredList)
	if !ok {
		return fmt.Errorf("a list of %T is not kept", into)
	}
	m := v.workspace.memory
	m.mu.RLock()
	defer m.mu.RUnlock()
	for name, at := range m.lists[place{workspace: v.workspace.name, kind: strings.TrimSuffix(into.GetObjectKind().GroupVersionKind().Kind, "List")}] {
		if o.Namespace == "" || o.Namespace == name.Namespace {
			list.Items = append(list.Items, *m.objects[at])
		}
	}
	return nil
}

// informer tells of the objects of one kind in one workspace.
type informer struct {
	cache.Informer
	memory *memory
	of     place
}

func (*informer) HasSynced() bool { return true }
func (*informer) IsStopped() bool { return false }

// HasSyncedChecker implements cache.Informer: all is known from the start.
func (*informer) HasSyncedChecker() toolscache.DoneChecker { return synced{} }

type synced struct{}

func (synced) Name() string { return "memory" }

func (synced) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (i *informer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	i.memory.mu.Lock()
	defer i.memory.mu.Unlock()
	i.memory.handlers[i.of] = append(i.memory.handlers[i.of], h)
	return nil, nil
}

func (i *informer) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error {
	i.memory.mu.Lock()
	defer i.memory.mu.Unlock()
	delete(i.memory.handlers, i.of)
	return nil
}

// run starts a controller over the workspaces, as another process would.
func (m *memory) run(tb testing.TB, f *fleet, opts ...placementcontroller.Option) (c *placementcontroller.Controller, stop func()) {
	tb.Helper()
	m.mu.Lock()
	m.handlers = map[place][]toolscache.ResourceEventHandler{}
	m.mu.Unlock()
	mgr, err := mcmanager.New(&rest.Config{Host: "http://nowhere.invalid"}, m, manager.Options{
		Scheme: clientgoscheme.Scheme, Metrics: metricsserver.Options{BindAddress: "0"},
	})
	require.NoError(tb, err)
	engine, err := placement.NewEngine()
	require.NoError(tb, err)
	c, err = placementcontroller.New(mgr, f, engine, append([]placementcontroller.Option{placementcontroller.Resources(deployments)}, opts...)...)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(tb, <-done)
	})
	tb.Cleanup(stop)
	return c, stop
}

// eventually waits until a Placement is as it should be.
func (m *memory) eventually(tb testing.TB, workspace multicluster.ClusterName, name string, is func(*v1alpha1.Placement) bool) *v1alpha1.Placement {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for {
		p := m.get(workspace, "default", name)
		if p != nil && is(p) {
			return p
		}
		if time.Now().After(deadline) {
			tb.Fatalf("placement %s is not as it should be:\n%s", name, show(p))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// app puts a Placement with a spec and its Deployment into a workspace.
func (m *memory) app(tb testing.TB, workspace multicluster.ClusterName, name, spec, cpu string, replicas int64) {
	tb.Helper()
	p := placementWith(tb, "default", name, strings.TrimSuffix(spec, "}")+comma(spec)+"resources: [{group: apps, kind: Deployment, name: "+name+"}]}")
	p.SetLabels(map[string]string{"app": name})
	m.put(workspace, p)
	m.put(workspace, deployment(name, cpu, replicas))
}

func comma(spec string) string {
	if spec == "{}" {
		return ""
	}
	return ", "
}

func deployment(name, cpu string, replicas int64) *unstructured.Unstructured {
	d := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"replicas": replicas,
		"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
			"name": "main", "resources": map[string]any{"requests": map[string]any{"cpu": cpu}},
		}}}},
	}}}
	d.SetGroupVersionKind(deployments)
	d.SetNamespace("default")
	d.SetName(name)
	return d
}

func keyOf(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "default", Name: name}
}
