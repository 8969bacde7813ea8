package placement

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// tolerated says whether the request tolerates a taint at its time.
func tolerated(r *Request, taint *clusterv1alpha1.Taint) bool {
	ok, until := toleratedUntil(r, taint)
	return ok && (until.IsZero() || r.Now.Before(until))
}

// toleratedUntil says whether a taint is tolerated, and until when; zero for
// ever. Of several tolerations the longest counts.
func toleratedUntil(r *Request, taint *clusterv1alpha1.Taint) (ok bool, until time.Time) {
	for i := range r.Spec.Tolerations {
		t := &r.Spec.Tolerations[i]
		if !matchesTaint(t, taint) {
			continue
		}
		if t.TolerationSeconds == nil || taint.Effect != corev1.TaintEffectNoExecute || taint.TimeAdded == nil {
			return true, time.Time{}
		}
		end := taint.TimeAdded.Add(time.Duration(min(*t.TolerationSeconds, 1<<32)) * time.Second)
		if !ok || end.After(until) {
			ok, until = true, end
		}
	}
	return ok, until
}

// matchesTaint is the rule for a Pod's tolerations.
func matchesTaint(t *v1alpha1.Toleration, taint *clusterv1alpha1.Taint) bool {
	if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
		return false
	}
	if t.Operator == corev1.TolerationOpExists {
		return true
	}
	return t.Key != "" && t.Value == taint.Value
}

// recheck returns when the first toleration of a taint on a current target, or
// the first eviction, runs out; zero if none does.
func recheck(r *Request, fleet *cluster.Snapshot) (first time.Time) {
	for i := range r.Evicted {
		if until := r.Evicted[i].Until; until.After(r.Now) && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	for i := range r.Current {
		state, ok := fleet.Lookup(r.Current[i].Cluster)
		if !ok || r.Current[i].Leaving {
			continue
		}
		for j := range state.Taints {
			if state.Taints[j].Effect != corev1.TaintEffectNoExecute {
				continue
			}
			ok, until := toleratedUntil(r, &state.Taints[j])
			if ok && until.After(r.Now) && (first.IsZero() || until.Before(first)) {
				first = until
			}
		}
	}
	return first
}
