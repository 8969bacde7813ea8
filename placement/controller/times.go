package controller

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// timePrecision is what a time on record is precise to.
const timePrecision = time.Second

// stamp puts on record since when a target has its role, and when it is to be
// given up. What is on record outlives the process, and the fleet's memory of
// when a taint was added.
func stamp(t, was *v1alpha1.Target, now metav1.Time) {
	t.Since = &now
	if was != nil && was.Leaving == t.Leaving {
		t.Since = was.Since // none, if it is older than the field
	}
}

// evictions puts on record when targets are to be given up.
func evictions(r *placement.Request, targets []v1alpha1.Target, fleet *cluster.Snapshot) {
	for i := range targets {
		t := &targets[i]
		state, ok := fleet.Lookup(t.Cluster)
		if t.Leaving || !ok {
			continue
		}
		t.EvictAfter = nil
		if until := r.EvictAfter(state); !until.IsZero() {
			t.EvictAfter = &metav1.Time{Time: until.Truncate(timePrecision)}
		}
	}
}

// currentOf returns where the work is, for the engine. Times to leave that rest
// on another spec count no longer.
func currentOf(p *v1alpha1.Placement) []v1alpha1.Target {
	if p.Status.ObservedGeneration == p.Generation {
		return p.Status.Targets
	}
	current := make([]v1alpha1.Target, 0, len(p.Status.Targets))
	for _, t := range p.Status.Targets {
		t.EvictAfter = nil
		current = append(current, t)
	}
	return current
}
