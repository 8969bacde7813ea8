package syncer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/sync/guard"
	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// Law 10, tenant against tenant and against the platform: objects crafted to
// reach what is not theirs. docs/security.md lists the attacks; those that need
// no server are tests of package transform.
func TestCraftedObjectsReachNothingThatIsNotTheirs(t *testing.T) {
	w := newWorld(t, 2)
	w.spoiled = true
	w.rendering = []transform.Option{
		transform.With(builtin.SecurityFloor(), builtin.ServiceAccountTokens(builtin.TokenRules{})),
		transform.WithNamespaceLabels(guard.Restricted.Labels()),
	}
	w.start()
	victim := deployment("web", 1)
	require.NoError(t, w.tenant(1).Create(t.Context(), victim.DeepCopy()))
	require.NoError(t, w.tenant(1).Create(t.Context(), secret("db", "seeded-secret-of-the-victim")))
	w.decide(1, target("east", 1))
	token := object(secretKind, "default", "token") // the cluster would fill it in
	token.SetAnnotations(map[string]string{corev1.ServiceAccountNameKey: "default"})
	token.Object["type"] = string(corev1.SecretTypeServiceAccountToken)
	require.NoError(t, w.tenant(0).Create(t.Context(), token))
	// An override is a tenant's, too: it comes before what the platform sees to.
	w.decideFor(0, &v1alpha1.Placement{
		ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: "default"},
		Spec: v1alpha1.PlacementSpec{Overrides: []v1alpha1.Override{{
			MergePatch: &apiextensionsv1.JSON{Raw: []byte(`{"spec":{"template":{"spec":{"hostNetwork":true,"hostIPC":true}}}}`)},
		}}},
	}, target("east", 1))
	// Patches as deep as an API server parses, and deeper than anybody reads.
	w.decideFor(0, &v1alpha1.Placement{
		ObjectMeta: metav1.ObjectMeta{Name: "deep", Namespace: "default"},
		Spec: v1alpha1.PlacementSpec{
			Resources: []v1alpha1.ResourceSelector{{Group: "apps", Kind: "Deployment", Name: "deep"}},
			Overrides: []v1alpha1.Override{{MergePatch: &apiextensionsv1.JSON{
				Raw: []byte(`{"spec":` + strings.Repeat(`{"a":`, 2_000) + `1` + strings.Repeat(`}`, 2_000) + `}`),
			}}},
		},
	}, target("east", 1))
	owner := configMap("owner", "x")
	require.NoError(t, w.tenant(0).Create(t.Context(), owner))
	theirs := w.waitCopy("east", 1, victim)
	before := w.everything("east", theirs.GetNamespace())

	for name, attack := range map[string]struct {
		craft func(d *unstructured.Unstructured)
		// check is what must be true of the copy; nil: there must be none, and
		// the tenant is told.
		check func(*unstructured.Unstructured) error
	}{
		"forged-marks": {
			craft: func(d *unstructured.Unstructured) {
				d.SetLabels(theirs.GetLabels())
				d.SetAnnotations(theirs.GetAnnotations())
				set(d, toAny(theirs.GetLabels()), "spec", "template", "metadata", "annotations")
			},
			check: func(u *unstructured.Unstructured) error {
				m, ok := transform.ReadMarks(u)
				if !ok || m.LogicalCluster != string(w.tenants[0].Cluster) || m.Name != "forged-marks" {
					return fmt.Errorf("marks are %+v", m)
				}
				if forged, _, _ := unstructured.NestedMap(u.Object, "spec", "template", "metadata", "annotations"); len(forged) > 0 {
					return fmt.Errorf("the pods have marks: %v", forged)
				}
				return nil
			},
		},
		"finalizer": {
			craft: func(d *unstructured.Unstructured) { d.SetFinalizers([]string{"tenant.example/hold"}) },
			check: func(u *unstructured.Unstructured) error {
				if len(u.GetFinalizers()) > 0 {
					return fmt.Errorf("finalizers are %v", u.GetFinalizers())
				}
				return nil
			},
		},
		"owned": { // the cluster would delete it, or hold what owns it, by that
			craft: func(d *unstructured.Unstructured) {
				d.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.GetUID(), Controller: new(true), BlockOwnerDeletion: new(true)}})
			},
			check: func(u *unstructured.Unstructured) error {
				if len(u.GetOwnerReferences()) > 0 {
					return fmt.Errorf("owners are %v", u.GetOwnerReferences())
				}
				return nil
			},
		},
		"huge": {
			craft: func(d *unstructured.Unstructured) {
				podOf(d)["containers"].([]any)[0].(map[string]any)["env"] = []any{map[string]any{"name": "MUCH", "value": strings.Repeat("x", 1<<20)}}
			},
			check: inNamespaceOf(w, 0),
		},
		"adopts-kube-system": {
			craft: func(d *unstructured.Unstructured) {
				d.SetAnnotations(map[string]string{"tmc-sdk.dev/adopt": "east", "tmc-sdk.dev/original-namespace": "kube-system"})
			},
			check: inNamespaceOf(w, 0),
		},
		"privileged": {
			craft: func(d *unstructured.Unstructured) {
				pod := podOf(d)
				pod["hostNetwork"], pod["hostPID"] = true, true
				pod["containers"].([]any)[0].(map[string]any)["securityContext"] = map[string]any{"privileged": true, "runAsUser": int64(0)}
			},
			check: func(u *unstructured.Unstructured) error {
				pod := podOf(u)
				context, _ := pod["containers"].([]any)[0].(map[string]any)["securityContext"].(map[string]any)
				if pod["hostNetwork"] != nil || pod["hostPID"] != nil || pod["hostIPC"] != nil || context["privileged"] != nil || context["runAsUser"] != nil {
					return fmt.Errorf("the pod is %v", pod)
				}
				return nil
			},
		},
		"host-path": {
			craft: func(d *unstructured.Unstructured) {
				podOf(d)["volumes"] = []any{map[string]any{"name": "root", "hostPath": map[string]any{"path": "/"}}}
			},
		},
		"service-account-token": {
			craft: func(d *unstructured.Unstructured) {
				podOf(d)["automountServiceAccountToken"] = true
				podOf(d)["serviceAccountName"] = "default"
			},
			check: func(u *unstructured.Unstructured) error {
				if podOf(u)["automountServiceAccountToken"] != false {
					return fmt.Errorf("the pod is %v", podOf(u))
				}
				return nil
			},
		},
		"projected-token": {
			craft: func(d *unstructured.Unstructured) {
				podOf(d)["volumes"] = []any{map[string]any{"name": "t", "projected": map[string]any{"sources": []any{
					map[string]any{"serviceAccountToken": map[string]any{"path": "token"}},
				}}}}
			},
		},
		"token-of-a-secret": {
			craft: func(d *unstructured.Unstructured) {
				podOf(d)["volumes"] = []any{map[string]any{"name": "t", "secret": map[string]any{"secretName": "token"}}}
			},
			check: inNamespaceOf(w, 0),
		},
		"oversized": {
			craft: func(d *unstructured.Unstructured) {
				d.SetAnnotations(map[string]string{"tenant.example/much": strings.Repeat("x", 200<<10)})
			},
			check: inNamespaceOf(w, 0),
		},
		"secret-of-another": {
			craft: func(d *unstructured.Unstructured) {
				podOf(d)["volumes"] = []any{map[string]any{"name": "db", "secret": map[string]any{"secretName": "../" + theirs.GetNamespace() + "/db"}}}
			},
			check: inNamespaceOf(w, 0),
		},
	} {
		d := deployment(name, 1)
		attack.craft(d)
		require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()), name)
		if attack.check == nil {
			w.waitOriginal(0, d, condition("Synced", "False", "TransformFailed"))
			_, err := w.copyOf("east", 0, d)
			require.True(t, apierrors.IsNotFound(err), name)
			continue
		}
		w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
		w.waitCopy("east", 0, d, attack.check)
	}

	deep := deployment("deep", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), deep.DeepCopy()))
	w.waitOriginal(0, deep, condition("Synced", "False", "SchemaMismatch"), conditionSays("Synced", "field not declared in schema"))
	_, err := w.copyOf("east", 0, deep)
	require.True(t, apierrors.IsNotFound(err))

	// A namespace that is called as the victim's is on the cluster.
	squat := object(namespaceKind, "", theirs.GetNamespace())
	require.NoError(t, w.tenant(0).Create(t.Context(), squat))
	squatting := deployment("web", 1)
	squatting.SetNamespace(theirs.GetNamespace())
	require.NoError(t, w.tenant(0).Create(t.Context(), squatting.DeepCopy()))
	w.decideFor(0, &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: theirs.GetNamespace()}}, target("east", 1))
	require.NotEqual(t, theirs.GetNamespace(), w.waitCopy("east", 0, squatting).GetNamespace())

	require.Equal(t, before, w.everything("east", theirs.GetNamespace()), "what is the victim's was not touched")
	var secrets corev1.SecretList
	require.NoError(t, w.cluster("east").List(t.Context(), &secrets))
	for i := range secrets.Items {
		require.NotContains(t, string(secrets.Items[i].Data["password"]), "seeded-secret", "a Secret that nothing mentions goes nowhere")
		require.NotEqual(t, corev1.SecretTypeServiceAccountToken, secrets.Items[i].Type, "nobody asks the cluster for a token")
	}

	// A hostile cluster shows a copy of the victim's work where none was made, and
	// says of it what it likes.
	forged := theirs.DeepCopy()
	forged.SetNamespace("default")
	forged.SetName("forged-" + w.id)
	forged.SetResourceVersion("")
	forged.SetUID("")
	forged.SetManagedFields(nil)
	require.NoError(t, w.cluster("east").Create(t.Context(), forged))
	w.setStatus("east", forged, ready(99))
	w.setStatus("east", w.waitCopy("east", 1, victim), ready(1))
	require.EqualValues(t, 1, w.waitOriginal(1, victim, condition("Healthy", "True", "Healthy")).Object["status"].(map[string]any)["readyReplicas"])

	// A hostile cluster reports more than a status should say.
	d := deployment("finalizer", 1)
	lie := ready(1)
	lie["conditions"] = append(lie["conditions"].([]any),
		map[string]any{"type": "Synced", "status": "False", "reason": "Lies", "message": strings.Repeat("lies ", 10<<10)},
		map[string]any{"type": "Healthy", "status": "False", "reason": "Lies", "message": "node " + theirs.GetNamespace()})
	w.setStatus("east", w.waitCopy("east", 0, d), lie)
	told := w.waitOriginal(0, d, field("status.readyReplicas", 1), condition("Synced", "True", "Synced"), condition("Healthy", "True", "Healthy"))
	text, err := told.MarshalJSON()
	require.NoError(t, err)
	require.NotContains(t, string(text), "Lies")
	require.NotContains(t, string(text), theirs.GetNamespace())

	unheld := w.waitOriginal(0, d)
	unheld.SetFinalizers(nil)
	for _, f := range told.GetFinalizers() {
		if f != "tenant.example/hold" {
			unheld.SetFinalizers(append(unheld.GetFinalizers(), f))
		}
	}
	require.NoError(t, w.tenant(0).Update(t.Context(), unheld), "so that the workspace can go")
}

