package workspaces_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	"github.com/tmc-sdk/tmc/cluster/view"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
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
	issuer   *tmcenvtest.Issuer
	kcp      *tmcenvtest.KCP
	platform tmcenvtest.Workspace
	tenants  []tmcenvtest.Workspace
	provider *workspaces.Provider
	watcher  *workspaces.Watcher
	view     *view.View
	feed     *view.Feed

	mu      sync.Mutex
	engaged map[multicluster.ClusterName][]context.Context
	events  []string
}

var _ multicluster.Aware = (*tenancy)(nil)

// Engage notes the workspace, and hands it to the watcher and to the feed of a
// view.
func (w *tenancy) Engage(ctx context.Context, name multicluster.ClusterName, cl crcluster.Cluster) error {
	w.mu.Lock()
	w.engaged[name] = append(w.engaged[name], ctx)
	w.mu.Unlock()
	return errors.Join(w.watcher.Engage(ctx, name, cl), w.feed.Engage(ctx, name, cl))
}

func (w *tenancy) note(e workspaces.Event) {
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
	issuer := tmcenvtest.NewIssuer(t)
	w := &tenancy{t: t, issuer: issuer, kcp: tmcenvtest.NewKCP(t, tmcenvtest.WithIssuer(issuer)), engaged: map[multicluster.ClusterName][]context.Context{}}
	tree, err := w.kcp.CreateTree(t.Context(), "platform", "tenant-0", "tenant-1")
	require.NoError(t, err)
	w.platform, w.tenants = tree[0], tree[1:]
	w.provider, err = workspaces.NewProvider(w.kcp.Config(w.platform.Path), "ours", workspaces.Options{Retry: 200 * time.Millisecond})
	require.NoError(t, err)
	w.watcher = workspaces.NewWatcher(w.provider, []schema.GroupVersionKind{widgets}, w.note)
	w.view = view.New()
	w.feed, err = view.NewFeed(w.view, w.provider, nil, widgets)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.provider.Start(ctx, w) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return w
}

// counts says whether the view has so many objects of a workspace.
func (w *tenancy) counts(i, objects int, stale bool) bool {
	t, ok := w.view.Tenant(string(w.name(i)))
	return ok && t.Objects == objects && (t.StaleSince != nil) == stale
}

func (w *tenancy) stale(i int) bool {
	t, ok := w.view.Tenant(string(w.name(i)))
	return ok && t.StaleSince != nil
}

// seenByAMember asks for the view over HTTP with the token of a service account
// of the first workspace.
func (w *tenancy) seenByAMember() {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	c := w.client(w.tenants[0])
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "member"}}
	require.NoError(t, c.Create(ctx, account))
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(3600))}}
	require.NoError(t, c.SubResource("token").Create(ctx, account, token))
	handler := view.NewHandler(w.view, view.Delegated(w.kcp.Config(w.platform.Path), w.platform.Path.String()))
	ask := func(path string) int {
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		req.Header.Set("Authorization", "Bearer "+token.Status.Token)
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, req)
		return response.Code
	}
	require.Equal(t, http.StatusForbidden, ask("/tenants/"+string(w.name(0))), "it may not list placements there")
	require.NoError(t, w.kcp.Grant(ctx, w.tenants[0].Path, rbacv1.Subject{Kind: "ServiceAccount", Namespace: "default", Name: "member"},
		rbacv1.PolicyRule{APIGroups: []string{"placement.tmc-sdk.dev"}, Resources: []string{"placements"}, Verbs: []string{"list"}}))
	w.until("a member sees its workspace", func() bool {
		// One that remembers nothing.
		handler = view.NewHandler(w.view, view.Delegated(w.kcp.Config(w.platform.Path), w.platform.Path.String()))
		return ask("/tenants/"+string(w.name(0))) == http.StatusOK
	})
	require.NotEqual(t, http.StatusOK, ask("/tenants/"+string(w.name(1))), "and no other")
	require.NotEqual(t, http.StatusOK, ask("/fleet"), "nor everything")
}

