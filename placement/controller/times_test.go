package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// A fleet that starts anew says that a drain began just now. The time on record
// counts: grace is given once.
func TestTolerationSecondsAreHonouredAcrossRestarts(t *testing.T) {
	s := newSimulation(t, 2, 1, BudgetOptions{})
	k := s.keys()[0]
	s.placements[k].Spec.Tolerations = []v1alpha1.Toleration{{
		Key: clusterv1alpha1.TaintDraining, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(600)),
	}}
	s.reconcile(t, k)
	s.sync(t)
	home := s.placements[k].Status.Targets[0].Cluster
	s.fate(t, home, 1)
	require.Equal(t, noon.Add(10*time.Minute), s.placements[k].Status.Targets[0].EvictAfter.UTC(), "the owner reads when the work moves")
	for range 3 {
		s.advance(t, 3*time.Minute)
		s.change(t, home, func(c *cluster.State) {
			for i := range c.Taints {
				c.Taints[i].TimeAdded = &metav1.Time{Time: s.now}
			}
		})
		s.restart(t)
		require.Equal(t, home, text(&s.placements[k].Status)[:len(home)], "it is tolerated")
	}
	s.advance(t, 61*time.Second)
	require.Len(t, s.moves, 1, "ten minutes are over")
	require.Equal(t, noon.Add(10*time.Minute), s.moves[0].at)
}

func TestTimesOnRecord(t *testing.T) {
	earlier := metav1.Time{Time: noon.Add(-time.Hour)}
	now := metav1.Time{Time: noon}
	tests := map[string]struct {
		reason string
		was    *v1alpha1.Target
		is     v1alpha1.Target
		want   *metav1.Time
	}{
		"new":              {reason: "it was chosen now", want: &now},
		"stays":            {reason: "it was chosen then", was: &v1alpha1.Target{Since: &earlier}, want: &earlier},
		"begins to leave":  {reason: "the time is that of the role", was: &v1alpha1.Target{Since: &earlier}, is: v1alpha1.Target{Leaving: true}, want: &now},
		"still leaves":     {reason: "it is leaving since then", was: &v1alpha1.Target{Leaving: true, Since: &earlier}, is: v1alpha1.Target{Leaving: true}, want: &earlier},
		"is chosen again":  {reason: "it is chosen now", was: &v1alpha1.Target{Leaving: true, Since: &earlier}, want: &now},
		"older than field": {reason: "nobody knows, and that is no reason to write", was: &v1alpha1.Target{}, want: nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			stamp(&tc.is, tc.was, now)
			require.Equal(t, tc.want, tc.is.Since, tc.reason)
		})
	}
}
