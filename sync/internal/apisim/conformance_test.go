package apisim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/sync/internal/apisim"
)

var (
	namespaceKind  = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
	configMapKind  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
)

// api is one server under test.
type api struct {
	client.Client
	// events returns what a watch of ConfigMaps tells after a version, until n
	// events have come.
	events func(t *testing.T, ns, version string, n int) []watch.Event
}

// TestConformance asks the same of the server in memory and of a real
// kube-apiserver: what the simulation rests on is so.
func TestConformance(t *testing.T) {
	t.Run("in memory", func(t *testing.T) {
		uids := 0
		s := apisim.New(time.Now, func() types.UID { uids++; return types.UID("uid-" + strconv.Itoa(uids)) },
			apisim.Kind{GroupVersionKind: namespaceKind, Plural: "namespaces"},
			apisim.Kind{GroupVersionKind: configMapKind, Plural: "configmaps", Namespaced: true},
			apisim.Kind{GroupVersionKind: deploymentKind, Plural: "deployments", Namespaced: true, Status: true, Immutable: []string{"spec", "selector"}},
		)
		conform(t, api{apisim.NewClient(s, "test", nil), func(t *testing.T, ns, version string, n int) []watch.Event {
			t.Helper()
			all, _, err := s.Since(configMapKind, nil, version, 0)
			require.NoError(t, err)
			var events []watch.Event
			for _, e := range all {
				if e.Object.(*unstructured.Unstructured).GetNamespace() == ns {
					events = append(events, e)
				}
			}
			require.Len(t, events, n)
			return events
		}})
	})
	t.Run("kube-apiserver", func(t *testing.T) {
		if testing.Short() {
			t.Skip("needs a real server")
		}
		cluster, err := tmcenvtest.StartCluster(t.Context(), "conformance")
		require.NoError(t, err)
		t.Cleanup(func() { _ = cluster.Close() })
		c, err := client.NewWithWatch(cluster.Config(), client.Options{})
		require.NoError(t, err)
		conform(t, api{client.WithFieldOwner(c, "test"), func(t *testing.T, ns, version string, n int) []watch.Event {
			t.Helper()
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(configMapKind.GroupVersion().WithKind("ConfigMapList"))
			w, err := c.Watch(t.Context(), list, client.InNamespace(ns), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}})
			require.NoError(t, err)
			defer w.Stop()
			var events []watch.Event
			for len(events) < n {
				events = append(events, <-w.ResultChan())
			}
			return events
		}})
	})
}

// conform is the suite.
func conform(t *testing.T, a api) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, api, string){
		"a version that is not the latest is a conflict":              staleVersion,
		"a name is taken once":                                        taken,
		"a write that changes nothing is none":                        noChange,
		"an apply with a version makes, and refuses what is there":    applyAbsentOnly,
		"an apply with the UID changes that object only":              applyUID,
		"a delete with another UID is a conflict":                     deleteUID,
		"another's field is a conflict unless forced":                 ownership,
		"what is applied no longer disappears, others' fields stay":   disappearing,
		"elements of lists are owned by their key":                    listElements,
		"a finalizer holds a deletion, and none can be added":         finalizers,
		"the status is written apart, by merge patch with a version":  status,
		"a merge patch with another UID is refused":                   patchUID,
		"nothing is made in a namespace that is going, or is not":     namespaces,
		"generation counts changes of the spec":                       generation,
		"a watch tells all since a version, in order":                 watching,
		"lists are selected by labels":                                selecting,
		"an update with another UID is a conflict":                    updateUID,
		"a create with a version is refused":                          createVersion,
		"finalizers replaced in a patch with a version, once":         patchFinalizers,
		"field ownership tells managers, operations and subresources": managers,
		"a field that never changes is told of by its path":           immutable,
	} {
		t.Run(name, func(t *testing.T) {
			ns := "ns-" + strconv.FormatUint(uint64(hash(name)), 36)
			n := object(namespaceKind, "", ns)
			require.NoError(t, a.Create(t.Context(), n))
			check(t, a, ns)
		})
	}
}

