package syncer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStall(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	since := func(status string, ago time.Duration) map[string]any {
		return map[string]any{"conditions": []any{map[string]any{"type": "Healthy", "status": status, "lastTransitionTime": now.Add(-ago).Format(time.RFC3339)}}}
	}
	progressing := metav1.Condition{Type: "Healthy", Status: metav1.ConditionFalse, Reason: ReasonProgressing, Message: "east: 1 of 2"}
	tests := map[string]struct {
		reason  string
		within  time.Duration
		c       metav1.Condition
		current map[string]any
		want    string
		left    time.Duration
	}{
		"just begun":     {reason: "it has all its time", within: 10 * time.Minute, c: progressing, want: ReasonProgressing, left: 10 * time.Minute},
		"on its way":     {reason: "some is left", within: 10 * time.Minute, c: progressing, current: since("False", 4*time.Minute), want: ReasonProgressing, left: 6 * time.Minute},
		"too long":       {reason: "none is left", within: 10 * time.Minute, c: progressing, current: since("False", 10*time.Minute), want: ReasonStalled},
		"was healthy":    {reason: "the time counts from now", within: 10 * time.Minute, c: progressing, current: since("True", time.Hour), want: ReasonProgressing, left: 10 * time.Minute},
		"for ever":       {reason: "no deadline was set", c: progressing, current: since("False", time.Hour), want: ReasonProgressing},
		"has failed":     {reason: "that is worse than stalled", within: time.Minute, c: metav1.Condition{Type: "Healthy", Status: metav1.ConditionFalse, Reason: ReasonDegraded}, current: since("False", time.Hour), want: ReasonDegraded},
		"unknown to all": {reason: "a health that is not known makes no progress", within: time.Minute, c: metav1.Condition{Type: "Healthy", Status: metav1.ConditionUnknown, Reason: ReasonUnknown}, want: ReasonUnknown},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			o := &options{progressWithin: tc.within}
			got := o.stall(tc.c, tc.current, now)
			require.Equal(t, tc.want, got.Reason, tc.reason)
			require.Equal(t, tc.c.Status, got.Status, "a stall is no change of the status: its time stays")
			if tc.want == ReasonStalled {
				require.Equal(t, "not healthy after 10m0s: east: 1 of 2", got.Message)
				return
			}
			left, _ := o.stallsIn(tc.c, tc.current, now)
			require.Equal(t, tc.left, left, tc.reason)
		})
	}
}

func TestStalledOriginalsAreCountedOnce(t *testing.T) {
	m, err := newMetrics(nil)
	require.NoError(t, err)
	l := &Loop{metrics: m, stalled: map[Key]struct{}{}, records: map[Key]*record{}}
	a, b := Key{Name: "a"}, Key{Name: "b"}
	l.noteStalled(a, true)
	l.noteStalled(a, true)
	l.noteStalled(b, true)
	require.Len(t, l.stalled, 2)
	l.noteStalled(a, false)
	l.forget(b)
	require.Empty(t, l.stalled)
}
