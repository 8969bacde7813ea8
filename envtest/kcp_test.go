package envtest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	kcptenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

var (
	widget  = schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}
	widgets = schema.GroupVersionResource{Group: "example.org", Version: "v1", Resource: "widgets"}
)

func newWidget(name string) *unstructured.Unstructured {
	w := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"size": int64(3)}}}
	w.SetGroupVersionKind(widget)
	w.SetNamespace("default")
	w.SetName(name)
	return w
}

func exportWidgets(t *testing.T, kcp *tmcenvtest.KCP, provider tmcenvtest.Workspace) {
	t.Helper()
	s, err := tmcenvtest.Schema(widget, "widgets")
	require.NoError(t, err)
	require.NoError(t, kcp.Export(t.Context(), provider.Path, tmcenvtest.APIExport{
		Name:    "widgets",
		Schemas: []*kcpapisv1alpha1.APIResourceSchema{s},
		Claims:  []kcpapisv1alpha2.PermissionClaim{tmcenvtest.Claim("", "configmaps")},
	}))
}

func TestAWorkspaceExportsAndOthersBind(t *testing.T) {
	ctx := t.Context()
	start := time.Now()
	lap := func(what string) {
		t.Logf("%s: %s", what, time.Since(start).Round(time.Millisecond))
		start = time.Now()
	}
	kcp := tmcenvtest.NewKCP(t)
	lap("kcp started")

	tree, err := kcp.CreateTree(ctx, "provider", "org:team-a", "org:team-b")
	require.NoError(t, err)
	lap("4 workspaces")
	provider, teamA, teamB := tree[0], tree[1], tree[2]
	assert.Equal(t, "root:org:team-a", teamA.Path.String())
	assert.NotEqual(t, teamA.Cluster, teamB.Cluster)

	exportWidgets(t, kcp, provider)
	lap("export")
	require.NoError(t, kcp.Bind(ctx, teamA.Path, provider.Path, "widgets"))
	lap("first binding")
	require.NoError(t, kcp.Bind(ctx, teamB.Path, provider.Path, "widgets", "configmaps"))
	lap("second binding")
	urls, err := kcp.WaitEndpoint(ctx, provider.Path, "widgets")
	require.NoError(t, err)
	lap("endpoint")
	require.Len(t, urls, 1)

	for _, team := range []tmcenvtest.Workspace{teamA, teamB} {
		c, err := kcp.Client(team.Path)
		require.NoError(t, err)
		require.NoError(t, c.Create(ctx, newWidget("one")))
	}
	config := rest.CopyConfig(kcp.Config(tmcenvtest.Root))
	config.Host = urls[0] + "/clusters/*"
	all, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		list, err := all.Resource(widgets).List(ctx, metav1.ListOptions{})
		if !assert.NoError(ct, err) {
			return
		}
		var from []string
		for _, w := range list.Items {
			from = append(from, w.GetAnnotations()["kcp.io/cluster"])
		}
		assert.ElementsMatch(ct, []string{teamA.Cluster.String(), teamB.Cluster.String()}, from,
			"a Workspace's Cluster is the name that the virtual workspace uses")
	}, long, tick)

	// Claims: team-a accepted, team-b did not.
	for team, accepted := range map[tmcenvtest.Workspace]bool{teamA: true, teamB: false} {
		config.Host = urls[0] + "/clusters/" + team.Cluster.String()
		c, err := client.New(config, client.Options{})
		require.NoError(t, err)
		err = c.Create(ctx, configMap("from-the-provider"))
		assert.Equal(t, accepted, err == nil, "%s: %v", team.Path, err)
	}

	t.Run("an endpoint leads through the proxy", func(t *testing.T) {
		assert.True(t, strings.HasPrefix(urls[0], "https://"+kcp.Proxy().Addr()))
		kcp.Proxy().Cut()
		defer kcp.Proxy().Heal()
		short, cancel := context.WithTimeout(ctx, brief)
		defer cancel()
		_, err := all.Resource(widgets).List(short, metav1.ListOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("a storm strikes an endpoint, too", func(t *testing.T) { testStormOverAnEndpoint(t, kcp, urls[0], teamA) })
	t.Run("a user may do what is granted", func(t *testing.T) { testUsers(t, kcp, teamA) })
	t.Run("a kubeconfig leads to its workspace", func(t *testing.T) {
		content, err := kcp.Kubeconfig(teamA.Path)
		require.NoError(t, err)
		config, err := clientcmd.RESTConfigFromKubeConfig(content)
		require.NoError(t, err)
		c, err := client.New(config, client.Options{})
		require.NoError(t, err)
		require.NoError(t, c.Get(ctx, client.ObjectKeyFromObject(newWidget("one")), newWidget("one")))
	})
	t.Run("a restart keeps address and data", func(t *testing.T) {
		start := time.Now()
		kcp.Kill()
		require.NoError(t, kcp.Restart(ctx))
		t.Logf("kcp restarted in %s", time.Since(start))
		c, err := kcp.Client(teamA.Path)
		require.NoError(t, err)
		require.NoError(t, c.Get(ctx, client.ObjectKeyFromObject(newWidget("one")), newWidget("one")))
		again, err := kcp.WaitEndpoint(ctx, provider.Path, "widgets")
		require.NoError(t, err)
		assert.Equal(t, urls, again)
	})
}

func testStormOverAnEndpoint(t *testing.T, kcp *tmcenvtest.KCP, endpoint string, ws tmcenvtest.Workspace) {
	t.Helper()
	ctx := t.Context()
	defer kcp.Proxy().Heal()
	config := rest.CopyConfig(kcp.Config(tmcenvtest.Root))
	config.Host = endpoint + "/clusters/*"
	all, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	// The first storm breaks the connections that there are: connect anew first.
	kcp.Proxy().Storm()
	require.Eventually(t, func() bool {
		_, err := all.Resource(widgets).List(ctx, metav1.ListOptions{})
		return err == nil
	}, long, tick)
	kcp.Proxy().Storm(tmcenvtest.Storm{
		Answer: tmcenvtest.Fail(http.StatusInternalServerError), Verbs: []string{"list"}, Resources: []string{"widgets"}, Path: "/services/apiexport/",
	})
	events, err := all.Resource(widgets).Watch(ctx, metav1.ListOptions{})
	require.NoError(t, err, "a watch is no list")
	defer events.Stop()
	_, err = all.Resource(widgets).List(ctx, metav1.ListOptions{})
	require.True(t, apierrors.IsInternalError(err), "%v", err)
	tenant, err := kcp.Client(ws.Path)
	require.NoError(t, err)
	require.NoError(t, tenant.Create(ctx, newWidget("in-a-storm")), "another path")
	seen := nextAdded(events.ResultChan(), "in-a-storm")
	select {
	case <-seen:
	case <-time.After(long):
		t.Fatal("the watch over all workspaces tells of nothing")
	}
}

func testUsers(t *testing.T, kcp *tmcenvtest.KCP, ws tmcenvtest.Workspace) {
	t.Helper()
	ctx := t.Context()
	rules := rbacv1.PolicyRule{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{"configmaps"}}
	subject := rbacv1.Subject{Kind: rbacv1.GroupKind, Name: "team-a"}
	require.NoError(t, kcp.Grant(ctx, ws.Path, subject, rules))
	list := func(user string, groups ...string) error {
		c, err := rest.HTTPClientFor(kcp.UserConfig(ws.Path, user, groups...))
		require.NoError(t, err)
		dyn, err := dynamic.NewForConfigAndClient(kcp.UserConfig(ws.Path, user, groups...), c)
		require.NoError(t, err)
		defer c.CloseIdleConnections()
		_, err = dyn.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).List(ctx, metav1.ListOptions{})
		return err
	}
	require.Eventually(t, func() bool { return list("alice", "team-a") == nil }, long, tick)
	require.True(t, apierrors.IsForbidden(list("bob", "team-b")))
	require.True(t, apierrors.IsForbidden(list("alice")), "it is the group that is granted")

	dyn, err := dynamic.NewForConfig(kcp.UserConfig(ws.Path, "alice", "team-a"))
	require.NoError(t, err)
	_, err = dyn.Resource(widgets).List(ctx, metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "only what is granted: %v", err)
}

func TestKCPRestartsEmpty(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	ctx := t.Context()
	kcp := tmcenvtest.NewKCP(t)
	host := kcp.Config(tmcenvtest.Root).Host
	_, err := kcp.CreateWorkspace(ctx, tmcenvtest.Root, "lost")
	require.NoError(t, err)
	start := time.Now()
	require.NoError(t, kcp.RestartEmpty(ctx))
	t.Logf("kcp restarted empty in %s", time.Since(start))
	assert.Equal(t, host, kcp.Config(tmcenvtest.Root).Host)
	c, err := kcp.Client(tmcenvtest.Root)
	require.NoError(t, err)
	err = c.Get(ctx, client.ObjectKey{Name: "lost"}, &kcptenancyv1alpha1.Workspace{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	_, err = kcp.CreateWorkspace(ctx, tmcenvtest.Root, "new")
	require.NoError(t, err)
}
