package syncer

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

func deploymentSeen(cluster, version string, ready int64) transform.Observed {
	return transform.Observed{Cluster: cluster, Copy: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"uid": cluster, "resourceVersion": version, "generation": int64(1)},
		"status":   map[string]any{"observedGeneration": int64(1), "readyReplicas": ready},
	}}}
}

// What is kept between reports says what putting all together again would.
func TestWhatIsCountedIsWhatThereIs(t *testing.T) {
	original := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"generation": int64(4)}}}
	rules := transform.NewStatusRules().For(original.GroupVersionKind())
	rapid.Check(t, func(rt *rapid.T) {
		c := newCounted(rules)
		for range rapid.IntRange(1, 6).Draw(rt, "reports") {
			var copies []transform.Observed
			for i := range 6 {
				if rapid.IntRange(0, 4).Draw(rt, "there") == 0 {
					continue
				}
				version := rapid.IntRange(1, 3).Draw(rt, "version")
				seen := deploymentSeen(fmt.Sprintf("c%d", i), fmt.Sprint(version), int64(10*version))
				if rapid.IntRange(0, 5).Draw(rt, "no copy") == 0 {
					seen.Copy = nil
				}
				seen.Behind = rapid.Bool().Draw(rt, "behind")
				copies = append(copies, seen)
			}
			c.take(copies)
			got, err := c.tally.Status(original)
			require.NoError(t, err)
			want, err := rules.Aggregate(original, copies)
			require.NoError(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("(-want +got):\n%s", diff)
			}
		}
	})
}

func TestDivisionsFollowShares(t *testing.T) {
	share := func(cluster string, n int64) v1alpha1.Target { return v1alpha1.Target{Cluster: cluster, Share: &n} }
	for name, tc := range map[string]struct {
		reason  string
		targets []v1alpha1.Target
		whole   int64
		want    map[string]int64
	}{
		"by share":   {"in proportion, whatever the order", []v1alpha1.Target{share("west", 1), share("east", 3)}, 8, map[string]int64{"east": 6, "west": 2}},
		"none":       {"where nothing is divided, nothing is", []v1alpha1.Target{{Cluster: "east"}, {Cluster: "west"}}, 8, nil},
		"some":       {"one without a share gets nothing", []v1alpha1.Target{{Cluster: "east"}, share("west", 2)}, 8, map[string]int64{"east": 0, "west": 8}},
		"all zero":   {"are equal", []v1alpha1.Target{share("east", 0), share("west", 0)}, 8, map[string]int64{"east": 4, "west": 4}},
		"no targets": {"nothing", nil, 8, nil},
	} {
		t.Run(name, func(t *testing.T) {
			parts := divisions(tc.targets)
			got := map[string]int64{}
			for cluster, d := range parts {
				got[cluster] = d.Of(tc.whole)
			}
			if tc.want == nil {
				require.Nil(t, parts, tc.reason)
				return
			}
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

// What a target gets of another whole is what it would get of as many replicas.
func TestDivisionsAgreeWithReplicas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		targets := make([]v1alpha1.Target, rapid.IntRange(1, 12).Draw(rt, "targets"))
		for i := range targets {
			share := rapid.Int64Range(0, 1<<rapid.SampledFrom([]int{2, 8, 26}).Draw(rt, "bits")).Draw(rt, "share")
			targets[i] = v1alpha1.Target{Cluster: fmt.Sprintf("c%02d", i), Share: &share}
		}
		whole := rapid.Int32Range(0, 1<<rapid.SampledFrom([]int{3, 8, 30}).Draw(rt, "size")).Draw(rt, "whole")
		parts, want := divisions(targets), placement.Divide(whole, targets)
		for cluster, d := range parts {
			if got := d.Of(int64(whole)); got != int64(want[cluster]) {
				rt.Fatalf("%s gets %d of %d, and %d as replicas", cluster, got, whole, want[cluster])
			}
		}
	})
}

// BenchmarkReport counts the news of one cluster of 1,000 for a report.
func BenchmarkReport(b *testing.B) {
	original := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"generation": int64(4)}}}
	rules := transform.NewStatusRules().For(original.GroupVersionKind())
	copies := make([]transform.Observed, 1000)
	for i := range copies {
		copies[i] = deploymentSeen(fmt.Sprintf("cluster-%04d", i), "1", 3)
	}
	news := []transform.Observed{deploymentSeen("cluster-0500", "2", 1), deploymentSeen("cluster-0500", "3", 2)}
	b.Run("counted/1000", func(b *testing.B) {
		c := newCounted(rules)
		for i := 0; b.Loop(); i++ {
			copies[500] = news[i%2]
			c.take(copies)
			if _, err := c.tally.Status(original); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("anew/1000", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			copies[500] = news[i%2]
			if _, err := rules.Aggregate(original, copies); err != nil {
				b.Fatal(err)
			}
		}
	})
}
