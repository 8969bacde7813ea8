package workspaces

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

var widgets = schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}

// tenancy is one export with tenants, a provider of them, and what was seen.
type tenancy struct {
	t        *testing.T
	kcp      *tmcenvtest.KCP
	platform tmcenvtest.Workspace
	tenants  []tmcenvtest.Workspace
	provider *Provider
	watcher  *Watcher

	mu      sync.Mutex
	engaged map[multicluster.ClusterName][]context.Context
	events  []string
}

var _ multicluster.Aware = (*tenancy)(nil)

// Engage notes the workspace, and hands it to the watcher.
func (w *tenancy) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	w.mu.Lock()
	w.engaged[name] = append(w.engaged[name], ctx)
	w.mu.Unlock()
	return w.watcher.Engage(ctx, name, cl)
}

func (w *tenancy) note(e Event) {
	what := "changed"
	switch {
	case e.New == nil:
		what = "unseen"
	case e.Old == nil:
		what = "added"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, fmt.Sprintf("%s %s/%s", what, e.Cluster, e.Object().GetName()))
}

// times a workspace was engaged.
func (w *tenancy) times(i int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.engaged[w.name(i)])
}

// first returns how the context of the first engagement ended, if it did.
func (w *tenancy) first(i int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.engaged[w.name(i)][0].Err()
}

func (w *tenancy) saw(what string, i int, object string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e == fmt.Sprintf("%s %s/%s", what, w.name(i), object) {
			return true
		}
	}
	return false
}

func (w *tenancy) name(i int) multicluster.ClusterName {
	return multicluster.ClusterName(w.tenants[i].Cluster)
}

func (w *tenancy) until(what string, ok func() bool) {
	w.t.Helper()
	require.Eventually(w.t, ok, 2*time.Minute, 20*time.Millisecond, what)
}

func (w *tenancy) client(ws tmcenvtest.Workspace) client.Client {
	w.t.Helper()
	c, err := w.kcp.Client(ws.Path)
	require.NoError(w.t, err)
	return c
}

func (w *tenancy) create(i int, name string) {
	w.t.Helper()
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(widgets)
	obj.SetNamespace("default")
	obj.SetName(name)
	require.NoError(w.t, w.client(w.tenants[i]).Create(w.t.Context(), obj))
}

func (w *tenancy) bind(i int) {
	w.t.Helper()
	require.NoError(w.t, w.kcp.Bind(w.t.Context(), w.tenants[i].Path, w.platform.Path, "widgets"))
}

// slice is not the one that kcp makes by itself, and would make again.
func slice(platform tmcenvtest.Workspace) *apisv1alpha1.APIExportEndpointSlice {
	return &apisv1alpha1.APIExportEndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "ours"},
		Spec:       apisv1alpha1.APIExportEndpointSliceSpec{APIExport: apisv1alpha1.ExportBindingReference{Path: platform.Path.String(), Name: "widgets"}},
	}
}

func newTenancy(t *testing.T) *tenancy {
	t.Helper()
	w := &tenancy{t: t, kcp: tmcenvtest.NewKCP(t), engaged: map[multicluster.ClusterName][]context.Context{}}
	tree, err := w.kcp.CreateTree(t.Context(), "platform", "tenant-0", "tenant-1")
	require.NoError(t, err)
	w.platform, w.tenants = tree[0], tree[1:]
	w.provider, err = NewProvider(w.kcp.Config(w.platform.Path), "ours", Options{Retry: 200 * time.Millisecond})
	require.NoError(t, err)
	w.watcher = NewWatcher(w.provider, []schema.GroupVersionKind{widgets}, w.note)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.provider.Start(ctx, w) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return w
}

// feeds returns the handlers of the watcher, and the workspaces that use them.
func (w *tenancy) feeds() (handlers, users int) {
	w.watcher.mu.Lock()
	defer w.watcher.mu.Unlock()
	for _, f := range w.watcher.feeds {
		users += f.users
	}
	return len(w.watcher.feeds), users
}