func hash(s string) (h uint32) {
	for _, c := range s {
		h = h*31 + uint32(c)
	}
	return h
}

func object(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func configMap(ns, name string, data map[string]any) *unstructured.Unstructured {
	u := object(configMapKind, ns, name)
	u.Object["data"] = data
	return u
}

func deployment(ns, name string) *unstructured.Unstructured {
	u := object(deploymentKind, ns, name)
	u.Object["spec"] = map[string]any{
		"replicas": int64(1),
		"selector": map[string]any{"matchLabels": map[string]any{"app": name}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": name}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "main", "image": "i:1"}}},
		},
	}
	return u
}

func create(t *testing.T, a api, u *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	require.NoError(t, a.Create(t.Context(), u))
	return u
}

func apply(ctx context.Context, a api, u *unstructured.Unstructured, manager string, force bool) (*unstructured.Unstructured, error) {
	u = u.DeepCopy()
	opts := []client.ApplyOption{client.FieldOwner(manager)}
	if force {
		opts = append(opts, client.ForceOwnership)
	}
	err := a.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), opts...)
	return u, err
}

func get(t *testing.T, a api, u *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	now := object(u.GroupVersionKind(), "", "")
	require.NoError(t, a.Get(t.Context(), client.ObjectKeyFromObject(u), now))
	return now
}

func staleVersion(t *testing.T, a api, ns string) {
	t.Helper()
	first := create(t, a, configMap(ns, "a", map[string]any{"k": "1"})).DeepCopy()
	second := first.DeepCopy()
	second.Object["data"] = map[string]any{"k": "2"}
	require.NoError(t, a.Update(t.Context(), second))
	require.NotEqual(t, first.GetResourceVersion(), second.GetResourceVersion())
	first.Object["data"] = map[string]any{"k": "3"}
	require.True(t, apierrors.IsConflict(a.Update(t.Context(), first)))
}

func taken(t *testing.T, a api, ns string) {
	t.Helper()
	create(t, a, configMap(ns, "a", nil))
	require.True(t, apierrors.IsAlreadyExists(a.Create(t.Context(), configMap(ns, "a", nil))))
	require.True(t, apierrors.IsNotFound(a.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "b"}, object(configMapKind, "", ""))))
}

func noChange(t *testing.T, a api, ns string) {
	t.Helper()
	one, err := apply(t.Context(), a, configMap(ns, "a", map[string]any{"k": "1"}), "m", true)
	require.NoError(t, err)
	two, err := apply(t.Context(), a, configMap(ns, "a", map[string]any{"k": "1"}), "m", true)
	require.NoError(t, err)
	require.Equal(t, one.GetResourceVersion(), two.GetResourceVersion())
	require.NoError(t, a.Patch(t.Context(), two, client.RawPatch(types.MergePatchType, []byte(`{"data":{"k":"1"}}`))))
	require.Equal(t, one.GetResourceVersion(), two.GetResourceVersion())
}

func applyAbsentOnly(t *testing.T, a api, ns string) {
	t.Helper()
	u := configMap(ns, "a", map[string]any{"k": "1"})
	u.SetResourceVersion("1")
	_, err := apply(t.Context(), a, u, "m", true)
	require.NoError(t, err)
	_, err = apply(t.Context(), a, u, "m", true)
	require.True(t, apierrors.IsConflict(err), "%v", err)
}

func applyUID(t *testing.T, a api, ns string) {
	t.Helper()
	u := configMap(ns, "a", map[string]any{"k": "1"})
	u.SetUID("somebody")
	_, err := apply(t.Context(), a, u, "m", true)
	require.True(t, apierrors.IsConflict(err), "where there is none: %v", err)

	there := create(t, a, configMap(ns, "a", nil))
	_, err = apply(t.Context(), a, u, "m", true)
	require.True(t, apierrors.IsInvalid(err), "where there is another: %v", err)
	var status apierrors.APIStatus
	require.ErrorAs(t, err, &status)
	require.Equal(t, "metadata.uid", status.Status().Details.Causes[0].Field)
	u.SetUID(there.GetUID())
	_, err = apply(t.Context(), a, u, "m", true)
	require.NoError(t, err)
}