// everything returns what is in a namespace of a cluster, by name and version.
func (w *world) everything(cluster, namespace string) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, kind := range []schema.GroupVersionKind{deploymentKind, configMapKind, secretKind} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		require.NoError(w.t, w.cluster(cluster).List(w.t.Context(), list, client.InNamespace(namespace)))
		for i := range list.Items {
			all[kind.Kind+"/"+list.Items[i].GetName()] = list.Items[i].GetResourceVersion()
		}
	}
	return all
}

func inNamespaceOf(w *world, tenant int) func(*unstructured.Unstructured) error {
	return func(u *unstructured.Unstructured) error {
		if want := w.copyKey(tenant, deployment(u.GetName(), 1)).Namespace; u.GetNamespace() != want {
			return fmt.Errorf("it is in %s, not in %s", u.GetNamespace(), want)
		}
		return nil
	}
}

func secret(name, password string) *unstructured.Unstructured {
	u := object(secretKind, "default", name)
	u.Object["stringData"] = map[string]any{"password": password}
	return u
}

func podOf(d *unstructured.Unstructured) map[string]any {
	return d.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
}

func set(u *unstructured.Unstructured, value any, path ...string) {
	if err := unstructured.SetNestedField(u.Object, value, path...); err != nil {
		panic(err)
	}
}

func toAny(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}
