package placement

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Selector refuses clusters that the request's cluster selector does not
// select. Reasons: NotSelected, InvalidSelector.
type Selector struct{}

var _ Filter = Selector{}

// Name implements Filter.
func (Selector) Name() string { return "Selector" }

// Filter implements Filter.
func (Selector) Filter(r *Request, c *cluster.State) *Reason {
	ok, err := Matches(r.Spec.Clusters, c)
	switch {
	case err != nil:
		return &Reason{"InvalidSelector", "spec.clusters: " + err.Error()}
	case !ok:
		return &Reason{"NotSelected", "spec.clusters does not select the cluster by its name, labels or properties"}
	}
	return nil
}

// Schedulable refuses clusters that take no new work: those that are not ready
// and those that are cordoned. Work that is there stays. Reasons: NotReady,
// Cordoned.
type Schedulable struct{}

var _ Filter = Schedulable{}

// Name implements Filter.
func (Schedulable) Name() string { return "Schedulable" }

// Filter implements Filter.
func (Schedulable) Filter(r *Request, c *cluster.State) *Reason {
	switch {
	case r.On(c.Name):
		return nil
	case c.Unschedulable:
		return &Reason{"Cordoned", "the cluster is cordoned and takes no new work; uncordon it"}
	case !c.Ready:
		return &Reason{"NotReady", "the cluster is not ready: " + c.Message}
	}
	return nil
}

// Taints refuses clusters with taints that the request does not tolerate:
// NoSchedule for new work, NoExecute for all. As a scorer it prefers clusters
// without PreferNoSchedule taints. Reasons: Tainted, Evicted.
type Taints struct{}

var (
	_ Filter = Taints{}
	_ Scorer = Taints{}
)

// Name implements Filter and Scorer.
func (Taints) Name() string { return "Taints" }

// Filter implements Filter.
func (Taints) Filter(r *Request, c *cluster.State) *Reason {
	for i := range c.Taints {
		taint := &c.Taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule || tolerated(r, taint) {
			continue
		}
		code := "Tainted"
		if taint.Effect == corev1.TaintEffectNoSchedule && r.On(c.Name) {
			continue
		}
		if r.On(c.Name) {
			code = "Evicted"
		}
		return &Reason{code, fmt.Sprintf("the cluster has the taint %s=%s:%s, which spec.tolerations does not tolerate", taint.Key, taint.Value, taint.Effect)}
	}
	return nil
}

// Score implements Scorer.
func (Taints) Score(r *Request, c *cluster.State) int64 {
	for i := range c.Taints {
		if c.Taints[i].Effect == corev1.TaintEffectPreferNoSchedule && !tolerated(r, &c.Taints[i]) {
			return 0
		}
	}
	return 100
}

// ServedAPIs refuses clusters that do not serve a kind of the request. Reason:
// KindNotServed.
type ServedAPIs struct{}

var _ Filter = ServedAPIs{}

// Name implements Filter.
func (ServedAPIs) Name() string { return "ServedAPIs" }

// Filter implements Filter.
func (ServedAPIs) Filter(r *Request, c *cluster.State) *Reason {
	if c.APIs == nil {
		return nil // not known
	}
	for i := range r.Workloads {
		if kind := r.Workloads[i].Kind; !c.APIs.Serves(kind) {
			return &Reason{"KindNotServed", fmt.Sprintf("the cluster does not serve %s %s", kind.GroupVersion(), kind.Kind)}
		}
	}
	return nil
}

// Capacity refuses clusters without room for the least that they could get: all
// replicas where they are duplicated, else one or minPerCluster. What the
// request's own work uses there counts as free. Reason: InsufficientCapacity.
type Capacity struct{}

var _ Filter = Capacity{}

// Name implements Filter.
func (Capacity) Name() string { return "Capacity" }

// Filter implements Filter.
func (Capacity) Filter(r *Request, c *cluster.State) *Reason {
	if have, need := slots(r, c), atLeast(r); have < need {
		return &Reason{"InsufficientCapacity", fmt.Sprintf("the cluster has room for %d of the %d replicas that it would get at least", have, need)}
	}
	return nil
}

// atLeast is the least number of replicas that any chosen cluster gets.
func atLeast(r *Request) int64 {
	n := total(r)
	if division(r) == v1alpha1.DivisionDuplicated {
		return n
	}
	least := int64(1)
	if m := r.Spec.Division.MinPerCluster; m != nil {
		least = max(least, int64(*m))
	}
	return min(n, least)
}