func deleteUID(t *testing.T, a api, ns string) {
	t.Helper()
	u := create(t, a, configMap(ns, "a", nil))
	other := types.UID("somebody")
	require.True(t, apierrors.IsConflict(a.Delete(t.Context(), u, client.Preconditions{UID: &other})))
	uid := u.GetUID()
	require.NoError(t, a.Delete(t.Context(), u, client.Preconditions{UID: &uid}))
	require.True(t, apierrors.IsNotFound(a.Delete(t.Context(), u)))
}

func ownership(t *testing.T, a api, ns string) {
	t.Helper()
	_, err := apply(t.Context(), a, configMap(ns, "a", map[string]any{"k": "1"}), "one", false)
	require.NoError(t, err)
	_, err = apply(t.Context(), a, configMap(ns, "a", map[string]any{"k": "2"}), "two", false)
	require.True(t, apierrors.IsConflict(err), "%v", err)
	now, err := apply(t.Context(), a, configMap(ns, "a", map[string]any{"k": "2"}), "two", true)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"k": "2"}, now.Object["data"])
}

func disappearing(t *testing.T, a api, ns string) {
	t.Helper()
	_, err := apply(t.Context(), a, configMap(ns, "a", map[string]any{"k": "1", "l": "1"}), "one", true)
	require.NoError(t, err)
	u := object(configMapKind, ns, "a")
	require.NoError(t, a.Patch(t.Context(), u, client.RawPatch(types.MergePatchType, []byte(`{"data":{"x":"theirs"}}`)), client.FieldOwner("two")))
	now, err := apply(t.Context(), a, configMap(ns, "a", map[string]any{"k": "1"}), "one", true)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"k": "1", "x": "theirs"}, now.Object["data"])
}

func listElements(t *testing.T, a api, ns string) {
	t.Helper()
	d := deployment(ns, "a")
	_, err := apply(t.Context(), a, d, "one", true)
	require.NoError(t, err)
	sidecar := object(deploymentKind, ns, "a")
	sidecar.Object["spec"] = map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": "a"}},
		"template": map[string]any{
			"spec": map[string]any{"containers": []any{map[string]any{"name": "side", "image": "s:1"}}},
		},
	}
	_, err = apply(t.Context(), a, sidecar, "two", true)
	require.NoError(t, err)
	require.NoError(t, unstructured.SetNestedField(d.Object, int64(2), "spec", "replicas"))
	now, err := apply(t.Context(), a, d, "one", true)
	require.NoError(t, err)
	containers, _, _ := unstructured.NestedSlice(now.Object, "spec", "template", "spec", "containers")
	require.Len(t, containers, 2)
}

func finalizers(t *testing.T, a api, ns string) {
	t.Helper()
	u := configMap(ns, "a", nil)
	u.SetFinalizers([]string{"example.org/hold"})
	create(t, a, u)
	require.NoError(t, a.Delete(t.Context(), u))
	held := get(t, a, u)
	require.NotNil(t, held.GetDeletionTimestamp())
	more := held.DeepCopy()
	more.SetFinalizers([]string{"example.org/hold", "example.org/more"})
	require.True(t, apierrors.IsInvalid(a.Update(t.Context(), more)))
	held.SetFinalizers(nil)
	require.NoError(t, a.Update(t.Context(), held))
	require.True(t, apierrors.IsNotFound(a.Get(t.Context(), client.ObjectKeyFromObject(u), u)))
}

