package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func TestWhatAWorkloadLacks(t *testing.T) {
	divided := []v1alpha1.Target{{Cluster: "a", Share: new(int64(2))}, {Cluster: "b", Share: new(int64(1))}}
	for name, tc := range map[string]struct {
		reason  string
		status  map[string]any
		wants   int64
		targets []v1alpha1.Target
		want    int32
	}{
		"has all":           {reason: "what it uses shows", status: map[string]any{"replicas": int64(6)}, wants: 6, targets: divided},
		"grew":              {reason: "what does not run shows nowhere", status: map[string]any{"replicas": int64(2)}, wants: 6, targets: divided, want: 4},
		"shrinks":           {reason: "nothing is lacking", status: map[string]any{"replicas": int64(9)}, wants: 6, targets: divided},
		"says nothing":      {reason: "a kind without such a status may run long since", status: map[string]any{}, wants: 6, targets: divided},
		"on each, has all":  {reason: "its status sums over the clusters", status: map[string]any{"replicas": int64(12)}, wants: 6, targets: targets("a", "b")},
		"on each, grew":     {reason: "each lacks as much", status: map[string]any{"replicas": int64(4)}, wants: 6, targets: targets("a", "b"), want: 4},
		"nowhere":           {reason: "there is nowhere to reserve", status: map[string]any{"replicas": int64(0)}, wants: 6},
		"scaled to nothing": {reason: "it asks for none", status: map[string]any{"replicas": int64(0)}, targets: divided},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": tc.wants}, "status": tc.status}}
			w, err := workloadOf(obj)
			require.NoError(t, err)
			got := lackingOf(obj, w, tc.targets)
			if tc.want == 0 {
				require.Nil(t, got, tc.reason)
				return
			}
			require.NotNil(t, got, tc.reason)
			require.Equal(t, tc.want, *got.Replicas, tc.reason)
		})
	}
}
