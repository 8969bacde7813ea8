package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func TestQuotaOfAWorkspace(t *testing.T) {
	cores := func(n string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(n)}
	}
	tests := map[string]struct {
		reason string
		quota  Quota
		want   int // of ten Placements of one replica and one core
		says   string
	}{
		"no bound":  {reason: "the zero value bounds nothing", want: 10},
		"replicas":  {reason: "the fourth would be one too many", quota: Quota{Replicas: 3}, want: 3, says: `would use 4 of 3 replicas, by layer "platform"`},
		"resources": {reason: "so would the third core", quota: Quota{Resources: cores("2500m")}, want: 2, says: `would use 3 of 2500m cpu, by layer "platform"`},
		"both":      {reason: "both are told", quota: Quota{Replicas: 1, Resources: cores("1")}, want: 1, says: "2 of 1 replicas and 2 of 1 cpu"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, questions := burst(t, 3, 10)
			placedOnes := 0
			for _, q := range questions {
				q.policies = []named{{"platform", &Policy{Quota: &tc.quota}}}
				a, err := c.decide(t.Context(), q)
				require.NoError(t, err)
				if outcome := placed(&a.status); outcome.Reason == ReasonQuotaExceeded {
					require.Empty(t, a.status.Targets)
					require.Contains(t, outcome.Message, tc.says)
					require.True(t, a.interest.waiting)
					continue
				}
				placedOnes++
			}
			require.Equal(t, tc.want, placedOnes, tc.reason)
		})
	}
}

func TestQuotaThatIsLoweredMovesNothingAndRoomIsUsed(t *testing.T) {
	c, questions := burst(t, 3, 3)
	decide := func(i int, replicas int64) *answer {
		questions[i].policies = []named{{"platform", &Policy{Quota: &Quota{Replicas: replicas}}}}
		a, err := c.decide(t.Context(), questions[i])
		require.NoError(t, err)
		questions[i].placement.Status = a.status
		c.index.set(questions[i].key(), a.interest)
		return a
	}
	decide(0, 2)
	decide(1, 2)
	require.Empty(t, decide(2, 2).status.Targets)
	a := decide(0, 1)
	require.Len(t, a.status.Targets, 1, "what is there stays")
	require.Empty(t, a.moves)
	require.Equal(t, ReasonQuotaExceeded, placed(&a.status).Reason, "and the owner is told")
	questions[0].workloads = nil
	a = decide(0, 2)
	require.Contains(t, a.concerned, questions[2].key(), "there is room now")
	require.Len(t, decide(2, 2).status.Targets, 1)

	questions[1].workspace = "another"
	require.Len(t, decide(1, 1).status.Targets, 1, "a workspace has a quota of its own")
}

func TestQuotaCountsDuplicatesPerCluster(t *testing.T) {
	c, questions := burst(t, 3, 1)
	q := questions[0]
	q.placement.Spec.Count = &v1alpha1.Count{Min: new(int32(3)), Max: new(int32(3))}
	q.policies = []named{{"platform", &Policy{Quota: &Quota{Replicas: 2}}}}
	a, err := c.decide(t.Context(), q)
	require.NoError(t, err)
	require.Contains(t, placed(&a.status).Message, "3 of 2 replicas")
}
