package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// exportAgain has the export offer the given schemas and no others.
func (w *world) exportAgain(schemas ...*kcpapisv1alpha1.APIResourceSchema) {
	w.t.Helper()
	e := w.apiExport()
	e.Schemas = schemas
	require.NoError(w.t, servers.kcp.Export(w.t.Context(), w.platform.Path, e))
}

// waitKind waits until the loop syncs a kind, or no longer does.
func (w *world) waitKind(kind schema.GroupVersionKind, synced bool) {
	w.t.Helper()
	eventually(w.t, kind.Kind, func() error {
		if kinds := w.loop.Kinds(); slices.Contains(kinds, kind) != synced {
			return fmt.Errorf("synced are %v", kinds)
		}
		return nil
	})
}

func TestAKindAppearsDisappearsAndComesBack(t *testing.T) {
	w := newWorldWithoutExport(t)
	w.following = true
	all := w.apiExport().Schemas
	deployments, fields, placements := all[0], all[1], all[2:]
	bind := func() {
		require.NoError(t, servers.kcp.Bind(t.Context(), w.tenants[0].Path, w.platform.Path, w.export))
	}
	w.exportAgain(append([]*kcpapisv1alpha1.APIResourceSchema{deployments}, placements...)...)
	bind()
	w.start()
	settings, d := configMap("settings", "1"), mentioning(deployment("web", 1), "settings")
	require.NoError(t, w.tenant(0).Create(t.Context(), settings.DeepCopy()))
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	web := w.waitCopy("east", 0, d).GetUID()
	related := w.waitCopy("east", 0, settings).GetUID()
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	// A kind appears.
	w.exportAgain(all...)
	bind()
	f := object(fieldKind, "", "meadow")
	f.Object["spec"] = map[string]any{"size": int64(1)}
	eventually(t, "create a field", func() error { return client.IgnoreAlreadyExists(w.tenant(0).Create(t.Context(), f.DeepCopy())) })
	w.decideFor(0, &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, target("east", 1))
	w.waitCopy("east", 0, f, field("spec.size", 1))

	// A kind disappears: what is there of it, and what that mentions, stays.
	w.exportAgain(append([]*kcpapisv1alpha1.APIResourceSchema{fields}, placements...)...)
	w.waitKind(deploymentKind, false)
	size := int64(1)
	another := func() {
		size++
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"size":%d}}`, size))
		require.NoError(t, w.tenant(0).Patch(t.Context(), f.DeepCopy(), patch))
		w.waitCopy("east", 0, f, field("spec.size", size))
	}
	untouched := func(when string) {
		for original, uid := range map[*unstructured.Unstructured]types.UID{d: web, settings: related} {
			copied, err := w.copyOf("east", 0, original)
			require.NoError(t, err, when)
			require.Equal(t, uid, copied.GetUID(), when)
			require.Nil(t, copied.GetDeletionTimestamp(), when)
		}
		require.NotContains(t, w.physical.String(), "DELETE", when)
	}
	w.physical.reset()
	touch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"key":"2"}}`))
	require.NoError(t, w.tenant(0).Patch(t.Context(), settings.DeepCopy(), touch))
	another()
	untouched("while the kind is away")
	w.stopLoop()
	w.start()
	w.waitKind(fieldKind, true)
	another()
	untouched("after a restart that has not seen the kind")

	// It comes back: what changed meanwhile is synced, and nothing else.
	w.exportAgain(all...)
	bind()
	w.waitKind(deploymentKind, true)
	w.waitCopy("east", 0, settings, field("data.key", "2"))
	w.physical.reset()
	w.upstream.reset()
	w.relabel(0, "back")
	w.waitCopy("east", 0, d, field("metadata.labels.version", "back"))
	require.EqualValues(t, 1, w.physical.n.Load(), "the change alone:\n%s", &w.physical)
	require.Zero(t, w.upstream.n.Load(), "%s", &w.upstream)
	untouched("when it is back")
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
	w.waitNoCopy("east", 0, d)
	w.waitNoCopy("east", 0, settings)
}

var (
	gadgetBeta   = schema.GroupVersionKind{Group: "kinds.example.org", Version: "v1beta1", Kind: "Gadget"}
	databaseKind = schema.GroupVersionKind{Group: "tenant.example.org", Version: "v1", Kind: "Database"}
	dbCluster    = schema.GroupVersionKind{Group: "db.example.org", Version: "v2", Kind: "Cluster"}
)

// install serves a kind in some versions, the first of which is stored, on a
// cluster, until the test ends.
func (w *world) install(cluster string, kind schema.GroupKind, plural string, versions ...string) {
	w.t.Helper()
	anything := apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + kind.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: kind.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: plural, Kind: kind.Kind},
		},
	}
	for i, version := range versions {
		crd.Spec.Versions = append(crd.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{
			Name: version, Served: true, Storage: i == 0,
			Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": anything, "status": anything}}},
			Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
		})
	}
	u := &unstructured.Unstructured{Object: toMap(crd)}
	u.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	require.NoError(w.t, w.cluster(cluster).Create(w.t.Context(), u))
	w.t.Cleanup(func() {
		_ = w.cluster(cluster).Delete(context.Background(), u)
	})
	probe := &unstructured.UnstructuredList{}
	probe.SetGroupVersionKind(kind.WithVersion(versions[0]).GroupVersion().WithKind(kind.Kind + "List"))
	eventually(w.t, plural+" are served", func() error { return w.cluster(cluster).List(w.t.Context(), probe.DeepCopy()) })
}

// copyAs reads the copy of an original that is another kind on a cluster.
func (w *world) copyAs(cluster string, kind schema.GroupVersionKind, original *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	u := object(kind, "", "")
	return u, w.cluster(cluster).Get(w.t.Context(), w.copyKey(0, original), u)
}

