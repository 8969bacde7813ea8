package operations

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Reasons of the condition Drained, and of the event that tells of a release.
// The set is closed.
const (
	// ReasonEmpty: no work is left.
	ReasonEmpty = "Empty"
	// ReasonSettling: none is left, and a little time is given to what may
	// still be on its way.
	ReasonSettling = "Settling"
	// ReasonWorkLeft: work is left.
	ReasonWorkLeft = "WorkLeft"
	// ReasonNotCounted: it can't be told what is left.
	ReasonNotCounted = "NotCounted"
	// ReasonAbandoned: spec.removal asks that work be left behind.
	ReasonAbandoned = "Abandoned"
	// ReasonLost: the cluster has not answered for so long that it is given up.
	ReasonLost = "Lost"
	// ReasonNeverConnected: the cluster never had any work, since it never
	// answered.
	ReasonNeverConnected = "NeverConnected"
	// ReasonDuplicate: the work belongs to another registration of the cluster.
	ReasonDuplicate = "Duplicate"
)

// situation is what is known of a cluster that work should leave.
type situation struct {
	object *v1alpha1.PhysicalCluster
	// state is nil if the fleet does not have the cluster.
	state *cluster.State
	// work that was counted, or why it was not.
	work    v1alpha1.Work
	workErr error

	now               time.Time
	settle, lostAfter time.Duration
}

// verdict says what the condition Drained should be, and whether the object
// may go.
type verdict struct {
	status          metav1.ConditionStatus
	reason, message string
	// work is nil if it is not known.
	work *v1alpha1.Work
	// release the object, if it is being deleted.
	release bool
	// again is when to look again; zero: when something changes.
	again time.Duration
}

// recount is the time between two counts.
const recount = 5 * time.Second

// leaving says whether work should leave the cluster.
func leaving(pc *v1alpha1.PhysicalCluster) bool {
	return pc.DeletionTimestamp != nil || pc.Spec.Drain || slices.ContainsFunc(pc.Spec.Taints, func(t v1alpha1.Taint) bool { return evicts(&t) })
}

// tenantsLeaving returns the workspaces whose work alone should leave, sorted;
// none if all should, or none.
func tenantsLeaving(pc *v1alpha1.PhysicalCluster) (tenants []string) {
	if pc.DeletionTimestamp != nil || pc.Spec.Drain {
		return nil
	}
	for i := range pc.Spec.Taints {
		t := &pc.Spec.Taints[i]
		switch {
		case !evicts(t):
		case t.Workspace == "":
			return nil
		default:
			tenants = append(tenants, t.Workspace)
		}
	}
	slices.Sort(tenants)
	return tenants
}

// evicts says whether a taint is an eviction.
func evicts(t *v1alpha1.Taint) bool {
	return t.Key == v1alpha1.TaintEvicted && t.Effect == corev1.TaintEffectNoExecute
}

// judge a situation.
func judge(s *situation) verdict {
	deleting := s.object.DeletionTimestamp != nil
	unknown := func(why string) verdict {
		if deleting {
			why += "; set spec.removal to Abandon to remove the cluster all the same, and leave there what it runs"
		}
		return verdict{status: metav1.ConditionUnknown, reason: ReasonNotCounted, message: why, again: recount}
	}
	gone := func(status metav1.ConditionStatus, reason, message string) verdict {
		return verdict{status: status, reason: reason, message: message, release: deleting}
	}
	switch {
	case deleting && s.object.Spec.Removal == v1alpha1.RemovalAbandon:
		return gone(metav1.ConditionUnknown, ReasonAbandoned, "spec.removal is Abandon: what the cluster runs stays there, and nobody looks after it")
	case s.state == nil:
		return unknown("the cluster is not in the fleet")
	case s.state.Reason == cluster.ReasonDuplicate:
		return gone(metav1.ConditionUnknown, ReasonDuplicate, "another registration is of the same cluster, and work there belongs to it")
	case s.state.UID == "" && s.object.Status.ClusterUID == "":
		return gone(metav1.ConditionTrue, ReasonNeverConnected, "the cluster never answered: it was never given any work")
	case s.workErr != nil:
		if left, lost := s.lost(); lost && deleting {
			if left <= 0 {
				return gone(metav1.ConditionUnknown, ReasonLost, fmt.Sprintf("the cluster has not answered for %s and is given up: work may be left there", s.lostAfter))
			}
			v := unknown(fmt.Sprintf("the cluster does not answer (%v); it is given up in %s", s.workErr, left.Round(time.Second)))
			v.again = min(left, recount)
			return v
		}
		return unknown("what is left can't be counted: " + s.workErr.Error())
	case s.work.Copies > 0:
		return verdict{
			status: metav1.ConditionFalse, reason: ReasonWorkLeft, work: &s.work, again: recount,
			message: fmt.Sprintf("%d copies of %d tenants are left; they leave when other clusters have taken them over, or can't if none fits", s.work.Copies, s.work.Tenants),
		}
	}
	if deleting {
		if left := s.object.DeletionTimestamp.Add(s.settle).Sub(s.now); left > 0 {
			return verdict{status: metav1.ConditionFalse, reason: ReasonSettling, message: "no work is left; the cluster goes when none appears for a little while", work: &s.work, again: left}
		}
	}
	v := gone(metav1.ConditionTrue, ReasonEmpty, "no work is left")
	v.work = &s.work
	return v
}

// lost says whether the cluster ceased to answer, and how long it is waited
// for.
func (s *situation) lost() (left time.Duration, lost bool) {
	if s.state.Reachable || s.state.UnreachableSince.IsZero() || s.lostAfter < 0 || s.object.DeletionTimestamp == nil {
		return 0, false
	}
	since := s.state.UnreachableSince
	if d := s.object.DeletionTimestamp.Time; d.After(since) {
		since = d
	}
	return since.Add(s.lostAfter).Sub(s.now), true
}
