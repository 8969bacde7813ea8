package transform_test

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// seen makes the observation of a copy whose generation is 1 of its status.
func seen(tb testing.TB, cluster, status string) transform.Observed {
	tb.Helper()
	if status == "" {
		return transform.Observed{Cluster: cluster}
	}
	return transform.Observed{Cluster: cluster, Copy: object(tb, "{kind: X, metadata: {generation: 1}, status: "+status+"}")}
}

// original has generation 7.
func original(tb testing.TB) *unstructured.Unstructured {
	tb.Helper()
	return object(tb, "{kind: X, metadata: {generation: 7}, status: {observedGeneration: 6}}")
}

type statusCase struct {
	reason string
	copies []string // status by cluster: a, b, c; "" for a copy that is not there
	want   string
}

func checkStatus(t *testing.T, aggregator transform.Aggregator, cases map[string]statusCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			copies := make([]transform.Observed, 0, len(tc.copies))
			for i, status := range tc.copies {
				copies = append(copies, seen(t, string(rune('a'+i)), status))
			}
			got, err := aggregator.Aggregate(original(t), copies)
			require.NoError(t, err)
			want, _ := object(t, "{kind: X, status: "+tc.want+"}").Object["status"].(map[string]any)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDeploymentStatus(t *testing.T) {
	checkStatus(t, aggregatorFor("apps", "Deployment"), map[string]statusCase{
		"none":         {"nothing is invented", nil, "{}"},
		"one":          {"never lossy for one", []string{"{observedGeneration: 1, replicas: 2, collisionCount: 3, extra: {a: b}, conditions: [{type: Available, status: 'True', message: m}]}"}, "{observedGeneration: 7, replicas: 2, collisionCount: 3, extra: {a: b}, conditions: [{type: Available, status: 'True', message: m}]}"},
		"two":          {"counts are summed", []string{"{observedGeneration: 1, replicas: 2, readyReplicas: 1, unavailableReplicas: 1}", "{observedGeneration: 1, replicas: 3, readyReplicas: 3}"}, "{observedGeneration: 7, replicas: 5, readyReplicas: 4, unavailableReplicas: 1}"},
		"one of two":   {"a cluster that has not answered is none that has", []string{"{observedGeneration: 1, replicas: 2}", ""}, "{observedGeneration: 6, replicas: 2}"},
		"old news":     {"observedGeneration is the original's only when every cluster has seen it", []string{"{observedGeneration: 1, replicas: 2}", "{observedGeneration: 0, replicas: 2}"}, "{observedGeneration: 6, replicas: 4}"},
		"conditions":   {"one bad cluster is bad, and named", []string{"{conditions: [{type: Available, status: 'True', message: fine}]}", "{conditions: [{type: Available, status: 'False', reason: Few, message: bad}]}"}, "{observedGeneration: 6, conditions: [{type: Available, status: 'False', reason: Few, message: 'b: bad'}]}"},
		"bad if true":  {"some say something bad when true", []string{"{conditions: [{type: ReplicaFailure, status: 'True', message: quota}]}", "{conditions: [{type: ReplicaFailure, status: 'False'}]}"}, "{observedGeneration: 6, conditions: [{type: ReplicaFailure, status: 'True', message: 'a: quota'}]}"},
		"unknown":      {"worse than good, better than bad", []string{"{conditions: [{type: Available, status: 'True'}]}", "{conditions: [{type: Available, status: Unknown, message: m}]}"}, "{observedGeneration: 6, conditions: [{type: Available, status: Unknown, message: 'b: m'}]}"},
		"equally bad":  {"each is told, in the order of clusters, so that the status does not flap", []string{"{conditions: [{type: Available, status: 'False', message: mx}]}", "{conditions: [{type: Available, status: 'False', message: my}]}"}, "{observedGeneration: 6, conditions: [{type: Available, status: 'False', message: 'a: mx; b: my'}]}"},
		"nonsense":     {"nothing panics", []string{"{replicas: many, conditions: {a: b}}", "{replicas: 1, conditions: [1, x, {status: x}, {type: 3}, null]}"}, "{observedGeneration: 6, replicas: 1}"},
		"no map":       {"nothing panics", []string{"x", "[1]"}, "{observedGeneration: 6}"},
		"no map alone": {"nothing panics", []string{"x"}, "{observedGeneration: 6}"},
	})
}

func TestAgreedStatus(t *testing.T) {
	checkStatus(t, transform.AgreedStatus{}, map[string]statusCase{
		"none":       {"nothing is invented", nil, "{}"},
		"one":        {"never lossy for one", []string{"{phase: Ready, list: [1, {a: b}], conditions: [{type: Ready, status: 'True'}]}"}, "{phase: Ready, list: [1, {a: b}], conditions: [{type: Ready, status: 'True'}], observedGeneration: 6}"},
		"two agree":  {"what all say is so", []string{"{phase: Ready, endpoint: x}", "{phase: Ready, endpoint: x}"}, "{phase: Ready, endpoint: x, observedGeneration: 6}"},
		"two differ": {"what they do not agree on is left out", []string{"{phase: Ready, url: x}", "{phase: Failed, url: x}"}, "{url: x, observedGeneration: 6}"},
		"one lacks":  {"what one does not say is not agreed", []string{"{phase: Ready, url: x}", "{url: x}"}, "{url: x, observedGeneration: 6}"},
		"conditions": {"merged as for all kinds", []string{"{conditions: [{type: Ready, status: 'True'}]}", "{conditions: [{type: Ready, status: 'False', message: m}]}"}, "{observedGeneration: 6, conditions: [{type: Ready, status: 'False', message: 'b: m'}]}"},
		"generation": {"only when every cluster has seen it", []string{"{observedGeneration: 1}", "{observedGeneration: 1}"}, "{observedGeneration: 7}"},
		"old news":   {"what was said before", []string{"{observedGeneration: 0}", "{observedGeneration: 1}"}, "{observedGeneration: 6}"},
	})
}

// Status of a copy is shared with a cache: aggregation neither changes it nor
// hands it out. The order in which copies come matters to nobody.
func TestAggregation(t *testing.T) {
	statuses := []string{
		"{observedGeneration: 1, replicas: 2, readyReplicas: 2, phase: A, conditions: [{type: Available, status: 'True'}, {type: Progressing, status: 'False', message: mx}]}",
		"{observedGeneration: 1, replicas: 1, phase: A, conditions: [{type: Progressing, status: 'False', message: my}]}",
		"{observedGeneration: 1, replicas: 4, phase: B}",
		"",
	}
	for _, aggregator := range allAggregators() {
		t.Run(aggregator.Name(), func(t *testing.T) {
			copies := make([]transform.Observed, 0, len(statuses))
			for i, s := range statuses {
				copies = append(copies, seen(t, fmt.Sprintf("c%d", i), s))
			}
			before := snapshot(copies)
			want, err := aggregator.Aggregate(original(t), copies)
			require.NoError(t, err)
			for range 20 {
				shuffled := append([]transform.Observed(nil), copies...)
				rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				got, err := aggregator.Aggregate(original(t), shuffled)
				require.NoError(t, err)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("another order, another status (-want +got):\n%s", diff)
				}
			}
			scribble(want)
			one, err := aggregator.Aggregate(original(t), copies[:1])
			require.NoError(t, err)
			expect := copies[0].Copy.DeepCopy().Object["status"].(map[string]any)
			expect["observedGeneration"] = int64(7)
			if diff := cmp.Diff(expect, one); diff != "" {
				t.Errorf("the aggregate of one is not itself (-want +got):\n%s", diff)
			}
			scribble(one)
			if diff := cmp.Diff(before, snapshot(copies)); diff != "" {
				t.Errorf("a copy changed (-want +got):\n%s", diff)
			}
		})
	}
}