func status(t *testing.T, a api, ns string) {
	t.Helper()
	d := create(t, a, deployment(ns, "a"))
	before := d.DeepCopy()
	patch := func(version string) error {
		body, _ := json.Marshal(map[string]any{
			"metadata": map[string]any{"uid": d.GetUID(), "resourceVersion": version},
			"spec":     map[string]any{"replicas": 9},
			"status":   map[string]any{"replicas": 3},
		})
		return a.Status().Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, body))
	}
	require.NoError(t, patch(before.GetResourceVersion()))
	require.True(t, apierrors.IsConflict(patch(before.GetResourceVersion())))
	now := get(t, a, d)
	replicas, _, _ := unstructured.NestedInt64(now.Object, "status", "replicas")
	require.EqualValues(t, 3, replicas)
	replicas, _, _ = unstructured.NestedInt64(now.Object, "spec", "replicas")
	require.EqualValues(t, 1, replicas, "the spec is not written with the status")
	require.Equal(t, before.GetGeneration(), now.GetGeneration())

	now.Object["status"] = map[string]any{"replicas": int64(5)}
	require.NoError(t, a.Update(t.Context(), now))
	replicas, _, _ = unstructured.NestedInt64(get(t, a, d).Object, "status", "replicas")
	require.EqualValues(t, 3, replicas, "the status is not written with the spec")
}

func patchUID(t *testing.T, a api, ns string) {
	t.Helper()
	u := create(t, a, configMap(ns, "a", nil))
	err := a.Patch(t.Context(), u.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"uid":"somebody"}}`)))
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	err = a.Patch(t.Context(), u.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"uid":"somebody","resourceVersion":"1"}}`)))
	require.True(t, apierrors.IsConflict(err), "the version is looked at first: %v", err)
}

func namespaces(t *testing.T, a api, ns string) {
	t.Helper()
	require.True(t, apierrors.IsNotFound(a.Create(t.Context(), configMap(ns+"-not", "a", nil))))
	_, err := apply(t.Context(), a, configMap(ns+"-not", "a", nil), "m", true)
	require.True(t, apierrors.IsNotFound(err))
	n := object(namespaceKind, "", ns)
	create(t, a, configMap(ns, "before", nil))
	require.NoError(t, a.Delete(t.Context(), n))
	require.NotNil(t, get(t, a, n).GetDeletionTimestamp(), "it stays until it is finalized")
	err = a.Create(t.Context(), configMap(ns, "a", nil))
	require.True(t, apierrors.IsForbidden(err))
	require.True(t, apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause))
	_, err = apply(t.Context(), a, configMap(ns, "a", nil), "m", true)
	require.True(t, apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), "%v", err)
	_, err = apply(t.Context(), a, configMap(ns, "before", map[string]any{"k": "1"}), "m", true)
	require.NoError(t, err, "what is there can be changed")
}

func generation(t *testing.T, a api, ns string) {
	t.Helper()
	d := create(t, a, deployment(ns, "a"))
	require.EqualValues(t, 1, d.GetGeneration())
	d.SetLabels(map[string]string{"x": "y"})
	require.NoError(t, a.Update(t.Context(), d))
	require.EqualValues(t, 1, d.GetGeneration())
	require.NoError(t, unstructured.SetNestedField(d.Object, int64(3), "spec", "replicas"))
	require.NoError(t, a.Update(t.Context(), d))
	require.EqualValues(t, 2, d.GetGeneration())
}

func watching(t *testing.T, a api, ns string) {
	t.Helper()
	u := create(t, a, configMap(ns, "a", nil))
	start := u.GetResourceVersion()
	u.Object["data"] = map[string]any{"k": "1"}
	require.NoError(t, a.Update(t.Context(), u))
	create(t, a, configMap(ns, "b", nil))
	require.NoError(t, a.Delete(t.Context(), u))
	told := ""
	for _, e := range a.events(t, ns, start, 3) {
		o := e.Object.(*unstructured.Unstructured)
		told += fmt.Sprintf("%s %s;", e.Type, o.GetName())
		if e.Type == watch.Deleted {
			require.NotEqual(t, u.GetResourceVersion(), o.GetResourceVersion(), "going has a version of its own")
		}
	}
	require.Equal(t, "MODIFIED a;ADDED b;DELETED a;", told)
}

