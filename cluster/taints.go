package cluster

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// taintsInForce returns the declared taints and those that health, cordon and
// drain call for. Times depend on what was observed alone, not on when this is
// called.
func taintsInForce(reg *Registration, unreachableSince, drainingSince, now time.Time, grace time.Duration) []v1alpha1.Taint {
	var taints []v1alpha1.Taint
	add := func(key string, effect corev1.TaintEffect, at time.Time) {
		t := v1alpha1.Taint{Key: key, Effect: effect}
		if !at.IsZero() {
			t.TimeAdded = &metav1.Time{Time: at}
		}
		taints = append(taints, t)
	}
	for _, t := range reg.Taints {
		switch t.Key {
		case v1alpha1.TaintUnreachable, v1alpha1.TaintUnschedulable, v1alpha1.TaintDraining:
			// The fleet's own: declared ones would contradict what it observes.
		default:
			taints = append(taints, *t.DeepCopy())
		}
	}
	if reg.Unschedulable {
		add(v1alpha1.TaintUnschedulable, corev1.TaintEffectNoSchedule, time.Time{})
	}
	if reg.Drain {
		add(v1alpha1.TaintDraining, corev1.TaintEffectNoSchedule, drainingSince)
		add(v1alpha1.TaintDraining, corev1.TaintEffectNoExecute, drainingSince)
	}
	if !unreachableSince.IsZero() {
		add(v1alpha1.TaintUnreachable, corev1.TaintEffectNoSchedule, unreachableSince)
		if lost := unreachableSince.Add(grace); !now.Before(lost) {
			add(v1alpha1.TaintUnreachable, corev1.TaintEffectNoExecute, lost)
		}
	}
	return taints
}
