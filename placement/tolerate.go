package placement

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// tolerated says whether the request tolerates a taint at its time, for work
// that has a target there or, with nil, for new work.
func tolerated(r *Request, taint *clusterv1alpha1.Taint, on *v1alpha1.Target) bool {
	ok, until := toleratedUntil(r, taint, on)
	return ok && (until.IsZero() || r.Now.Before(until))
}

// toleratedUntil says whether a taint is tolerated, and until when; zero for
// ever. Of several tolerations the longest counts. Time runs from when the taint
// was added or, where that is not known, from now, for work that is there; once
// a target has a time on record, it is not put off again.
func toleratedUntil(r *Request, taint *clusterv1alpha1.Taint, on *v1alpha1.Target) (ok bool, until time.Time) {
	for i := range r.Spec.Tolerations {
		t := &r.Spec.Tolerations[i]
		if !matchesTaint(t, taint) {
			continue
		}
		if t.TolerationSeconds == nil || taint.Effect != corev1.TaintEffectNoExecute {
			return true, time.Time{}
		}
		added := r.Now
		switch {
		case taint.TimeAdded != nil:
			added = taint.TimeAdded.Time
		case on == nil:
			continue // it would have to leave at a time that nobody knows
		}
		end := added.Add(time.Duration(min(*t.TolerationSeconds, 1<<32)) * time.Second)
		if !ok || end.After(until) {
			ok, until = true, end
		}
	}
	if ok && on != nil && on.EvictAfter != nil && on.EvictAfter.Time.Before(until) {
		until = on.EvictAfter.Time
	}
	return ok, until
}

// EvictAfter returns when work of the request has to leave a cluster that it is
// on, because a toleration of a NoExecute taint runs out; zero if none does.
func (r *Request) EvictAfter(c *facts.State) (first time.Time) {
	on := r.target(c.Name)
	if on == nil || r.Spec == nil {
		return first
	}
	for i := range c.Taints {
		if c.Taints[i].Effect != corev1.TaintEffectNoExecute || !concerns(&c.Taints[i], r) {
			continue
		}
		ok, until := toleratedUntil(r, &c.Taints[i], on)
		if ok && !until.IsZero() && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	return first
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
func recheck(r *Request, fleet *facts.Snapshot) (first time.Time) {
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
		if until := r.EvictAfter(state); until.After(r.Now) && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	return first
}