func selecting(t *testing.T, a api, ns string) {
	t.Helper()
	u := configMap(ns, "a", nil)
	u.SetLabels(map[string]string{"x": "y"})
	create(t, a, u)
	create(t, a, configMap(ns, "b", nil))
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(configMapKind.GroupVersion().WithKind("ConfigMapList"))
	require.NoError(t, a.List(t.Context(), list, client.InNamespace(ns), client.MatchingLabels{"x": "y"}))
	require.Len(t, list.Items, 1)
	require.NotEmpty(t, list.GetResourceVersion())
}

func updateUID(t *testing.T, a api, ns string) {
	t.Helper()
	u := create(t, a, configMap(ns, "a", nil))
	u.SetUID("somebody")
	u.SetResourceVersion("")
	require.True(t, apierrors.IsConflict(a.Update(t.Context(), u)))
}

func createVersion(t *testing.T, a api, ns string) {
	t.Helper()
	u := configMap(ns, "a", nil)
	u.SetResourceVersion("1")
	err := a.Create(t.Context(), u)
	require.Error(t, err)
	require.False(t, apierrors.IsAlreadyExists(err))
}

func patchFinalizers(t *testing.T, a api, ns string) {
	t.Helper()
	u := create(t, a, configMap(ns, "a", nil))
	patch := fmt.Appendf(nil, `{"metadata":{"finalizers":["example.org/hold"],"uid":%q,"resourceVersion":%q}}`, u.GetUID(), u.GetResourceVersion())
	require.NoError(t, a.Patch(t.Context(), u.DeepCopy(), client.RawPatch(types.MergePatchType, patch)))
	require.True(t, apierrors.IsConflict(a.Patch(t.Context(), u.DeepCopy(), client.RawPatch(types.MergePatchType, patch))))
	require.Equal(t, []string{"example.org/hold"}, get(t, a, u).GetFinalizers())
	require.NoError(t, a.Patch(t.Context(), u, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":[]}}`))))
}

func immutable(t *testing.T, a api, ns string) {
	t.Helper()
	_, err := apply(t.Context(), a, deployment(ns, "a"), "applier", true)
	require.NoError(t, err)
	other := deployment(ns, "a")
	labels := map[string]any{"app": "another"}
	require.NoError(t, unstructured.SetNestedMap(other.Object, labels, "spec", "selector", "matchLabels"))
	require.NoError(t, unstructured.SetNestedMap(other.Object, labels, "spec", "template", "metadata", "labels"))
	_, err = apply(t.Context(), a, other, "applier", true)
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	var status apierrors.APIStatus
	require.ErrorAs(t, err, &status)
	causes := status.Status().Details.Causes
	require.Len(t, causes, 1)
	require.Equal(t, "spec.selector", causes[0].Field)
	require.Contains(t, causes[0].Message, "field is immutable")
}

func managers(t *testing.T, a api, ns string) {
	t.Helper()
	d, err := apply(t.Context(), a, deployment(ns, "a"), "applier", true)
	require.NoError(t, err)
	require.NoError(t, a.Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"x":"y"}}}`)), client.FieldOwner("patcher")))
	require.NoError(t, a.Status().Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"status":{"replicas":1}}`)), client.FieldOwner("reporter")))
	var told []string
	for _, e := range get(t, a, d).GetManagedFields() {
		told = append(told, fmt.Sprintf("%s %s %s %s", e.Manager, e.Operation, e.Subresource, e.FieldsV1.GetRawBytes()))
	}
	require.ElementsMatch(t, []string{
		`applier Apply  {"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:image":{},"f:name":{}}}}}}}`,
		`patcher Update  {"f:metadata":{"f:annotations":{".":{},"f:x":{}}}}`,
		`reporter Update status {"f:status":{"f:replicas":{}}}`,
	}, told)
}