func TestWorkspacesComeAndGo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	w := newTenancy(t)
	ctx := t.Context()

	t.Log("nothing is there yet: the endpoint appears late")
	s, err := tmcenvtest.Schema(widgets, "widgets")
	require.NoError(t, err)
	require.NoError(t, w.kcp.Export(ctx, w.platform.Path, tmcenvtest.APIExport{Name: "widgets", Schemas: []*apisv1alpha1.APIResourceSchema{s}}))
	w.bind(0)
	w.create(0, "early")
	_, err = w.provider.Get(ctx, w.name(0))
	require.ErrorIs(t, err, multicluster.ErrClusterNotFound)
	require.NoError(t, w.client(w.platform).Create(ctx, slice(w.platform)))
	w.until("the workspace is engaged", func() bool { return w.times(0) == 1 && w.watcher.Synced(w.name(0), widgets) })
	w.until("what was there is told of", func() bool { return w.saw("added", 0, "early") })

	t.Log("one handler serves all workspaces of an endpoint")
	w.bind(1)
	w.until("the other workspace is engaged", func() bool { return w.watcher.Synced(w.name(1), widgets) })
	w.create(1, "other")
	w.until("its object is told of, under its name", func() bool { return w.saw("added", 1, "other") })
	handlers, users := w.feeds()
	require.Equal(t, []int{1, 2}, []int{handlers, users})
	require.False(t, w.saw("added", 0, "other"))
	list, err := w.watcher.List(ctx, w.name(1), widgets, "")
	require.NoError(t, err)
	require.Len(t, list, 1, "a workspace shows its own objects only")
	_, err = w.watcher.Get(ctx, w.name(0), widgets, client.ObjectKey{Namespace: "default", Name: "other"})
	require.True(t, client.IgnoreNotFound(err) == nil && err != nil, "got %v", err)

	t.Log("a workspace that unbinds is disengaged, and unknown")
	require.NoError(t, w.client(w.tenants[1]).Delete(ctx, &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "widgets"}}))
	w.until("it is disengaged", func() bool {
		_, err := w.provider.Get(ctx, w.name(1))
		_, users := w.feeds()
		return err != nil && users == 1
	})
	require.Error(t, w.first(1), "its context ends")
	_, err = w.watcher.Get(ctx, w.name(1), widgets, client.ObjectKey{Namespace: "default", Name: "other"})
	require.ErrorIs(t, err, ErrNotSynced)
	require.NoError(t, w.first(0), "the other is not disturbed")

	t.Log("bound again it is engaged again")
	w.bind(1)
	w.until("it is engaged again", func() bool { return w.times(1) == 2 && w.watcher.Synced(w.name(1), widgets) })

	t.Log("watches go on when kcp is back")
	require.NoError(t, w.kcp.Restart(ctx))
	back := time.Now()
	w.create(0, "after-the-restart")
	w.until("it is told of", func() bool { return w.saw("added", 0, "after-the-restart") })
	t.Logf("told of %s after kcp was ready", time.Since(back).Round(10*time.Millisecond))
	require.Equal(t, 1, w.times(0), "a restart of kcp disengages nobody")

	t.Log("an endpoint that leaves the slice takes its workspaces along")
	require.NoError(t, w.client(w.platform).Delete(ctx, slice(w.platform)))
	w.until("all are disengaged", func() bool {
		handlers, _ := w.feeds()
		return handlers == 0 && w.first(0) != nil
	})
	_, err = w.watcher.List(ctx, w.name(0), widgets, "")
	require.ErrorIs(t, err, ErrNotSynced, "not to be seen is not to be gone")
	require.False(t, w.saw("unseen", 0, "early"), "nothing is said to be gone")

	t.Log("and brings them back")
	require.NoError(t, w.client(w.platform).Create(ctx, slice(w.platform)))
	w.until("all are engaged again", func() bool {
		return w.watcher.Synced(w.name(0), widgets) && w.watcher.Synced(w.name(1), widgets)
	})
	w.create(1, "at-last")
	w.until("and told of", func() bool { return w.saw("added", 1, "at-last") })
}
