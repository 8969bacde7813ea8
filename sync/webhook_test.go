package syncer_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

// webhook is a mutating webhook of a physical cluster, for the Deployments of one
// namespace there.
type webhook struct {
	mu      sync.Mutex
	mutate  func(u *unstructured.Unstructured) // nil: nothing
	created map[string]int                     // by name; no dry runs
}

// newWebhook registers a webhook with a cluster until the test ends.
func (w *world) newWebhook(cluster, namespace string) *webhook {
	w.t.Helper()
	h := &webhook{created: map[string]int{}}
	server := httptest.NewTLSServer(h)
	w.t.Cleanup(server.Close)
	url, fail, none := server.URL, admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	config := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "overrules-" + w.id},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name:                    "overrules.example.org",
			ClientConfig:            admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			FailurePolicy:           &fail,
			SideEffects:             &none,
			AdmissionReviewVersions: []string{"v1"},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
			}},
		}},
	}
	c := w.cluster(cluster)
	obj := &unstructured.Unstructured{Object: toMap(config)}
	obj.SetGroupVersionKind(admissionregistrationv1.SchemeGroupVersion.WithKind("MutatingWebhookConfiguration"))
	require.NoError(w.t, c.Create(w.t.Context(), obj))
	w.t.Cleanup(func() { // before the server that it calls is closed
		_ = c.Delete(w.t.Context(), obj)
	})
	// An API server learns of a new webhook in its own time.
	h.set(func(u *unstructured.Unstructured) { u.SetAnnotations(map[string]string{"seen": "yes"}) })
	eventually(w.t, "webhook is called", func() error {
		probe := deployment("probe", 1)
		probe.SetNamespace(namespace)
		if err := c.Create(w.t.Context(), probe, client.DryRunAll); err != nil {
			return err
		}
		return field("metadata.annotations.seen", "yes")(probe)
	})
	h.set(nil)
	return h
}

// set has the webhook do something else from now on.
func (h *webhook) set(mutate func(u *unstructured.Unstructured)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mutate = mutate
}

// creations returns how often an object of that name was to be stored anew.
func (h *webhook) creations(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.created[name]
}

// ServeHTTP answers an AdmissionReview with the object as it is to be.
func (h *webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	review, obj := &admissionv1.AdmissionReview{}, &unstructured.Unstructured{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil || obj.UnmarshalJSON(review.Request.Object.Raw) != nil {
		http.Error(rw, "no review", http.StatusBadRequest)
		return
	}
	if review.Request.Operation == admissionv1.Create && (review.Request.DryRun == nil || !*review.Request.DryRun) {
		h.created[review.Request.Name]++
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	if h.mutate != nil {
		h.mutate(obj)
		var patch []map[string]any
		for key, value := range obj.Object {
			patch = append(patch, map[string]any{"op": "add", "path": "/" + key, "value": value})
		}
		kind := admissionv1.PatchTypeJSONPatch
		review.Response.PatchType = &kind
		review.Response.Patch, _ = json.Marshal(patch)
	}
	review.Request = nil
	_ = json.NewEncoder(rw).Encode(review)
}

// without takes a label off.
func without(label string) func(u *unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) {
		labels := u.GetLabels()
		delete(labels, label)
		u.SetLabels(labels)
	}
}

// Scenario 8: what a real webhook of the cluster does to copies.
func TestAWebhookThatOverrulesIsToldOfAndNobodyRunsInCircles(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 2)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	first := w.waitCopy("east", 0, d, field("spec.replicas", 2)).GetUID()
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	namespace := w.copyKey(0, d).Namespace
	h := w.newWebhook("east", namespace)
	replicas := func(n int64) {
		t.Helper()
		u := w.waitOriginal(0, d)
		require.NoError(t, unstructured.SetNestedField(u.Object, n, "spec", "replicas"))
		require.NoError(t, w.tenant(0).Update(t.Context(), u))
	}

	// It changes a field of ours at each write: one write, and the owner is told.
	h.set(func(u *unstructured.Unstructured) {
		_ = unstructured.SetNestedField(u.Object, int64(9), "spec", "replicas")
	})
	replicas(3)
	w.waitCopy("east", 0, d, field("spec.replicas", 9))
	w.waitOriginal(0, d, condition("Synced", "True", "Overruled"), conditionSays("Synced", "on east", "east changes the copy as it is written", "spec.replicas: 3 -> 9"))
	w.physical.reset()
	w.setStatus("east", w.waitCopy("east", 0, d), ready(9))
	w.waitOriginal(0, d, field("status.readyReplicas", 9))
	require.Zero(t, w.physical.n.Load(), "to write it again is in vain:\n%s", &w.physical)

	// It takes marks off: of a copy that is made, and of one that is changed.
	h.set(without(transform.LabelInstallation))
	replicas(4)
	second := deployment("second", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), second.DeepCopy()))
	w.waitOriginal(0, d, condition("Synced", "False", "Contested"), conditionSays("Synced", "metadata.labels[tmc-sdk.dev/installation]", "not seen any more"))
	w.waitOriginal(0, second, condition("Synced", "False", "Contested"), conditionSays("Synced", "metadata.labels[tmc-sdk.dev/installation]", "no copy is made"))
	require.Equal(t, []string{"web"}, w.namesIn("east", namespace), "no second copy, no orphan")
	require.Equal(t, 1, h.creations("second"), "it was made once, and taken back")
	require.Equal(t, first, w.waitCopy("east", 0, d, field("spec.replicas", 4)).GetUID(), "what runs is not deleted")
	_, err := w.copyOf("east", 0, second)
	require.Error(t, err)

	h.set(nil)
	w.waitOriginal(0, second, condition("Synced", "True", "Synced"))
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	marked := field("metadata.labels", fmt.Sprint(w.waitCopy("east", 0, second).GetLabels()))
	require.Equal(t, first, w.waitCopy("east", 0, d, marked).GetUID())
	require.Equal(t, []string{"second", "web"}, w.namesIn("east", namespace))
	require.Equal(t, 2, h.creations("second"))
	for _, each := range []*unstructured.Unstructured{d, second} {
		require.NoError(t, w.tenant(0).Delete(t.Context(), each.DeepCopy()))
		w.waitNoOriginal(0, each)
	}
	require.Empty(t, w.namesIn("east", namespace))
}

// namesIn returns the names of the Deployments in a namespace of a cluster, whatever
// they bear, sorted.
func (w *world) namesIn(cluster, namespace string) (names []string) {
	w.t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(deploymentKind.GroupVersion().WithKind("DeploymentList"))
	require.NoError(w.t, w.cluster(cluster).List(w.t.Context(), list, client.InNamespace(namespace)))
	for i := range list.Items {
		names = append(names, list.Items[i].GetName())
	}
	return names
}
