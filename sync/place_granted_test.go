package syncer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// What a quota does not grant goes nowhere, however the work is divided.
func TestNoMoreReplicasThanGranted(t *testing.T) {
	duplicated := []v1alpha1.Target{{Cluster: "east"}, {Cluster: "west"}, {Cluster: "old", Leaving: true}}
	halves := []v1alpha1.Target{{Cluster: "east", Share: new(int64(1))}, {Cluster: "west", Share: new(int64(1))}}
	web := func(n int32) *v1alpha1.Granted {
		return &v1alpha1.Granted{Objects: []v1alpha1.Grant{{Kind: "Deployment.apps", Name: "web", Replicas: n}}}
	}
	for name, tc := range map[string]struct {
		reason  string
		targets []v1alpha1.Target
		granted *v1alpha1.Granted
		want    map[string]int32
	}{
		"no quota, duplicated": {"each copy says what the original says", duplicated, nil, nil},
		"no quota, divided":    {"all are divided", halves, nil, map[string]int32{"east": 5, "west": 5}},
		"enough, duplicated":   {"the grant is no less", duplicated, web(10), nil},
		"less, duplicated":     {"each copy runs what is granted", duplicated, web(4), map[string]int32{"east": 4, "west": 4}},
		"less, divided":        {"what is granted is divided", halves, web(4), map[string]int32{"east": 2, "west": 2}},
		"none, duplicated":     {"who has no grant runs nothing", duplicated, &v1alpha1.Granted{}, map[string]int32{"east": 0, "west": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			original := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web"}, "spec": map[string]any{"replicas": int64(10)},
			}}
			where, err := assign(&v1alpha1.Placement{Status: v1alpha1.PlacementStatus{Targets: tc.targets, Granted: tc.granted}}, original)
			require.NoError(t, err)
			if diff := cmp.Diff(tc.want, where.replicas); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	require.True(t, matters(&v1alpha1.Placement{}, &v1alpha1.Placement{Status: v1alpha1.PlacementStatus{Granted: web(1)}}), "a grant wakes the loop")
}
