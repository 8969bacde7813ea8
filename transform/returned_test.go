package transform_test

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/tmc-sdk/tmc/transform"
)

var service = schema.GroupKind{Kind: "Service"}

func serviceOn(tb testing.TB, cluster, spec string) transform.Observed {
	tb.Helper()
	return transform.Observed{Cluster: cluster, Copy: object(tb, "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop-x}, spec: "+spec+"}")}
}

// patched returns an original as the API server makes it of a merge patch.
func patched(tb testing.TB, original *unstructured.Unstructured, patch map[string]any) *unstructured.Unstructured {
	tb.Helper()
	before, err := json.Marshal(original.Object)
	require.NoError(tb, err)
	merge, err := json.Marshal(patch)
	require.NoError(tb, err)
	after, err := jsonpatch.MergePatch(before, merge)
	require.NoError(tb, err)
	out := &unstructured.Unstructured{}
	require.NoError(tb, utiljson.Unmarshal(after, &out.Object))
	return out
}

// Scenario 11: the address that a cluster gives comes back by choice, and does
// not go down to the next cluster.
func TestWhatAClusterDecidesComesBackByChoice(t *testing.T) {
	p := pipeline(t, transform.WithReturned(service, paths("spec.clusterIP", "spec.ports")...))
	original := object(t, "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 80}]}}")
	returns := func(copies ...transform.Observed) bool {
		t.Helper()
		patch, err := p.Returned(original, copies)
		require.NoError(t, err)
		if patch == nil {
			return false
		}
		original = patched(t, original, patch)
		again, err := p.Returned(original, copies)
		require.NoError(t, err)
		require.Nil(t, again, "once is enough")
		return true
	}
	sent := func() map[string]any {
		t.Helper()
		return render(t, p, &transform.Target{}, original).Object["spec"].(map[string]any)
	}

	require.False(t, returns(serviceOn(t, "a", "{ports: [{port: 80}]}")), "nothing is decided yet")
	require.False(t, returns(transform.Observed{Cluster: "a"}), "there is no copy yet")
	behind := serviceOn(t, "a", "{clusterIP: 10.0.0.7}")
	behind.Behind = true
	require.False(t, returns(behind), "an old copy decides nothing")

	require.True(t, returns(serviceOn(t, "a", "{clusterIP: 10.0.0.7, ports: [{port: 80, nodePort: 30000}]}")))
	require.Equal(t, "10.0.0.7", at(original, "spec", "clusterIP"))
	require.Equal(t, []any{map[string]any{"port": int64(80)}}, at(original, "spec", "ports"), "what the tenant says is not overwritten")
	require.NotContains(t, sent(), "clusterIP", "what came back does not go down")
	require.Contains(t, sent(), "ports")

	require.True(t, returns(serviceOn(t, "a", "{clusterIP: 10.0.0.7}"), serviceOn(t, "b", "{clusterIP: 10.9.0.7}")), "two do not agree")
	require.Nil(t, at(original, "spec", "clusterIP"))
	require.Empty(t, original.GetAnnotations())

	require.True(t, returns(serviceOn(t, "b", "{clusterIP: 10.9.0.7}")))
	require.True(t, returns(serviceOn(t, "b", "{clusterIP: 10.9.0.8}")), "it follows the cluster")
	require.Equal(t, "10.9.0.8", at(original, "spec", "clusterIP"))

	require.NoError(t, unstructured.SetNestedField(original.Object, "None", "spec", "clusterIP"))
	require.Equal(t, "None", sent()["clusterIP"], "then the tenant says it")
	require.True(t, returns(serviceOn(t, "b", "{clusterIP: None}")), "and it is noted that nothing came back")
	require.Equal(t, "None", at(original, "spec", "clusterIP"))
	require.Empty(t, original.GetAnnotations())

	without := pipeline(t)
	patch, err := without.Returned(original, []transform.Observed{serviceOn(t, "b", "{clusterIP: 10.9.0.8}")})
	require.NoError(t, err)
	require.Nil(t, patch, "by choice only")
}

func TestReturnedIsSafe(t *testing.T) {
	for _, path := range []string{"spec", "metadata.labels", "status.x", "spec.ports[*].nodePort", "kind"} {
		_, err := transform.NewPipeline("prod", transform.WithReturned(service, transform.MustPath(path)))
		require.ErrorContains(t, err, "no field of spec", path)
	}
	p := pipeline(t, transform.WithReturned(service, paths("spec.clusterIP", "spec.externalName", "spec.a.b")...))
	for name, note := range map[string]string{"no JSON": "{", "null": "null", "a list": "[1]", "another field": `{"spec.selector": {"app": "web"}}`} {
		original := object(t, "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, annotations: {}}, spec: {selector: {app: web}, a: 3}}")
		original.SetAnnotations(map[string]string{transform.AnnotationReturned: note})
		sent := render(t, p, &transform.Target{}, original)
		require.Equal(t, original.Object["spec"], sent.Object["spec"], "%s: a tenant that forges the note takes nothing away but its own", name)
		_, err := p.Returned(original, []transform.Observed{serviceOn(t, "a", "{a: [1]}")})
		require.NoError(t, err, name)
	}
	original := object(t, "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {}}")
	patch, err := p.Returned(original, []transform.Observed{serviceOn(t, "a", "{externalName: web.shop-x.svc, a: {b: {c: 1}}}")})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"externalName": "web.shop.svc", "a": map[string]any{"b": map[string]any{"c": int64(1)}}}, patch["spec"], "nobody learns where copies stand")
}

// Found by fuzzing: what stands in the way of a path is the tenant's own, and
// nulls, which a merge patch can't write, do not make it come back for ever.
func TestWhatBarsTheWayOfAPathStays(t *testing.T) {
	p := pipeline(t, transform.WithReturned(service, paths("spec.a.b")...))
	copies := []transform.Observed{serviceOn(t, "a", "{a: {b: [1, {c: null, d: 2}]}}")}
	barred := object(t, "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {a: 3}}")
	patch, err := p.Returned(barred, copies)
	require.NoError(t, err)
	require.Nil(t, patch)
	free := object(t, "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {}}")
	patch, err = p.Returned(free, copies)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": map[string]any{"b": []any{int64(1), map[string]any{"d": int64(2)}}}}, patch["spec"])
	patch, err = p.Returned(patched(t, free, patch), copies)
	require.NoError(t, err)
	require.Nil(t, patch)
}
