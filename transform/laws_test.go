package transform_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/transform"
)

// anyJSON draws what a decoder of JSON may make, in shapes that mean something
// to Kubernetes and in shapes that do not.
func anyJSON(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(rt *rapid.T) any {
		most := 7
		if depth == 0 {
			most = 5
		}
		switch rapid.IntRange(0, most).Draw(rt, "sort") {
		case 0:
			return rapid.SampledFrom([]string{"", "nginx", "True", "1Gi", "shop", "${cluster.region}", "a/b:c"}).Draw(rt, "text")
		case 1:
			return rapid.Int64Range(-3, 1<<40).Draw(rt, "integer")
		case 2:
			return rapid.Bool().Draw(rt, "truth")
		case 3:
			return rapid.SampledFrom([]float64{0.5, -2.25, 1e9}).Draw(rt, "number")
		case 4, 5:
			return nil
		case 6:
			return rapid.SliceOfN(anyJSON(depth-1), 0, 3).Draw(rt, "list")
		}
		return anyFields(depth-1).Draw(rt, "map")
	})
}

func anyFields(depth int) *rapid.Generator[map[string]any] {
	names := rapid.SampledFrom([]string{
		"spec", "template", "metadata", "labels", "annotations", "containers", "image", "name", "env", "replicas", "status", "type",
		"conditions", "selector", "a.b/c", "observedGeneration", "volumes", "message",
	})
	return rapid.MapOfN(names, anyJSON(max(depth, 0)), 0, 5)
}

// anyObject draws an object of a kind that transformers know, or not.
func anyObject() *rapid.Generator[*unstructured.Unstructured] {
	return rapid.Custom(func(rt *rapid.T) *unstructured.Unstructured {
		kind := rapid.SampledFrom([][2]string{{"apps/v1", "Deployment"}, {"v1", "Pod"}, {"batch/v1", "Job"}, {"v1", "Service"}, {"db.example/v1", "Cluster"}}).Draw(rt, "kind")
		fields := map[string]any{"apiVersion": kind[0], "kind": kind[1], "spec": anyJSON(4).Draw(rt, "spec")}
		if rapid.Bool().Draw(rt, "more") {
			fields["data"] = anyJSON(2).Draw(rt, "data")
		}
		metadata := map[string]any{"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "finalizers": []any{"x/y"}}
		keys := rapid.SampledFrom([]string{"app", "tmc-sdk.dev/installation", "claimed.internal.apis.kcp.io/x", "example.com/team"})
		for _, field := range []string{"labels", "annotations"} {
			entries := map[string]any{}
			for _, key := range rapid.SliceOfN(keys, 0, 3).Draw(rt, field) {
				entries[key] = "v"
			}
			metadata[field] = entries
		}
		fields["metadata"], fields["status"] = metadata, anyFields(3).Draw(rt, "status")
		return &unstructured.Unstructured{Object: fields}
	})
}

// A pipeline of transformers that do nothing does nothing.
func TestPipelineOfIdentityIsIdentity(t *testing.T) {
	nothing := func(name string) transform.Transformer {
		return transform.Func(name, func(context.Context, *transform.Target, *unstructured.Unstructured) error { return nil })
	}
	empty, idle := pipeline(t), pipeline(t, transform.With(nothing("one"), nothing("two"), transform.Within(nothing("three"))))
	rapid.Check(t, func(rt *rapid.T) {
		obj := anyObject().Draw(rt, "object")
		before := obj.DeepCopy()
		want, err := empty.Render(t.Context(), platformTarget, obj, homeOf(obj))
		require.NoError(rt, err)
		got, err := idle.Render(t.Context(), platformTarget, obj, homeOf(obj))
		require.NoError(rt, err)
		require.Empty(rt, cmp.Diff(want.Object, got.Object))
		require.Empty(rt, cmp.Diff(before.Object, obj.Object), "the original is never changed")
	})
}

// What went down, stripped and sent again, is what went down: so a copy that is
// taken for an original by mistake, or rendered by another replica, is the same.
func TestDownThenStripIsIdempotent(t *testing.T) {
	pipelines := []*transform.Pipeline{pipeline(t), platform(t)}
	rapid.Check(t, func(rt *rapid.T) {
		obj := anyObject().Draw(rt, "object")
		for _, p := range pipelines {
			once, err := p.Render(t.Context(), platformTarget, obj, homeOf(obj))
			if err != nil {
				continue // nonsense may be refused
			}
			twice, err := p.Render(t.Context(), platformTarget, once, homeOf(obj))
			require.NoError(rt, err)
			require.Empty(rt, cmp.Diff(once.Object, twice.Object))
		}
	})
}

// With one target, status is what the copy's is.
func TestAggregateOfOneIsItself(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		status := anyFields(3).Draw(rt, "status")
		copied := &unstructured.Unstructured{Object: map[string]any{"kind": "X", "metadata": map[string]any{"name": "web", "namespace": "shop", "generation": int64(1)}, "status": status}}
		upstream := &unstructured.Unstructured{Object: map[string]any{"kind": "X", "metadata": map[string]any{"name": "web", "namespace": "shop", "generation": int64(5)}}}
		for _, aggregator := range allAggregators() {
			got, err := aggregator.Aggregate(upstream, []transform.Observed{{Cluster: "a", Copy: copied}})
			require.NoError(rt, err)
			want := copied.DeepCopy().Object["status"].(map[string]any)
			delete(want, "observedGeneration") // which is about the original
			delete(got, "observedGeneration")
			require.Empty(rt, cmp.Diff(want, got), aggregator.Name())
		}
	})
}