func aggregatorFor(group, kind string) transform.Aggregator {
	return transform.NewStatusRules().For(schema.GroupVersionKind{Group: group, Kind: kind})
}

func allAggregators() []transform.Aggregator {
	return []transform.Aggregator{
		transform.AgreedStatus{},
		aggregatorFor("apps", "Deployment"),
		aggregatorFor("apps", "StatefulSet"),
		aggregatorFor("apps", "DaemonSet"),
		aggregatorFor("apps", "ReplicaSet"),
		aggregatorFor("", "ReplicationController"),
		aggregatorFor("gateway.networking.k8s.io", "Gateway"),
		aggregatorFor("batch", "Job"),
		aggregatorFor("batch", "CronJob"),
		aggregatorFor("", "Service"),
		aggregatorFor("networking.k8s.io", "Ingress"),
		aggregatorFor("", "PersistentVolumeClaim"),
		aggregatorFor("autoscaling", "HorizontalPodAutoscaler"),
		aggregatorFor("policy", "PodDisruptionBudget"),
	}
}

func snapshot(copies []transform.Observed) []any {
	out := make([]any, 0, len(copies))
	for _, c := range copies {
		if c.Copy != nil {
			out = append(out, c.Copy.DeepCopy().Object)
		}
	}
	return out
}

