package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func TestWhatIsToldOfADecision(t *testing.T) {
	k := Key{Workspace: "ws", NamespacedName: types.NamespacedName{Namespace: "default", Name: "web"}}
	p := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{UID: "u1"}}
	p.Status.Targets = []v1alpha1.Target{{Cluster: "eu-1"}}
	after := []v1alpha1.Target{{Cluster: "us-1"}}
	for name, c := range map[string]struct {
		reason string
		status metav1.ConditionStatus
		want   bool
	}{
		"complete": {"the condition is true", metav1.ConditionTrue, true},
		"refused":  {"the condition is false", metav1.ConditionFalse, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := &v1alpha1.PlacementStatus{Targets: after, Conditions: []metav1.Condition{{Type: v1alpha1.ConditionPlaced, Status: c.status, Reason: "R", Message: "m"}}}
			want := Decided{
				Workspace: "ws", Placement: k.NamespacedName, UID: "u1", Before: p.Status.Targets, After: after,
				Placed: c.want, Reason: "R", Message: "m",
			}
			if diff := cmp.Diff(want, decidedOf(k, p, now)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}
