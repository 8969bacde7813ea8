package syncer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/access"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/guard"
	"github.com/tmc-sdk/tmc/transform"
)

var roleBindingKind = rbacv1.SchemeGroupVersion.WithKind("RoleBinding")

// Law 10, by a wall that does not run our code: with least rights and under
// guard.Policies the loop does all its work; whoever has its credential can do
// nothing else; and nobody else can forge its marks.
func TestUnderGuardWithLeastRightsTheLoopWorksAndItsCredentialIsWorthLittle(t *testing.T) {
	w := newWorld(t, 2)
	w.spoiled = true
	user := "tmc-" + w.id
	for _, c := range servers.clusters {
		w.guard(c, user)
	}
	as := func(c *tmcenvtest.Cluster) *rest.Config { return c.UserConfig(user) }
	w.fleet = w.startFleet(as)
	w.start(syncer.Resources(roleBindingKind), syncer.WithNamespaceObjects(func(transform.Origin) []client.Object {
		return []client.Object{guard.DefaultDeny(), guard.Quota(corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10")})}
	}))
	d := deployment("web", 3)
	for i := range w.tenants {
		require.NoError(t, w.tenant(i).Create(t.Context(), d.DeepCopy()))
		w.decide(i, target("east", 1))
	}
	first, second := w.waitCopy("east", 0, d), w.waitCopy("east", 1, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	var deny networkingv1.NetworkPolicy
	admin := w.cluster("east")
	w.escalationIsRefused(first.GetNamespace())
	require.NoError(t, admin.Get(t.Context(), client.ObjectKey{Namespace: first.GetNamespace(), Name: guard.DefaultDenyName}, &deny), "before the first copy")

	stolen, err := client.New(as(servers.clusters[slices.IndexFunc(servers.clusters, func(c *tmcenvtest.Cluster) bool { return c.Name() == "east" })]), client.Options{})
	require.NoError(t, err)
	bare := configMap("bare", "x")
	refusedBy(t, "writes only objects that bear the marks", func() error { return stolen.Create(t.Context(), bare.DeepCopy(), client.DryRunAll) })
	foreign := configMap("foreign-"+w.id, "x")
	require.NoError(t, admin.Create(t.Context(), foreign))
	refusedBy(t, "touches only objects that bear the marks", func() error { return stolen.Delete(t.Context(), foreign.DeepCopy(), client.DryRunAll) })
	marked := foreign.DeepCopy()
	marked.SetLabels(first.GetLabels())
	refusedBy(t, "touches only objects that bear the marks", func() error { return stolen.Patch(t.Context(), marked, client.MergeFrom(foreign), client.DryRunAll) })
	stray := deployment("stray", 1)
	stray.SetLabels(first.GetLabels())
	stray.SetNamespace(second.GetNamespace())
	refusedBy(t, "made for its own logical cluster", func() error { return stolen.Create(t.Context(), stray, client.DryRunAll) })
	moved := second.DeepCopy()
	moved.SetLabels(first.GetLabels())
	refusedBy(t, "stays that of its logical cluster", func() error { return stolen.Patch(t.Context(), moved, client.MergeFrom(second), client.DryRunAll) })

	forged := deployment("forged", 1)
	forged.SetLabels(first.GetLabels())
	forged.SetAnnotations(first.GetAnnotations())
	forged.SetNamespace(first.GetNamespace())
	refusedBy(t, "only the sync loop makes objects with the marks", func() error { return admin.Create(t.Context(), forged, client.DryRunAll) })
	bared := first.DeepCopy()
	bared.SetLabels(nil)
	refusedBy(t, "only the sync loop makes objects with the marks", func() error { return admin.Patch(t.Context(), bared, client.MergeFrom(first), client.DryRunAll) })

	// Whoever may delete a copy still may, and it comes back.
	require.NoError(t, admin.Delete(t.Context(), first.DeepCopy()))
	w.waitCopy("east", 0, d, func(u *unstructured.Unstructured) error {
		if u.GetUID() == first.GetUID() {
			return fmt.Errorf("still the first")
		}
		return nil
	})
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
	eventually(t, "the namespace goes with the last copy, whatever the platform put there", func() error {
		var ns corev1.Namespace
		err := admin.Get(t.Context(), client.ObjectKey{Name: first.GetNamespace()}, &ns)
		if err == nil && ns.DeletionTimestamp == nil {
			return fmt.Errorf("namespace %s is there", ns.Name)
		}
		return client.IgnoreNotFound(err)
	})
}

// escalationIsRefused has a tenant bind the cluster's most powerful role to whoever
// runs its pods, where a platform syncs RoleBindings: nobody gives away rights that
// he does not have, the loop with least rights neither.
func (w *world) escalationIsRefused(namespace string) {
	w.t.Helper()
	binding := object(roleBindingKind, "default", "escalates")
	binding.Object["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": "cluster-admin"}
	binding.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "name": "default", "namespace": "default"}}
	require.NoError(w.t, w.tenant(0).Create(w.t.Context(), binding))
	w.waitEvent("Refused", "attempting to grant RBAC permissions not currently held")
	var bindings rbacv1.RoleBindingList
	require.NoError(w.t, w.cluster("east").List(w.t.Context(), &bindings, client.InNamespace(namespace)))
	require.Empty(w.t, bindings.Items)
	require.NoError(w.t, w.tenant(0).Delete(w.t.Context(), binding))
}

// guard gives a user of a cluster the rights that the loop needs and no others,
// and puts the policies in place.
func (w *world) guard(c *tmcenvtest.Cluster, user string) {
	w.t.Helper()
	admin := w.cluster(c.Name())
	resources := []schema.GroupVersionResource{
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: fieldKind.Group, Version: fieldKind.Version, Resource: "fields"},
		{Version: "v1", Resource: "configmaps"},
		{Version: "v1", Resource: "secrets"},
		{Version: "v1", Resource: "resourcequotas"},
		{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
		{Group: rbacv1.GroupName, Version: "v1", Resource: "rolebindings"},
	}
	role := access.ClusterRole(user, slices.Concat(access.FleetRules(), access.SyncRules(resources...), access.TidyRules()))
	require.NoError(w.t, admin.Create(w.t.Context(), role))
	bound := &rbacv1.ClusterRoleBinding{
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
	}
	bound.Name = user
	bound.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	require.NoError(w.t, admin.Create(w.t.Context(), bound))
	policies, err := guard.Policies(guard.Writer{Installation: w.id, Username: user})
	require.NoError(w.t, err)
	for _, p := range policies {
		require.NoError(w.t, admin.Create(w.t.Context(), p))
	}
}

// refusedBy waits until a policy refuses, for policies take a moment to be in
// force; what is tried must change nothing.
func refusedBy(t *testing.T, why string, try func() error) {
	t.Helper()
	eventually(t, "refused: "+why, func() error {
		err := try()
		if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
			if strings.Contains(err.Error(), why) {
				return nil
			}
		}
		return fmt.Errorf("not refused by that: %w", err)
	})
}