func (w *world) waitCopyAs(cluster string, kind schema.GroupVersionKind, original *unstructured.Unstructured, checks ...func(*unstructured.Unstructured) error) *unstructured.Unstructured {
	w.t.Helper()
	var found *unstructured.Unstructured
	eventually(w.t, "copy of "+original.GetName()+" on "+cluster, func() (err error) {
		if found, err = w.copyAs(cluster, kind, original); err != nil {
			return err
		}
		for _, check := range checks {
			if err := check(found); err != nil {
				return err
			}
		}
		return nil
	})
	return found
}

func TestVersionsDifferAndKindsAreRenamed(t *testing.T) {
	w := newWorldWithoutExport(t)
	w.following = true
	schemas := w.apiExport().Schemas[2:]
	for kind, plural := range map[schema.GroupVersionKind]string{gadgetBeta: "gadgets", databaseKind: "databases"} {
		s, err := tmcenvtest.Schema(kind, plural)
		require.NoError(t, err)
		schemas = append(schemas, s)
	}
	w.exportAgain(schemas...)
	require.NoError(t, servers.kcp.Bind(t.Context(), w.tenants[0].Path, w.platform.Path, w.export))
	w.install("east", gadgetBeta.GroupKind(), "gadgets", "v1")
	w.install("west", gadgetBeta.GroupKind(), "gadgets", "v1", "v1beta1")
	w.install("east", dbCluster.GroupKind(), "clusters", "v2")
	renamed := transform.KindMapping{From: databaseKind.GroupKind(), To: dbCluster.GroupKind(), Versions: []string{"v2"}}
	w.rendering = []transform.Option{transform.WithKindMappings(renamed)}
	conditions := syncer.WithConditions(gadgetBeta.GroupKind(), databaseKind.GroupKind())
	w.start(conditions)

	gadget, database := object(gadgetBeta, "default", "gizmo"), object(databaseKind, "default", "orders")
	gadget.Object["spec"], database.Object["spec"] = map[string]any{"size": int64(1)}, map[string]any{"size": int64(1)}
	require.NoError(t, w.tenant(0).Create(t.Context(), gadget.DeepCopy()))
	w.decideFor(0, &v1alpha1.Placement{
		ObjectMeta: metav1.ObjectMeta{Name: "gadgets", Namespace: "default"},
		Spec:       v1alpha1.PlacementSpec{Resources: []v1alpha1.ResourceSelector{{Group: gadgetBeta.Group, Kind: gadgetBeta.Kind}}},
	}, target("east", 1), target("west", 1))
	w.waitCopy("west", 0, gadget, field("spec.size", 1)) // it serves both versions: nothing is lost
	w.waitOriginal(0, gadget, condition("Synced", "False", syncer.ReasonVersionNotServed), conditionSays("Synced", "east", "v1beta1", "serves v1:"))
	_, err := w.copyAs("east", gadgetBeta.GroupKind().WithVersion("v1"), gadget)
	require.True(t, apierrors.IsNotFound(err), "%v", err)

	// Another kind: what is on the cluster has another name, and the rest is the same.
	require.NoError(t, w.tenant(0).Create(t.Context(), database.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopyAs("east", dbCluster, database, field("spec.size", 1))
	marks, ok := transform.ReadMarks(copied)
	require.True(t, ok)
	require.Equal(t, databaseKind.GroupKind(), marks.Kind)
	w.setStatus("east", copied, map[string]any{"phase": "Ready"})
	w.waitOriginal(0, database, field("status.phase", "Ready"), condition("Synced", "True", "Synced"))
	drift := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"size":7}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), copied.DeepCopy(), drift))
	w.waitCopyAs("east", dbCluster, database, field("spec.size", 1))
	mine := object(dbCluster, copied.GetNamespace(), "mine") // nobody's copy, though its marks say so
	mine.SetLabels(copied.GetLabels())
	annotations := copied.GetAnnotations()
	delete(annotations, transform.AnnotationKind)
	annotations[transform.AnnotationName], annotations[transform.AnnotationUID] = "mine", "none"
	mine.SetAnnotations(annotations)
	require.NoError(t, w.cluster("east").Create(t.Context(), mine.DeepCopy()))

	// A mapping is declared: the copy that could not be made is.
	w.stopLoop()
	w.rendering = []transform.Option{transform.WithKindMappings(renamed, transform.KindMapping{From: gadgetBeta.GroupKind(), Versions: []string{"v1", "v1beta1"}})}
	w.start(conditions)
	w.waitCopyAs("east", gadgetBeta.GroupKind().WithVersion("v1"), gadget, field("spec.size", 1))
	w.waitOriginal(0, gadget, condition("Synced", "True", "Synced"))

	require.NoError(t, w.tenant(0).Delete(t.Context(), database.DeepCopy()))
	require.NoError(t, w.tenant(0).Delete(t.Context(), gadget.DeepCopy()))
	w.waitNoOriginal(0, database)
	w.waitNoOriginal(0, gadget)
	for _, kind := range []schema.GroupVersionKind{dbCluster, gadgetBeta.GroupKind().WithVersion("v1")} {
		original := database
		if kind.Kind == "Gadget" {
			original = gadget
		}
		_, err := w.copyAs("east", kind, original)
		require.True(t, apierrors.IsNotFound(err), "%v", err)
	}
	require.NoError(t, w.cluster("east").Get(t.Context(), client.ObjectKeyFromObject(mine), mine.DeepCopy()), "it is of another kind than a copy would be")
	require.NoError(t, w.cluster("east").Delete(t.Context(), mine))
}
