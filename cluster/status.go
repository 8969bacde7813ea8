package cluster

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Reasons of conditions that are true, or that have a reason of their own.
const (
	// ReasonAnswering: Reachable, since the API server answers.
	ReasonAnswering = "Answering"
	// ReasonRenewing: Reachable, in pull mode, since the agent renews its Lease.
	ReasonRenewing = "Renewing"
	// ReasonReady: Ready.
	ReasonReady = "Ready"
	// ReasonSchedulable: Schedulable.
	ReasonSchedulable = "Schedulable"
	// ReasonCordoned: not Schedulable, since spec.unschedulable is set or the
	// object is being deleted.
	ReasonCordoned = "Cordoned"
	// ReasonDraining: not Schedulable, since spec.drain is set.
	ReasonDraining = "Draining"
	// ReasonNotReady: not Schedulable, since not Ready.
	ReasonNotReady = "NotReady"
	// ReasonIdentified: Identified.
	ReasonIdentified = "Identified"
	// ReasonRebuilt: Identified, but as another cluster than once before.
	ReasonRebuilt = "Rebuilt"
	// ReasonNothingWrong: not Degraded.
	ReasonNothingWrong = "NothingWrong"
)

// statusOf returns the status that an object should have. Conditions keep the
// time of their last transition.
func statusOf(st *State, old *v1alpha1.PhysicalClusterStatus, generation int64) v1alpha1.PhysicalClusterStatus {
	status := v1alpha1.PhysicalClusterStatus{
		ObservedGeneration: generation,
		Conditions:         slices.Clone(old.Conditions),
		ClusterUID:         st.UID,
		Version:            st.Version,
	}
	if st.UID == old.ClusterUID {
		// What has not been read again still holds.
		status.Version, status.Capacity, status.APIs = orText(st.Version, old.Version), old.Capacity, old.APIs
		status.Work = old.Work
	}
	if st.CapacityKnown {
		status.Capacity = &v1alpha1.Capacity{
			Nodes: st.Nodes, Allocatable: st.Allocatable.List(), Allocated: st.Allocated.List(),
		}
		status.Capacity.Used, status.Capacity.UsedAt = usedOf(st)
	}
	if st.APIs != nil {
		status.APIs = apiNames(st.APIs)
	}
	for _, c := range conditionsOf(st, old) {
		c.ObservedGeneration = generation
		meta.SetStatusCondition(&status.Conditions, c)
	}
	return status
}

func orText(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// conditionsOf returns the conditions of a state.
func conditionsOf(st *State, old *v1alpha1.PhysicalClusterStatus) []metav1.Condition {
	reachable := metav1.Condition{Type: v1alpha1.ConditionReachable, Status: metav1.ConditionTrue, Reason: ReasonAnswering, Message: "the API server answers"}
	switch {
	case st.Reachable && st.Pull:
		reachable.Reason, reachable.Message = ReasonRenewing, "the agent in the cluster renews its Lease"
	case st.Reachable:
	case st.UnreachableSince.IsZero():
		reachable.Status, reachable.Reason, reachable.Message = metav1.ConditionUnknown, st.Reason, st.Message
	default:
		reachable.Status, reachable.Reason, reachable.Message = metav1.ConditionFalse, ReasonUnreachable, st.Message
		reachable.LastTransitionTime = metav1.NewTime(st.UnreachableSince)
	}

	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: st.Reason, Message: st.Message}
	if st.Ready {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionTrue, ReasonReady, "the cluster can run work"
	}

	schedulable := metav1.Condition{Type: v1alpha1.ConditionSchedulable, Status: metav1.ConditionFalse}
	switch {
	case st.Draining:
		schedulable.Reason, schedulable.Message = ReasonDraining, "spec.drain is set: work is moved away"
	case st.Unschedulable:
		schedulable.Reason, schedulable.Message = ReasonCordoned, "the cluster is cordoned: it takes no new work"
	case !st.Ready:
		schedulable.Reason, schedulable.Message = ReasonNotReady, "the cluster is not ready"
	default:
		schedulable.Status, schedulable.Reason, schedulable.Message = metav1.ConditionTrue, ReasonSchedulable, "new work may be placed"
	}
	all := []metav1.Condition{reachable, identified(st, old), ready, schedulable}
	if len(st.Concerns) > 0 || meta.FindStatusCondition(old.Conditions, v1alpha1.ConditionDegraded) != nil {
		all = append(all, degraded(st))
	}
	return all
}

// degraded has the first reason, and all messages.
func degraded(st *State) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionFalse, Reason: ReasonNothingWrong, Message: "nothing is known to be wrong"}
	if len(st.Concerns) == 0 {
		return c
	}
	messages := make([]string, len(st.Concerns))
	for i, concern := range st.Concerns {
		messages[i] = concern.Message
	}
	c.Status, c.Reason, c.Message = metav1.ConditionTrue, st.Concerns[0].Reason, strings.Join(messages, "; ")
	return c
}

// identified says which cluster answers. That it is another one than once
// before stays said for as long as it is this one.
func identified(st *State, old *v1alpha1.PhysicalClusterStatus) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionIdentified, Status: metav1.ConditionTrue, Reason: ReasonIdentified, Message: "the UID of kube-system is known"}
	before := meta.FindStatusCondition(old.Conditions, v1alpha1.ConditionIdentified)
	switch {
	case st.UID == "":
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, ReasonIdentityUnknown, "the UID of kube-system has not been read"
	case old.ClusterUID != "" && old.ClusterUID != st.UID:
		c.Reason = ReasonRebuilt
		c.Message = fmt.Sprintf("another cluster answers under this name: the UID of kube-system was %s, it is %s", old.ClusterUID, st.UID)
	case before != nil && before.Reason == ReasonRebuilt:
		c.Reason, c.Message = before.Reason, before.Message
	}
	return c
}

// apiNames are sorted.
func apiNames(set *APISet) []string {
	var names []string
	for _, a := range set.List() {
		names = append(names, a.Resource.Resource+"."+a.Resource.Version+"."+a.Resource.Group)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// urgency of the difference between two statuses.
type urgency int

const (
	// none: nothing differs.
	none urgency = iota
	// noise: only amounts differ, which always change a little, or how a
	// failure reads.
	noise
	// news: something that somebody waits for differs.
	news
)

func compareStatus(old, desired *v1alpha1.PhysicalClusterStatus) urgency {
	if equality.Semantic.DeepEqual(old, desired) {
		return none
	}
	if (old.Capacity == nil) != (desired.Capacity == nil) || (old.Capacity != nil && old.Capacity.Nodes != desired.Capacity.Nodes) {
		return news
	}
	rest := *desired
	rest.Capacity, rest.Conditions = old.Capacity, slices.Clone(desired.Conditions)
	for i := range rest.Conditions {
		// One failure may read in several ways.
		if c := meta.FindStatusCondition(old.Conditions, rest.Conditions[i].Type); c != nil {
			rest.Conditions[i].Message = c.Message
		}
	}
	if equality.Semantic.DeepEqual(old, &rest) {
		return noise
	}
	return news
}

// onlyAmounts says whether two states differ in amounts of capacity alone.
func onlyAmounts(a, b *State) bool {
	if a.Nodes != b.Nodes || a.CapacityKnown != b.CapacityKnown {
		return false
	}
	same := *b
	same.Allocatable, same.Allocated = a.Allocatable, a.Allocated
	same.Used, same.UsedAt = a.Used, a.UsedAt
	same.FreeSlots, same.MoreSlots = a.FreeSlots, a.MoreSlots
	return a != b && sameState(a, &same)
}