// Whatever order clusters are looked at in, they make one status.
func TestAggregationIsOrderIndependent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var copies []transform.Observed
		for i := range rapid.IntRange(2, 5).Draw(rt, "clusters") {
			seen := transform.Observed{Cluster: fmt.Sprintf("c%d", i), Behind: rapid.Bool().Draw(rt, "behind")}
			if rapid.IntRange(0, 4).Draw(rt, "there") > 0 {
				seen.Copy = &unstructured.Unstructured{Object: map[string]any{"kind": "X", "metadata": map[string]any{"generation": int64(1)}, "status": anyFields(3).Draw(rt, "status")}}
			}
			copies = append(copies, seen)
		}
		upstream := &unstructured.Unstructured{Object: map[string]any{"kind": "X", "metadata": map[string]any{"generation": int64(5)}}}
		shuffled := append([]transform.Observed(nil), copies...)
		seed := rapid.Uint64().Draw(rt, "seed")
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] }) //nolint:gosec // chance, not secrecy
		for _, aggregator := range append(allAggregators(), database) {
			want, err := aggregator.Aggregate(upstream, copies)
			require.NoError(rt, err)
			got, err := aggregator.Aggregate(upstream, shuffled)
			require.NoError(rt, err)
			require.Empty(rt, cmp.Diff(want, got), aggregator.Name())
		}
	})
}

// Lists of a rendering lie side by side in memory: who appends to one changes no
// other.
func TestListsOfARenderingAreApart(t *testing.T) {
	lists := map[string]any{}
	for i := range 40 {
		lists[fmt.Sprintf("l%02d", i)] = []any{int64(i), "x"}
	}
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "db.example/v1", "kind": "Cluster", "metadata": map[string]any{"name": "c", "namespace": "shop"}, "spec": lists}}
	grow := change("grow", func(o *unstructured.Unstructured) {
		spec := o.Object["spec"].(map[string]any)
		for name, list := range spec {
			spec[name] = append(list.([]any), "more")
		}
	})
	got := render(t, pipeline(t, transform.With(grow)), platformTarget, obj)
	for i := range 40 {
		require.Equal(t, []any{int64(i), "x", "more"}, got.Object["spec"].(map[string]any)[fmt.Sprintf("l%02d", i)])
		require.Equal(t, []any{int64(i), "x"}, lists[fmt.Sprintf("l%02d", i)])
	}
}
