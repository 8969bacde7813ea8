package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func deployment(name string, replicas int32) placement.Workload {
	return placement.Workload{
		Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Name: name, Replicas: &replicas,
		Requests: cluster.Resources{MilliCPU: 100, Pods: 1},
	}
}

func grants(replicas ...int32) *v1alpha1.Granted {
	g := &v1alpha1.Granted{}
	for i, n := range replicas {
		g.Objects = append(g.Objects, v1alpha1.Grant{Kind: "Deployment.apps", Name: string(rune('a' + i)), Replicas: n})
	}
	return g
}

func TestGrowthNeedsAGrant(t *testing.T) {
	type step struct {
		quota int64   // zero for no layer with a quota
		asks  []int32 // by Deployment: a, b, ...
	}
	tests := map[string]struct {
		reason string
		steps  []step
		want   *v1alpha1.Granted
		share  int64  // of the only target
		says   string // empty: placed
	}{
		"no quota":           {reason: "nothing is bounded, and nothing is on record", steps: []step{{asks: []int32{3}}, {asks: []int32{30}}}, share: 3},
		"first":              {reason: "what has its place has a grant", steps: []step{{10, []int32{3, 4}}}, want: grants(3, 4), share: 7},
		"growth within":      {reason: "it is granted", steps: []step{{10, []int32{3}}, {10, []int32{10}}}, want: grants(10), share: 3},
		"growth beyond":      {reason: "it stays at what it was", steps: []step{{10, []int32{3}}, {10, []int32{11}}}, want: grants(3), share: 3, says: "Deployment a asks for 11 replicas and stays at 3, for with them the Placements of the workspace would use 11 of 10 replicas"},
		"one of two":         {reason: "who fits grows, who does not is held", steps: []step{{10, []int32{3, 3}}, {10, []int32{9, 5}}}, want: grants(3, 5), share: 6, says: "a asks for 9 replicas and stays at 3"},
		"shrunk and regrown": {reason: "what was given back needs a new grant", steps: []step{{10, []int32{8}}, {10, []int32{2}}, {10, []int32{7}}}, want: grants(7), share: 8},
		"a newcomer":         {reason: "an object that joins asks as growth does", steps: []step{{5, []int32{4}}, {5, []int32{4, 2}}}, want: grants(4, 0), share: 4, says: "b asks for 2 replicas and stays at 0"},
		"quota comes later":  {reason: "what is there stays, and is told of", steps: []step{{asks: []int32{8}}, {5, []int32{8}}}, want: grants(8), share: 8, says: "8 of 5 replicas"},
		"quota is lowered":   {reason: "what was granted stays; growth does not", steps: []step{{10, []int32{8}}, {5, []int32{9}}}, want: grants(8), share: 8, says: "a asks for 9 replicas and stays at 8"},
		"quota goes":         {reason: "nothing bounds the work any more", steps: []step{{10, []int32{8}}, {asks: []int32{20}}}, share: 8},
		"all is gone":        {reason: "who comes under an old name has nothing granted", steps: []step{{10, []int32{8}}, {10, nil}, {10, []int32{11}}}, want: grants(0), share: 8, says: "a asks for 11 replicas and stays at 0"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, questions := burst(t, 1, 1)
			q := questions[0]
			q.placement.Spec.Division = &v1alpha1.Division{Type: v1alpha1.DivisionCapacity}
			var a *answer
			for _, s := range tc.steps {
				q.workloads, q.policies = nil, nil
				for i, n := range s.asks {
					q.workloads = append(q.workloads, deployment(string(rune('a'+i)), n))
				}
				if s.quota > 0 {
					q.policies = []named{{"platform", &Policy{Quota: &Quota{Replicas: s.quota}}}}
				}
				var err error
				a, err = c.decide(t.Context(), q)
				require.NoError(t, err)
				require.Empty(t, a.moves, "nobody is disturbed")
				q.placement.Status = a.status
			}
			require.Equal(t, tc.want, a.status.Granted, tc.reason)
			require.Equal(t, tc.share, *a.status.Targets[0].Share, tc.reason)
			outcome := placed(&a.status)
			if tc.says == "" {
				require.Equal(t, v1alpha1.ReasonPlaced, outcome.Reason, outcome.Message)
				return
			}
			require.Equal(t, ReasonQuotaExceeded, outcome.Reason, tc.reason)
			require.Contains(t, outcome.Message, tc.says, tc.reason)
			require.True(t, a.interest.waiting, "it asks again when there is room")
		})
	}
}

