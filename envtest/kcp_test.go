package envtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

var widget = schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}

func newWidget(namespace, name string) *unstructured.Unstructured {
	w := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"size": int64(3)}}}
	w.SetGroupVersionKind(widget)
	w.SetNamespace(namespace)
	w.SetName(name)
	return w
}

func TestAWorkspaceExportsAndOthersBind(t *testing.T) {
	ctx := t.Context()
	start := time.Now()
	kcp := tmcenvtest.NewKCP(t)
	t.Logf("kcp started in %s", time.Since(start))

	tree, err := kcp.CreateTree(ctx, "provider", "org:team-a", "org:team-b")
	require.NoError(t, err)
	t.Logf("%s after start: 4 workspaces", time.Since(start))
	provider, teamA, teamB := tree[0], tree[1], tree[2]

	widgets, err := tmcenvtest.Schema(widget, "widgets")
	require.NoError(t, err)
	export := tmcenvtest.APIExport{
		Name:    "widgets",
		Schemas: []*kcpapisv1alpha1.APIResourceSchema{widgets},
		Claims:  []kcpapisv1alpha2.PermissionClaim{tmcenvtest.Claim("", "configmaps")},
	}
	require.NoError(t, kcp.Export(ctx, provider.Path, export))
	require.NoError(t, kcp.Bind(ctx, teamA.Path, provider.Path, "widgets"))
	t.Logf("%s after start: bound", time.Since(start))
	urls, err := kcp.WaitEndpoint(ctx, provider.Path, "widgets")
	require.NoError(t, err)
	t.Logf("%s after start: endpoint %v", time.Since(start), urls)
	require.NoError(t, kcp.Bind(ctx, teamB.Path, provider.Path, "widgets", "configmaps"))

	inA, err := kcp.Client(teamA.Path)
	require.NoError(t, err)
	require.NoError(t, inA.Create(ctx, newWidget("default", "one")))
	_ = client.Object(nil)
	_ = rest.Config{}
	_ = rbacv1.Subject{}
	_ = apierrors.IsForbidden
}
