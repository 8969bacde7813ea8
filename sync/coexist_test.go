package syncer_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Field managers of the appliers of Flux and Argo CD.
const (
	flux = "kustomize-controller"
	argo = "argocd-controller"
)

// fluxApply does what Flux does each interval: server-side apply, by force.
func (w *world) fluxApply(c client.Client, u *unstructured.Unstructured) {
	w.t.Helper()
	require.NoError(w.t, c.Apply(w.t.Context(), client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner(flux), client.ForceOwnership))
}

// argoApply does what Argo CD does when it syncs on the client's side: what was
// applied stands in an annotation, and differences are patched.
func (w *world) argoApply(c client.Client, u *unstructured.Unstructured) {
	w.t.Helper()
	text, err := json.Marshal(u.Object)
	require.NoError(w.t, err)
	wanted := u.DeepCopy()
	annotations := map[string]string{"kubectl.kubernetes.io/last-applied-configuration": string(text), "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/" + u.GetName()}
	wanted.SetAnnotations(annotations)
	there := object(u.GroupVersionKind(), "", "")
	if err := c.Get(w.t.Context(), client.ObjectKeyFromObject(u), there); err != nil {
		require.NoError(w.t, client.IgnoreNotFound(err))
		require.NoError(w.t, c.Create(w.t.Context(), wanted, client.FieldOwner(argo)))
		return
	}
	patch, err := json.Marshal(wanted.Object)
	require.NoError(w.t, err)
	require.NoError(w.t, c.Patch(w.t.Context(), there, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(argo)))
}

// Law 5, with the appliers that tenants and platforms really run: whoever applies
// on either side owns what it renders, sees nothing of ours as drift, and loses
// nothing of its own.
func TestAppliersOnBothSidesAndTheLoopLeaveEachOtherAlone(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	tenant, east := w.tenant(0), w.cluster("east")
	byFlux, byArgo := deployment("by-flux", 2), deployment("by-argo", 2)
	byFlux.SetLabels(map[string]string{"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system", "team": "shop"})
	w.fluxApply(tenant, byFlux)
	w.argoApply(tenant, byArgo)
	w.decide(0, target("east", 1))
	for _, d := range []*unstructured.Unstructured{byFlux, byArgo} {
		w.setStatus("east", w.waitCopy("east", 0, d), ready(2))
		original := w.waitOriginal(0, d, condition("Synced", "True", "Synced"), condition("Healthy", "True", "Healthy"))
		require.NotEmpty(t, original.GetFinalizers())
	}
	eventually(t, "the loop is idle", w.queueEmpty)

	// On the tenant's side: an interval later they apply the same again.
	before, up, down := w.versions(byFlux, byArgo), w.upstream.n.Load(), w.physical.n.Load()
	for range 3 {
		w.fluxApply(tenant, byFlux)
		w.argoApply(tenant, byArgo)
	}
	require.Equal(t, before, w.versions(byFlux, byArgo), "to them nothing has drifted: neither our finalizer nor the status")
	eventually(t, "the loop is idle", w.queueEmpty)
	require.Equal(t, up, w.upstream.n.Load(), "%s", &w.upstream)
	require.Equal(t, down, w.physical.n.Load(), "%s", &w.physical)

	// What an applier says of itself is no business of a cluster where the same
	// applier may run: it would prune what it did not put there.
	copied := w.waitCopy("east", 0, byArgo)
	require.NotContains(t, copied.GetAnnotations(), "kubectl.kubernetes.io/last-applied-configuration")
	require.NotContains(t, copied.GetAnnotations(), "argocd.argoproj.io/tracking-id")

	require.Equal(t, "shop", w.waitCopy("east", 0, byFlux).GetLabels()["team"])
	require.NotContains(t, w.waitCopy("east", 0, byFlux).GetLabels(), "kustomize.toolkit.fluxcd.io/name")

	// On the cluster: the platform's Flux owns fields of its own on our copies.
	policy := object(deploymentKind, copied.GetNamespace(), "by-flux")
	policy.SetLabels(map[string]string{"policy.example/tier": "gold"})
	set(policy, "spot", "spec", "template", "metadata", "annotations", "policy.example/nodes")
	w.fluxApply(east, policy)
	theirs := field("spec.template.metadata.annotations", map[string]any{"policy.example/nodes": "spot"})
	changed := byFlux.DeepCopy()
	set(changed, int64(3), "spec", "replicas")
	w.fluxApply(tenant, changed)
	copied = w.waitCopy("east", 0, byFlux, field("spec.replicas", 3), theirs)
	require.Equal(t, "gold", copied.GetLabels()["policy.example/tier"], "theirs survives our change")
	require.Equal(t, []string{flux, "tmc-" + w.id}, managersOf(copied))

	// An applier that takes a field of ours loses it once, not again and again.
	w.waitOriginal(0, byFlux, condition("Synced", "True", "Synced"))
	thief := object(deploymentKind, copied.GetNamespace(), "by-flux")
	set(thief, int64(9), "spec", "replicas")
	w.fluxApply(east, thief)
	w.waitCopy("east", 0, byFlux, field("spec.replicas", 3))

	// What Flux prunes in the workspace goes from the cluster.
	require.NoError(t, tenant.Delete(t.Context(), byFlux.DeepCopy()))
	w.waitNoCopy("east", 0, byFlux)
	w.waitNoOriginal(0, byFlux)
}

// versions returns the resourceVersions of originals.
func (w *world) versions(originals ...*unstructured.Unstructured) (versions []string) {
	for _, d := range originals {
		versions = append(versions, w.waitOriginal(0, d).GetResourceVersion())
	}
	return versions
}

// managersOf returns who owns fields of an object by server-side apply.
func managersOf(u *unstructured.Unstructured) []string {
	var names []string
	for _, m := range u.GetManagedFields() {
		if m.Operation == "Apply" {
			names = append(names, fmt.Sprint(m.Manager))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