func TestAFreedQuotaWakesWhoIsHeld(t *testing.T) {
	c, questions := burst(t, 1, 2)
	decide := func(i int, replicas int32) *answer {
		q := questions[i]
		q.workloads, q.policies = []placement.Workload{deployment("a", replicas)}, []named{{"platform", &Policy{Quota: &Quota{Replicas: 10}}}}
		a, err := c.decide(t.Context(), q)
		require.NoError(t, err)
		q.placement.Status = a.status
		c.index.set(q.key(), a.interest)
		return a
	}
	decide(0, 6)
	decide(1, 2)
	require.Equal(t, grants(2), decide(1, 5).status.Granted)
	require.Contains(t, decide(0, 5).concerned, questions[1].key())
	require.Equal(t, grants(5), decide(1, 5).status.Granted)
	require.Equal(t, grants(5), decide(0, 6).status.Granted, "and now the other waits")
}

func TestMoreObjectsThanAGrantLists(t *testing.T) {
	c, questions := burst(t, 1, 1)
	q := questions[0]
	q.policies = []named{{"platform", &Policy{Quota: &Quota{Replicas: 1000}}}}
	q.workloads = nil
	for i := range v1alpha1.MostGrants + 2 {
		w := deployment(fmt.Sprintf("d%03d", i), 1)
		w.Requests = cluster.Resources{}
		q.workloads = append(q.workloads, w)
	}
	a, err := c.decide(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, a.status.Granted.Objects, v1alpha1.MostGrants)
	require.Contains(t, placed(&a.status).Message, "and 2 of this one have none")
}

// Whatever is asked for, in whatever order, the workspace never runs more than its
// quota, and what runs never becomes less than it was, but for who asks for less.
func TestGrantsNeitherExceedTheQuotaNorTakeBack(t *testing.T) {
	c0, _ := burst(t, 1, 1)
	rapid.Check(t, func(rt *rapid.T) {
		_, questions := burst(t, 2, 3)
		c := controllerWith(t, c0.engine)
		quota := rapid.Int64Range(1, 20).Draw(rt, "quota")
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			q := questions[rapid.IntRange(0, 2).Draw(rt, "placement")]
			before := q.placement.Status.Granted
			q.policies = []named{{"platform", &Policy{Quota: &Quota{Replicas: quota}}}}
			q.workloads = nil
			asks := rapid.SliceOfN(rapid.Int32Range(0, 12), 1, 3).Draw(rt, "asks")
			for i, n := range asks {
				q.workloads = append(q.workloads, deployment(string(rune('a'+i)), n))
			}
			q.placement.Spec.Division = &v1alpha1.Division{Type: v1alpha1.DivisionEven}
			a, err := c.decide(t.Context(), q)
			require.NoError(rt, err)
			q.placement.Status = a.status
			total := int64(0)
			for _, other := range questions {
				if other.placement.Status.Granted == nil {
					continue
				}
				for _, g := range other.placement.Status.Granted.Objects {
					total += int64(g.Replicas)
				}
			}
			require.LessOrEqual(rt, total, quota)
			if before == nil {
				continue
			}
			for i, n := range asks {
				name, kind := string(rune('a'+i)), schema.GroupKind{Group: "apps", Kind: "Deployment"}
				require.GreaterOrEqual(rt, a.status.Granted.Of(kind, name, n), before.Of(kind, name, n), "what ran goes on")
			}
		}
	})
}
