package controller

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

func TestEffectOf(t *testing.T) {
	taint := clusterv1alpha1.Taint{Key: "k", Effect: corev1.TaintEffectNoSchedule}
	base := func(edits ...func(*cluster.State)) *cluster.State {
		s := &cluster.State{
			Name: "a", Ready: true, Reachable: true, CapacityKnown: true, Labels: map[string]string{"env": "prod"},
			Allocatable: cluster.Resources{MilliCPU: 1000, Pods: 10}, Allocated: cluster.Resources{MilliCPU: 500},
			Properties: map[string]cluster.Property{"cost": cluster.ParseProperty("1", noon)},
			APIs:       cluster.NewAPISet(),
		}
		for _, edit := range edits {
			edit(s)
		}
		return s
	}
	served := cluster.NewAPISet(cluster.API{Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}})
	tests := map[string]struct {
		reason   string
		old, now *cluster.State
		want     effect
	}{
		"joined":           {reason: "it may fit those who wait, and be named by those who knew it", now: base(), want: wakesNamed | wakesWaiting},
		"left":             {reason: "those named must go elsewhere", old: base(), want: wakesNamed | wakesLater},
		"nothing":          {reason: "equal states", old: base(), now: base()},
		"used":             {reason: "less capacity moves nothing and helps no one", old: base(), now: base(func(s *cluster.State) { s.Allocated.MilliCPU = 900 })},
		"freed":            {reason: "more capacity may be enough", old: base(), now: base(func(s *cluster.State) { s.Allocated.MilliCPU = 100 }), want: wakesLater},
		"freed, not ready": {reason: "it takes no work anyway", old: base(notReady), now: base(notReady, func(s *cluster.State) { s.Allocated.MilliCPU = 100 })},
		"extended freed":   {reason: "any resource counts", old: base(), now: base(func(s *cluster.State) { s.Allocatable.Extended = map[corev1.ResourceName]int64{"gpu": 1} }), want: wakesLater},
		"not ready":        {reason: "a rule may drop it", old: base(), now: base(notReady), want: wakesNamed | wakesLater},
		"ready again":      {reason: "and it may fit", old: base(notReady), now: base(), want: wakesNamed | wakesWaiting},
		"tainted":          {reason: "it fits no one better", old: base(), now: base(func(s *cluster.State) { s.Taints = append(s.Taints, taint) }), want: wakesNamed | wakesLater},
		"taint gone":       {reason: "it may fit", old: base(func(s *cluster.State) { s.Taints = append(s.Taints, taint) }), now: base(), want: wakesNamed | wakesWaiting},
		"cordoned":         {reason: "named ones keep it, after a look", old: base(), now: base(func(s *cluster.State) { s.Unschedulable = true }), want: wakesNamed | wakesLater},
		"uncordoned":       {reason: "it may fit", old: base(func(s *cluster.State) { s.Unschedulable = true }), now: base(), want: wakesNamed | wakesWaiting},
		"labelled":         {reason: "selectors", old: base(), now: base(func(s *cluster.State) { s.Labels = map[string]string{"env": "dev"} }), want: wakesNamed | wakesWaiting},
		"moved":            {reason: "topology", old: base(), now: base(func(s *cluster.State) { s.Zone = "z" }), want: wakesNamed | wakesWaiting},
		"property": {reason: "only those who look", old: base(), now: base(func(s *cluster.State) {
			s.Properties = map[string]cluster.Property{"cost": cluster.ParseProperty("2", noon)}
		}), want: wakesCurious | wakesWaiting},
		"property read": {reason: "an age is no news", old: base(), now: base(func(s *cluster.State) {
			s.Properties = map[string]cluster.Property{"cost": cluster.ParseProperty("1", noon.Add(time.Hour))}
		})},
		"upgraded": {reason: "versions are properties", old: base(), now: base(func(s *cluster.State) { s.Version = "v2" }), want: wakesCurious | wakesWaiting},
		"APIs":     {reason: "kinds may be served now, or no more", old: base(), now: base(func(s *cluster.State) { s.APIs = served }), want: wakesNamed | wakesWaiting},
		"nodes":    {reason: "their number is no rule", old: base(), now: base(func(s *cluster.State) { s.Nodes = 9 })},
		"grace is over": {reason: "NoExecute joins NoSchedule", old: base(notReady), now: base(notReady, func(s *cluster.State) {
			s.Taints = append(s.Taints, clusterv1alpha1.Taint{Key: clusterv1alpha1.TaintUnreachable, Effect: corev1.TaintEffectNoExecute})
		}), want: wakesNamed | wakesLater},
		"taint renewed": {reason: "tolerations count from its time", old: base(func(s *cluster.State) { s.Taints = append(s.Taints, taint) }), now: base(func(s *cluster.State) {
			renewed := taint
			renewed.TimeAdded = &metav1.Time{Time: noon}
			s.Taints = append(s.Taints, renewed)
		}), want: wakesNamed | wakesLater},
		"capacity was read":  {reason: "a rule begins to apply", old: base(func(s *cluster.State) { s.CapacityKnown = false }), now: base(), want: wakesWaiting},
		"message of trouble": {reason: "words are no rule", old: base(notReady), now: base(notReady, func(s *cluster.State) { s.Message = "still" })},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, effectOf(cluster.Change{Old: tc.old, New: tc.now}), tc.reason)
		})
	}
}

func notReady(s *cluster.State) { s.Ready = false }
