package cluster

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestMergeAPIs(t *testing.T) {
	apps, metrics := schema.GroupVersion{Group: "apps", Version: "v1"}, schema.GroupVersion{Group: "metrics.k8s.io", Version: "v1"}
	deployment, nodeMetrics := apps.WithKind("Deployment"), metrics.WithKind("NodeMetrics")
	all := map[schema.GroupVersionKind]schema.GroupVersionResource{deployment: apps.WithResource("deployments"), nodeMetrics: metrics.WithResource("nodes")}
	some := map[schema.GroupVersionKind]schema.GroupVersionResource{deployment: apps.WithResource("deployments")}
	old := NewAPISet(
		API{Kind: deployment, Resource: all[deployment]}, API{Kind: nodeMetrics, Resource: all[nodeMetrics]})
	cases := map[string]struct {
		reason string
		old    *APISet
		found  discovered
		want   map[schema.GroupVersionKind]schema.GroupVersionResource
	}{
		"first":           {"what is found is served", nil, discovered{apis: some}, some},
		"gone":            {"what a group that answered no longer has is gone", old, discovered{apis: some}, some},
		"did not answer":  {"what a group had that did not answer stays", old, discovered{apis: some, failed: map[schema.GroupVersion]bool{metrics: true}}, all},
		"never was there": {"a group that did not answer adds nothing", nil, discovered{apis: some, failed: map[schema.GroupVersion]bool{metrics: true}}, some},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, maps.Collect(mergeAPIs(tc.old, &tc.found).All())); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	require.Same(t, old, mergeAPIs(old, &discovered{apis: all}), "what did not change is not made anew")
}
