package transform_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// counting counts how often it runs. It says whether it depends on the target.
type counting struct {
	runs        atomic.Int64
	independent bool
	err         error
}

func (c *counting) Name() string            { return "counting" }
func (c *counting) TargetIndependent() bool { return c.independent }
func (c *counting) Transform(_ context.Context, t *transform.Target, obj *unstructured.Unstructured) error {
	c.runs.Add(1)
	if c.independent {
		return c.err
	}
	return errors.Join(c.err, unstructured.SetNestedField(obj.Object, t.Cluster+t.Labels["a"]+t.Properties["p"], "data", "target"))
}

func configMap(version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "c", "namespace": "shop", "uid": "u-1", "resourceVersion": version, "labels": map[string]any{"a": "b"}},
		"data":     map[string]any{"k": "v"},
	}}
}

func ExampleCache() {
	pipeline, err := transform.NewPipeline("prod")
	if err != nil {
		panic(err)
	}
	cache := transform.NewCache(pipeline, 10_000)
	origin := transform.Origin{LogicalCluster: "2x9a", Namespace: "shop", Name: "c", UID: "u-1"}
	for _, cluster := range []string{"eu-1", "us-1", "eu-1"} {
		rendered, err := cache.Render(context.Background(), &transform.Target{Cluster: cluster}, configMap("7"), origin)
		fmt.Println(rendered.GetNamespace(), err, cache.Len())
	}
	// Output:
	// shop-5a5alykr276vhgiy <nil> 1
	// shop-5a5alykr276vhgiy <nil> 1
	// shop-5a5alykr276vhgiy <nil> 1
}

func TestCacheRendersWhatDiffers(t *testing.T) {
	one, two := int32(1), int32(2)
	base := transform.Target{Cluster: "a"}
	for name, tc := range map[string]struct {
		reason      string
		independent bool
		second      transform.Target
		version     string
		runs        int64
	}{
		"same":                  {"nothing is rendered twice", false, base, "7", 1},
		"another version":       {"a change upstream is one", false, base, "8", 2},
		"another cluster":       {"its target differs", false, transform.Target{Cluster: "b"}, "7", 2},
		"labels":                {"", false, transform.Target{Cluster: "a", Labels: map[string]string{"a": "x"}}, "7", 2},
		"properties":            {"", false, transform.Target{Cluster: "a", Properties: map[string]string{"a": "x"}}, "7", 2},
		"region":                {"", false, transform.Target{Cluster: "a", Region: "x"}, "7", 2},
		"replicas":              {"", false, transform.Target{Cluster: "a", Replicas: &one}, "7", 2},
		"override":              {"", false, transform.Target{Cluster: "a", Overrides: []transform.Override{{MergePatch: []byte(`{}`)}}}, "7", 2},
		"division":              {"", false, transform.Target{Cluster: "a", Division: &transform.Division{Shares: []int64{1}}}, "7", 2},
		"owners":                {"their copies have other UIDs there", true, transform.Target{Cluster: "a", Owners: []transform.Owner{{Original: "up", UID: "down"}}}, "7", 2},
		"independent":           {"one serves all clusters", true, transform.Target{Cluster: "b", Labels: map[string]string{"a": "x"}}, "7", 1},
		"independent, replicas": {"but not all shares", true, transform.Target{Cluster: "b", Replicas: &two}, "7", 2},
		"independent, override": {"nor overrides", true, transform.Target{Cluster: "b", Overrides: []transform.Override{{MergePatch: []byte(`{}`)}}}, "7", 2},
	} {
		t.Run(name, func(t *testing.T) {
			step := &counting{independent: tc.independent}
			p, err := transform.NewPipeline("main", transform.With(step))
			require.NoError(t, err)
			cache := transform.NewCache(p, 10)
			_, err = cache.Render(t.Context(), &base, configMap("7"), homeOf(configMap("7")))
			require.NoError(t, err)
			got, err := cache.Render(t.Context(), &tc.second, configMap(tc.version), homeOf(configMap("7")))
			require.NoError(t, err)
			require.Equal(t, tc.runs, step.runs.Load(), tc.reason)
			want, err := p.Render(t.Context(), &tc.second, configMap(tc.version), homeOf(configMap("7")))
			require.NoError(t, err)
			if diff := cmp.Diff(want.Object, got.Object); diff != "" {
				t.Errorf("(-rendered +cached):\n%s", diff)
			}
		})
	}
}

func TestCacheKeepsNoErrorsAndNothingWithoutAVersion(t *testing.T) {
	step := &counting{err: errors.New("no")}
	p, err := transform.NewPipeline("main", transform.With(step))
	require.NoError(t, err)
	cache := transform.NewCache(p, 10)
	_, err = cache.Render(t.Context(), platformTarget, configMap("7"), homeOf(configMap("7")))
	require.ErrorIs(t, err, step.err)
	step.err = nil
	_, err = cache.Render(t.Context(), platformTarget, configMap(""), homeOf(configMap("7")))
	require.NoError(t, err)
	require.Zero(t, cache.Len())
}

func TestCacheHandsOutWhatCallersWrite(t *testing.T) {
	p, err := transform.NewPipeline("main")
	require.NoError(t, err)
	cache := transform.NewCache(p, 0)
	for range 3 {
		got, err := cache.Render(t.Context(), platformTarget, configMap("7"), homeOf(configMap("7")))
		require.NoError(t, err)
		require.Equal(t, "b", got.GetLabels()["a"])
		require.Empty(t, got.GetAnnotations()[transform.AnnotationDigest])
		got.SetAnnotations(map[string]string{transform.AnnotationDigest: "x"})
		got.SetLabels(nil)
		got.SetResourceVersion("9")
		got.Object["status"] = "x"
	}
	require.Equal(t, 1, cache.Len())
}

func TestCacheForgetsTheOldest(t *testing.T) {
	step := &counting{independent: true}
	p, err := transform.NewPipeline("main", transform.With(step))
	require.NoError(t, err)
	cache := transform.NewCache(p, 2)
	for _, version := range []string{"1", "2", "1", "3", "1", "2"} {
		_, err := cache.Render(t.Context(), platformTarget, configMap(version), homeOf(configMap("1")))
		require.NoError(t, err)
	}
	require.Equal(t, 2, cache.Len())
	require.EqualValues(t, 4, step.runs.Load(), "1, 2, 3, and 2 again")
}

func TestCacheIsSafeForConcurrentUse(t *testing.T) {
	cache := transform.NewCache(platform(t), 4)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				obj := configMap(fmt.Sprint((worker + i) % 6))
				got, err := cache.Render(t.Context(), platformTarget, obj, homeOf(obj))
				if err != nil {
					t.Error(err)
					return
				}
				got.SetAnnotations(map[string]string{transform.AnnotationDigest: "x"})
			}
		})
	}
	wg.Wait()
}

func BenchmarkCache(b *testing.B) {
	obj := corpus(b)["deployment-web-frontend"]
	obj.SetResourceVersion("7")
	cache := transform.NewCache(platform(b), 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cache.Render(b.Context(), platformTarget, obj, homeOf(obj)); err != nil {
			b.Fatal(err)
		}
	}
}