// seenByAUser asks for the view as somebody who logs in to kcp by OpenID Connect,
// and is let into the second workspace as one of a group.
func (w *tenancy) seenByAUser() {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	handler := view.NewHandler(w.view, view.Delegated(w.kcp.Config(w.platform.Path), w.platform.Path.String()))
	ask := func(path string, claims map[string]any) int {
		token, err := w.issuer.Token(claims)
		require.NoError(t, err)
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, req)
		return response.Code
	}
	alice := map[string]any{"sub": "alice", "groups": []string{"team-1"}}
	theirs, others := "/tenants/"+string(w.name(1)), "/tenants/"+string(w.name(0))
	require.NotEqual(t, http.StatusOK, ask(theirs, alice), "nobody has let her in")
	require.NoError(t, w.kcp.Grant(ctx, w.tenants[1].Path, rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: tmcenvtest.UsernamePrefix + "team-1"},
		rbacv1.PolicyRule{NonResourceURLs: []string{"/"}, Verbs: []string{"access"}},
		rbacv1.PolicyRule{APIGroups: []string{"placement.tmc-sdk.dev"}, Resources: []string{"placements"}, Verbs: []string{"list"}}))
	w.until("she sees her workspace", func() bool {
		handler = view.NewHandler(w.view, view.Delegated(w.kcp.Config(w.platform.Path), w.platform.Path.String()))
		return ask(theirs, alice) == http.StatusOK
	})
	require.NotEqual(t, http.StatusOK, ask(others, alice), "and no other")
	require.NotEqual(t, http.StatusOK, ask("/fleet", alice), "nor everything")
	require.Equal(t, http.StatusUnauthorized, ask(theirs, map[string]any{"sub": "alice", "groups": []string{"team-1"}, "exp": time.Now().Add(-time.Hour).Unix()}), "her time is up")
	require.Equal(t, http.StatusUnauthorized, ask(theirs, map[string]any{"sub": "alice", "groups": []string{"team-1"}, "aud": "another"}), "that token is for something else")
	require.NotEqual(t, http.StatusOK, ask(theirs, map[string]any{"sub": "mallory", "groups": []string{"system:masters"}}), "groups of kcp's own are not the issuer's to give")
}

// keepsNoOwnership applies a label to an object of the second tenant: the cache shows
// it, and not whose it is.
func (w *tenancy) keepsNoOwnership(obj *unstructured.Unstructured) {
	w.t.Helper()
	applied := &unstructured.Unstructured{}
	applied.SetGroupVersionKind(widgets)
	applied.SetNamespace(obj.GetNamespace())
	applied.SetName(obj.GetName())
	applied.SetLabels(map[string]string{"owned": "yes"})
	require.NoError(w.t, w.client(w.tenants[1]).Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("alice")))
	require.NotEmpty(w.t, applied.GetManagedFields(), "kcp tells whose it is")
	var cached *unstructured.Unstructured
	w.until("the label is seen", func() (seen bool) {
		var err error
		cached, err = w.watcher.Get(w.t.Context(), w.name(1), widgets, client.ObjectKeyFromObject(obj))
		return err == nil && cached.GetLabels()["owned"] == "yes"
	})
	require.Empty(w.t, cached.GetManagedFields())
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
	handlers, users := w.watcher.Handlers()
	require.Equal(t, []int{1, 2}, []int{handlers, users})
	require.False(t, w.saw("added", 0, "other"))
	list, err := w.watcher.List(ctx, w.name(1), widgets, "")
	require.NoError(t, err)
	require.Len(t, list, 1, "a workspace shows its own objects only")
	w.keepsNoOwnership(&list[0])
	_, err = w.watcher.Get(ctx, w.name(0), widgets, client.ObjectKey{Namespace: "default", Name: "other"})
	require.True(t, client.IgnoreNotFound(err) == nil && err != nil, "got %v", err)

	t.Log("a view counts what each has")
	w.until("all is counted", func() bool { return w.counts(0, 1, false) && w.counts(1, 1, false) && w.view.Fleet().Objects == 2 })
	w.seenByAMember()
	w.seenByAUser()

	t.Log("a workspace that unbinds is disengaged, and unknown")
	require.NoError(t, w.client(w.tenants[1]).Delete(ctx, &apisv1alpha2.APIBinding{ObjectMeta: metav1.ObjectMeta{Name: "widgets"}}))
	w.until("it is disengaged", func() bool {
		_, err := w.provider.Get(ctx, w.name(1))
		_, users := w.watcher.Handlers()
		return err != nil && users == 1
	})
	require.Error(t, w.first(1), "its context ends")
	_, err = w.watcher.Get(ctx, w.name(1), widgets, client.ObjectKey{Namespace: "default", Name: "other"})
	require.ErrorIs(t, err, workspaces.ErrNotSynced)
	require.NoError(t, w.first(0), "the other is not disturbed")

	w.until("it is stale in the view", func() bool { return w.stale(1) })

	t.Log("bound again it is engaged again")
	w.bind(1)
	w.until("it is engaged again", func() bool { return w.times(1) == 2 && w.watcher.Synced(w.name(1), widgets) })

	// What went with the binding, or did not, is what the view shows again.
	left, err := w.watcher.List(ctx, w.name(1), widgets, "")
	require.NoError(t, err)
	w.until("the view is true again", func() bool { return w.counts(1, len(left), false) })

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
		handlers, _ := w.watcher.Handlers()
		return handlers == 0 && w.first(0) != nil
	})
	_, err = w.watcher.List(ctx, w.name(0), widgets, "")
	require.ErrorIs(t, err, workspaces.ErrNotSynced, "not to be seen is not to be gone")
	require.False(t, w.saw("unseen", 0, "early"), "nothing is said to be gone")

	t.Log("and brings them back")
	require.NoError(t, w.client(w.platform).Create(ctx, slice(w.platform)))
	w.until("all are engaged again", func() bool {
		return w.watcher.Synced(w.name(0), widgets) && w.watcher.Synced(w.name(1), widgets)
	})
	w.create(1, "at-last")
	w.until("and told of", func() bool { return w.saw("added", 1, "at-last") })
}
