package syncer_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

var (
	podKind        = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	replicaSetKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}
	endpointsKind  = schema.GroupVersionKind{Version: "v1", Kind: "Endpoints"}
	serviceKind    = schema.GroupVersionKind{Version: "v1", Kind: "Service"}
)

// Scenario 11: a Secret made downstream comes up by choice.
func TestWhatIsBornOnAClusterIsShownByChoiceAndLeavesWithItsSource(t *testing.T) {
	w := newWorld(t, 1)
	w.start(syncer.Upsync(secretKind))
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	namespace := w.waitCopy("east", 0, d).GetNamespace()

	born := func(name string) *unstructured.Unstructured {
		s := object(secretKind, namespace, name)
		s.SetLabels(map[string]string{"made-by": "operator", syncer.LabelUpsync: w.id})
		s.Object["data"] = map[string]any{"password": "c3dvcmRmaXNo"}
		return s
	}
	taken := object(secretKind, "default", "taken")
	taken.Object["data"] = map[string]any{"mine": "eWVz"}
	require.NoError(t, w.tenant(0).Create(t.Context(), taken.DeepCopy()))
	private := born("private")
	private.SetLabels(nil)
	source := born("credentials")
	for _, s := range []*unstructured.Unstructured{source, private, born("taken")} {
		require.NoError(t, w.cluster("east").Create(t.Context(), s.DeepCopy()))
	}
	shown := object(secretKind, "default", "credentials")
	w.waitOriginal(0, shown, field("data.password", "c3dvcmRmaXNo"), field("metadata.labels.made-by", "operator"))

	patch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"password":"bmV3"}}`))
	require.NoError(t, w.cluster("east").Patch(t.Context(), source, patch))
	w.waitOriginal(0, shown, field("data.password", "bmV3"))
	require.NoError(t, w.tenant(0).Patch(t.Context(), shown.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"data":{"password":"aGE="}}`))))
	w.waitOriginal(0, shown, field("data.password", "bmV3"))
	require.NoError(t, w.tenant(0).Delete(t.Context(), shown.DeepCopy()))
	w.waitOriginal(0, shown, field("data.password", "bmV3"))

	w.waitOriginal(0, taken, field("data.mine", "eWVz"), field("data.password", nil))
	require.True(t, apierrors.IsNotFound(w.tenant(0).Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "private"}, object(secretKind, "", ""))))

	// It goes with its source, though nobody was there to see that; and what a tenant
	// added meanwhile to another goes.
	require.NoError(t, w.cluster("east").Create(t.Context(), born("kept")))
	kept := object(secretKind, "default", "kept")
	w.waitOriginal(0, kept, field("data.password", "c3dvcmRmaXNo"))
	w.stopLoop()
	require.NoError(t, w.cluster("east").Delete(t.Context(), source))
	require.NoError(t, w.tenant(0).Patch(t.Context(), kept.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"data":{"mine":"aGE="},"metadata":{"labels":{"team":"blue"}}}`))))
	w.start(syncer.Upsync(secretKind))
	w.waitNoOriginal(0, shown)
	w.waitOriginal(0, kept, field("data.password", "c3dvcmRmaXNo"), field("data.mine", nil), field("metadata.labels.team", nil))
	w.waitOriginal(0, taken, field("data.mine", "eWVz"))
}

// owned makes an object as the controller of another would.
func owned(by, obj *unstructured.Unstructured) *unstructured.Unstructured {
	obj.SetNamespace(by.GetNamespace())
	obj.Object["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{
		"apiVersion": by.GetAPIVersion(), "kind": by.GetKind(), "name": by.GetName(), "uid": string(by.GetUID()), "controller": true,
	}}
	return obj
}

// eventAbout makes an Event as a controller of the cluster would.
func eventAbout(obj *unstructured.Unstructured, name string) *unstructured.Unstructured {
	e := object(eventKind, obj.GetNamespace(), name)
	e.Object["involvedObject"] = map[string]any{
		"apiVersion": obj.GetAPIVersion(), "kind": obj.GetKind(), "namespace": obj.GetNamespace(), "name": obj.GetName(), "uid": string(obj.GetUID()),
	}
	e.Object["reason"], e.Object["message"], e.Object["type"], e.Object["count"] = "Seen", "seen by the kubelet", "Normal", int64(1)
	return e
}

// Pods of a Deployment, Events about it and them, and the Endpoints of a Service come
// up without a label; what does not belong to a copy, and a copy itself, do not.
func TestWhatBelongsToCopiesIsShown(t *testing.T) {
	w := newWorldWithoutExport(t)
	schemas := w.apiExport().Schemas
	for kind, plural := range map[schema.GroupVersionKind]string{podKind: "pods", serviceKind: "services", endpointsKind: "endpoints"} {
		s, err := tmcenvtest.Schema(kind, plural)
		require.NoError(t, err)
		schemas = append(schemas, s)
	}
	w.exportAgain(schemas...)
	require.NoError(t, servers.kcp.Bind(t.Context(), w.tenants[0].Path, w.platform.Path, w.export))
	w.rendering = []transform.Option{transform.WithReturned(serviceKind.GroupKind(), transform.MustPath("spec.clusterIP"))}
	options := []syncer.Option{
		syncer.Resources(serviceKind), syncer.UpsyncOf(podKind), syncer.UpsyncOf(eventKind), syncer.UpsyncOf(endpointsKind),
	}
	w.start(options...)
	d, service := deployment("web", 1), object(serviceKind, "default", "web")
	service.Object["spec"] = map[string]any{"type": "LoadBalancer", "ports": []any{map[string]any{"port": int64(80)}}}
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	require.NoError(t, w.tenant(0).Create(t.Context(), service.DeepCopy()))
	w.decide(0, target("east", 1), target("west", 1))
	uid := w.waitOriginal(0, d).GetUID()

	pods := map[string]*unstructured.Unstructured{}
	for _, cluster := range []string{"east", "west"} {
		make := func(obj *unstructured.Unstructured) *unstructured.Unstructured {
			require.NoError(t, w.cluster(cluster).Create(t.Context(), obj))
			return obj
		}
		copied, template := w.waitCopy(cluster, 0, d), d.Object["spec"].(map[string]any)
		set := object(replicaSetKind, "", "web-5d9c-"+cluster)
		set.SetAnnotations(copied.GetAnnotations()) // as the Deployment's controller does, marks included
		set.Object["spec"] = map[string]any{"selector": template["selector"], "template": template["template"]}
		pod := func(name string) *unstructured.Unstructured {
			p := object(podKind, copied.GetNamespace(), name)
			p.Object["spec"] = map[string]any{"containers": []any{map[string]any{"name": "main", "image": "registry.example/app:1"}}}
			return p
		}
		pods[cluster] = make(owned(make(owned(copied, set)), pod("web-5d9c-"+cluster+"-x7")))
		stray := make(pod("stray-" + cluster))
		make(eventAbout(copied, "web.1-"+cluster))
		make(eventAbout(pods[cluster], "pod.1-"+cluster))
		make(eventAbout(stray, "stray.1-"+cluster))
		ends := object(endpointsKind, copied.GetNamespace(), "web")
		ends.SetLabels(w.waitCopy(cluster, 0, service).GetLabels()) // as the Service's controller does, marks included
		ends.Object["subsets"] = []any{map[string]any{"addresses": []any{map[string]any{"ip": "10.0.0.1"}}}}
		make(ends)
		w.setStatus(cluster, w.waitCopy(cluster, 0, service), map[string]any{
			"loadBalancer": map[string]any{"ingress": []any{map[string]any{"hostname": cluster + ".example.org"}}},
		})
	}
	w.waitOriginal(0, service, func(u *unstructured.Unstructured) error { // scenario 11: the addresses of all
		list, _, _ := unstructured.NestedSlice(u.Object, "status", "loadBalancer", "ingress")
		if len(list) != 2 || list[0].(map[string]any)["hostname"] != "east.example.org" || list[1].(map[string]any)["hostname"] != "west.example.org" {
			return fmt.Errorf("addresses are %v", list)
		}
		return nil
	})
	w.waitOriginal(0, object(podKind, "default", pods["west"].GetName()), field("metadata.ownerReferences", nil))
	shown := object(podKind, "default", pods["east"].GetName())
	w.waitOriginal(0, shown, field("status.phase", "Pending"))
	w.waitOriginal(0, object(eventKind, "default", "web.1-east"), field("involvedObject.name", "web"), field("involvedObject.uid", uid), field("involvedObject.namespace", "default"))
	for cluster, pod := range pods { // as `kubectl describe pod` looks for them
		uid := w.waitOriginal(0, object(podKind, "default", pod.GetName())).GetUID()
		w.waitOriginal(0, object(eventKind, "default", "pod.1-"+cluster), field("involvedObject.name", pod.GetName()), field("involvedObject.namespace", "default"), field("involvedObject.uid", uid))
		found := &unstructured.UnstructuredList{}
		found.SetGroupVersionKind(eventKind.GroupVersion().WithKind("EventList"))
		require.NoError(t, w.tenant(0).List(t.Context(), found, client.InNamespace("default"), client.MatchingFields{"involvedObject.name": pod.GetName(), "involvedObject.uid": string(uid)}))
		require.Len(t, found.Items, 1)
		require.Equal(t, "pod.1-"+cluster, found.Items[0].GetName())
	}
	w.waitOriginal(0, object(endpointsKind, "default", "web.east"))
	w.waitOriginal(0, object(endpointsKind, "default", "web.west"))
	for _, never := range []*unstructured.Unstructured{object(podKind, "default", "stray-east"), object(eventKind, "default", "stray.1-east")} {
		require.True(t, apierrors.IsNotFound(w.tenant(0).Get(t.Context(), client.ObjectKeyFromObject(never), never)), never.GetName())
	}

	// Its status follows; it goes with its source; and after a restart with its cluster's
	// share of the work.
	running := object(podKind, pods["east"].GetNamespace(), pods["east"].GetName())
	require.NoError(t, w.cluster("east").Get(t.Context(), client.ObjectKeyFromObject(running), running))
	running.Object["status"].(map[string]any)["phase"] = "Running"
	require.NoError(t, w.cluster("east").Status().Update(t.Context(), running))
	w.waitOriginal(0, shown, field("status.phase", "Running"))
	require.NoError(t, w.cluster("west").Delete(t.Context(), pods["west"], client.GracePeriodSeconds(0)))
	w.waitNoOriginal(0, object(podKind, "default", pods["west"].GetName()))
	w.waitOriginal(0, object(eventKind, "default", "pod.1-west")) // that of the Pod stays while its source does

	w.stopLoop()
	require.NoError(t, w.cluster("east").Delete(t.Context(), pods["east"], client.GracePeriodSeconds(0)))
	w.upstream.reset()
	w.start(options...)
	w.waitNoOriginal(0, shown)
	eventually(t, "nothing else is written", func() error {
		if n := w.upstream.n.Load(); n != 1 {
			return fmt.Errorf("%d writes to the workspace: %s", n, w.upstream.String())
		}
		return nil
	})

	// Scenario 11: of what one cluster decides, its address comes back.
	w.decide(0, target("east", 1))
	address, _, err := unstructured.NestedString(w.waitCopy("east", 0, service).Object, "spec", "clusterIP")
	require.NoError(t, err)
	require.NotEmpty(t, address, "a real server assigns one")
	w.waitOriginal(0, service, field("spec.clusterIP", address), condition("Synced", "True", "Synced"))
}
