package operations

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestJudge(t *testing.T) {
	deleted := func(ago time.Duration) func(*situation) {
		return func(s *situation) { s.object.DeletionTimestamp = &metav1.Time{Time: noon.Add(-ago)} }
	}
	silent := func(ago time.Duration) func(*situation) {
		return func(s *situation) {
			s.state.Reachable, s.state.UnreachableSince = false, noon.Add(-ago)
			s.workErr = errors.New("connection refused")
		}
	}
	all := func(fns ...func(*situation)) func(*situation) {
		return func(s *situation) {
			for _, fn := range fns {
				fn(s)
			}
		}
	}
	cases := map[string]struct {
		reason  string
		given   func(*situation)
		want    string
		status  metav1.ConditionStatus
		release bool
		again   time.Duration
	}{
		"drained": {
			reason: "nothing is left, and nothing is being deleted", given: func(*situation) {},
			want: ReasonEmpty, status: metav1.ConditionTrue,
		},
		"draining": {
			reason: "what is left is said", given: func(s *situation) { s.work = v1alpha1.Work{Copies: 3, Tenants: 2} },
			want: ReasonWorkLeft, status: metav1.ConditionFalse, again: recount,
		},
		"removed": {
			reason: "nothing is left, and nothing came for a while", given: deleted(time.Minute),
			want: ReasonEmpty, status: metav1.ConditionTrue, release: true,
		},
		"removed just now": {
			reason: "a copy may be on its way", given: deleted(5 * time.Second),
			want: ReasonSettling, status: metav1.ConditionFalse, again: 10 * time.Second,
		},
		"removed with work": {
			reason: "work holds the object, however long", given: all(deleted(48*time.Hour), func(s *situation) { s.work.Copies = 1 }),
			want: ReasonWorkLeft, status: metav1.ConditionFalse, again: recount,
		},
		"abandoned": {
			reason: "the platform says so", given: all(deleted(0), func(s *situation) { s.work.Copies, s.object.Spec.Removal = 1, v1alpha1.RemovalAbandon }),
			want: ReasonAbandoned, status: metav1.ConditionUnknown, release: true,
		},
		"to be abandoned": {
			reason: "the policy is about removal, not about a drain", given: func(s *situation) { s.work.Copies, s.object.Spec.Removal = 1, v1alpha1.RemovalAbandon },
			want: ReasonWorkLeft, status: metav1.ConditionFalse, again: recount,
		},
		"does not answer": {
			reason: "absence is not deletion", given: all(deleted(time.Minute), silent(10*time.Minute)),
			want: ReasonNotCounted, status: metav1.ConditionUnknown, again: recount,
		},
		"does not answer for long": {
			reason: "a lost cluster holds its object for a while only", given: all(deleted(2*time.Hour), silent(3*time.Hour)),
			want: ReasonLost, status: metav1.ConditionUnknown, release: true,
		},
		"was lost before": {
			reason: "the time counts from the deletion", given: all(deleted(time.Minute), silent(300*time.Hour)),
			want: ReasonNotCounted, status: metav1.ConditionUnknown, again: recount,
		},
		"lost, never given up": {
			reason: "less than zero is for ever", given: all(deleted(2*time.Hour), silent(3*time.Hour), func(s *situation) { s.lostAfter = -1 }),
			want: ReasonNotCounted, status: metav1.ConditionUnknown, again: recount,
		},
		"lost, drained only": {
			reason: "nothing is being deleted", given: silent(3 * time.Hour),
			want: ReasonNotCounted, status: metav1.ConditionUnknown, again: recount,
		},
		"may not be listed": {
			reason: "a refusal proves nothing", given: all(deleted(100*time.Hour), func(s *situation) { s.workErr = errors.New("forbidden") }),
			want: ReasonNotCounted, status: metav1.ConditionUnknown, again: recount,
		},
		"never answered": {
			reason: "it was never given work", given: all(deleted(0), func(s *situation) { s.state.UID = "" }),
			want: ReasonNeverConnected, status: metav1.ConditionTrue, release: true,
		},
		"answered once": {
			reason: "another process knew it", given: all(deleted(time.Minute), silent(time.Minute), func(s *situation) { s.state.UID, s.object.Status.ClusterUID = "", "uid" }),
			want: ReasonNotCounted, status: metav1.ConditionUnknown, again: recount,
		},
		"registered twice": {
			reason: "the work is the other's", given: all(deleted(0), func(s *situation) { s.state.Reason, s.work.Copies = cluster.ReasonDuplicate, 5 }),
			want: ReasonDuplicate, status: metav1.ConditionUnknown, release: true,
		},
		"not in the fleet": {
			reason: "the fleet may not have read it yet", given: all(deleted(time.Minute), func(s *situation) { s.state = nil }),
			want: ReasonNotCounted, status: metav1.ConditionUnknown, again: recount,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := &situation{
				object: &v1alpha1.PhysicalCluster{}, state: &cluster.State{Name: "a", UID: "uid", Reachable: true},
				now: noon, settle: 15 * time.Second, lostAfter: time.Hour,
			}
			tc.given(s)
			got := judge(s)
			require.Equal(t, tc.want, got.reason, tc.reason)
			require.Equal(t, tc.status, got.status, tc.reason)
			require.Equal(t, tc.release, got.release, tc.reason)
			require.Equal(t, tc.again, got.again, tc.reason)
			require.NotEmpty(t, got.message)
		})
	}
}