// scribble changes every map and list that it can reach.
func scribble(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			scribble(inner)
		}
		v["scribble"] = true
	case []any:
		for i, inner := range v {
			scribble(inner)
			v[i] = nil
		}
	}
}

func TestStatusRules(t *testing.T) {
	kind := schema.GroupVersionKind{Group: "db.example", Version: "v1", Kind: "Cluster"}
	rules := transform.NewStatusRules()
	require.Equal(t, "Agreed", rules.For(kind).Name())
	require.Equal(t, "Deployment", rules.For(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}).Name())
	require.Equal(t, "Agreed", rules.For(schema.GroupVersionKind{Group: "x", Version: "v1", Kind: "Deployment"}).Name())
	rules = transform.NewStatusRules(transform.Aggregate(kind.GroupKind(), aggregatorFor("apps", "Deployment")))
	require.Equal(t, "Deployment", rules.For(kind).Name())
}

func TestSetCondition(t *testing.T) {
	now := metav1.NewTime(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	const before, after = "2026-01-01T00:00:00Z", "2026-07-01T12:00:00Z"
	for name, tc := range map[string]struct {
		reason, status, current, want string
	}{
		"new":       {"since now", `{}`, `{}`, `[{type: Synced, status: "True", reason: R, message: m, lastTransitionTime: "` + after + `"}]`},
		"as before": {"the time stays, or every write would be a change", `{}`, `{conditions: [{type: Synced, status: "True", lastTransitionTime: "` + before + `"}]}`, `[{type: Synced, status: "True", reason: R, message: m, lastTransitionTime: "` + before + `"}]`},
		"changed":   {"since now", `{}`, `{conditions: [{type: Synced, status: "False", lastTransitionTime: "` + before + `"}]}`, `[{type: Synced, status: "True", reason: R, message: m, lastTransitionTime: "` + after + `"}]`},
		"others":    {"sorted; others stay", `{conditions: [{type: Z}, {type: A}, {type: Synced, status: x}]}`, `{}`, `[{type: A}, {type: Synced, status: "True", reason: R, message: m, lastTransitionTime: "` + after + `"}, {type: Z}]`},
		"nonsense":  {"nothing panics", `{conditions: x}`, `{conditions: [x, 1, {type: Synced, status: [1]}]}`, `[{type: Synced, status: "True", reason: R, message: m, lastTransitionTime: "` + after + `"}]`},
		"no time":   {"since now", `{}`, `{conditions: [{type: Synced, status: "True", lastTransitionTime: 3}]}`, `[{type: Synced, status: "True", reason: R, message: m, lastTransitionTime: "` + after + `"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			o := object(t, "{kind: X, status: "+tc.status+", current: "+tc.current+", want: "+tc.want+"}").Object
			status, _ := o["status"].(map[string]any)
			current, _ := o["current"].(map[string]any)
			transform.SetCondition(status, current, metav1.Condition{Type: "Synced", Status: metav1.ConditionTrue, Reason: "R", Message: "m"}, now)
			if diff := cmp.Diff(o["want"], status["conditions"]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
