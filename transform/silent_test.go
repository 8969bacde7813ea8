package transform_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// Nobody shall wait for Available and get it while a cluster has said nothing.
func TestWhatAllMustSayIsNotSaidByFew(t *testing.T) {
	const fine = "{observedGeneration: 1, replicas: 2, conditions: [{type: Available, status: 'True', reason: Min, message: fine}]}"
	checkStatus(t, aggregatorFor("apps", "Deployment"), map[string]statusCase{
		"no copy":          {"a target without a copy", []string{fine, ""}, "{observedGeneration: 6, replicas: 2, conditions: [{type: Available, status: Unknown, reason: NotReportedByAll, message: 1 of 2 clusters have not reported it yet}]}"},
		"no status":        {"a copy that no controller has seen", []string{fine, "{}", "{}"}, "{observedGeneration: 6, replicas: 2, conditions: [{type: Available, status: Unknown, reason: NotReportedByAll, message: 2 of 3 clusters have not reported it yet}]}"},
		"bad is bad":       {"who is silent does not soften it", []string{"{conditions: [{type: Available, status: 'False', message: m}]}", ""}, "{observedGeneration: 6, conditions: [{type: Available, status: 'False', message: 'a: m'}]}"},
		"good when absent": {"a condition that is bad when True is good where it is not", []string{"{conditions: [{type: ReplicaFailure, status: 'False', message: m}]}", "{}"}, "{observedGeneration: 6, conditions: [{type: ReplicaFailure, status: 'False', message: 'a: m'}]}"},
		"all":              {"then it is so", []string{fine, fine}, "{observedGeneration: 7, replicas: 4, conditions: [{type: Available, status: 'True', reason: Min, message: 'a: fine'}]}"},
	})
	checkStatus(t, aggregatorFor("", "PersistentVolumeClaim"), map[string]statusCase{
		"pending": {"a claim that is bound here and not there is not bound", []string{"{phase: Bound}", "{}"}, "{phase: Pending, observedGeneration: 6}"},
		"lost":    {"worse counts", []string{"{phase: Lost}", ""}, "{phase: Lost, observedGeneration: 6}"},
	})
	checkStatus(t, transform.AgreedStatus{}, map[string]statusCase{
		"fallback": {"for kinds that nothing is known of, too", []string{"{conditions: [{type: Ready, status: 'True'}]}", ""}, "{observedGeneration: 6, conditions: [{type: Ready, status: Unknown, reason: NotReportedByAll, message: 1 of 2 clusters have not reported it yet}]}"},
	})
	checkStatus(t, transform.Fields{Kind: "X", BadWhenTrue: []string{"Lagging"}}, map[string]statusCase{
		"declared": {"a platform says what is bad", []string{"{conditions: [{type: Lagging, status: 'True', message: m}]}", "{conditions: [{type: Lagging, status: 'False'}]}"}, "{observedGeneration: 6, conditions: [{type: Lagging, status: 'True', message: 'a: m'}]}"},
	})
}

// What is not there yet counts as unavailable, so that counts add up.
func TestCountsWithMissingClusters(t *testing.T) {
	three, two := int32(3), int32(2)
	copies := []transform.Observed{seen(t, "a", "{replicas: 3, availableReplicas: 3}"), seen(t, "b", "{}"), seen(t, "c", "")}
	copies[0].Replicas, copies[1].Replicas, copies[2].Replicas = &three, &two, &two
	status, err := aggregatorFor("apps", "Deployment").Aggregate(original(t), copies)
	require.NoError(t, err)
	require.Equal(t, int64(4), status["unavailableReplicas"])
	require.Equal(t, int64(3), status["availableReplicas"])

	tally := transform.NewTally(aggregatorFor("apps", "Deployment"))
	for _, c := range copies {
		tally.Set(c)
	}
	told := seen(t, "c", "{replicas: 2, unavailableReplicas: 1}")
	told.Replicas = &two
	tally.Set(told) // what was due is so no more
	tally.Remove("b")
	status, err = tally.Status(original(t))
	require.NoError(t, err)
	require.Equal(t, int64(1), status["unavailableReplicas"])
}

// A copy of an earlier generation of the original proves nothing of the newest,
// however well its cluster has seen it.
func TestObservedGenerationWaitsForCopiesThatAreBehind(t *testing.T) {
	copies := []transform.Observed{seen(t, "a", "{observedGeneration: 1}"), seen(t, "b", "{observedGeneration: 1}")}
	copies[1].Behind = true
	for _, aggregator := range []transform.Aggregator{aggregatorFor("apps", "Deployment"), transform.AgreedStatus{}} {
		status, err := aggregator.Aggregate(original(t), copies)
		require.NoError(t, err)
		require.Equal(t, int64(6), status["observedGeneration"])
		status, err = aggregator.Aggregate(original(t), copies[1:])
		require.NoError(t, err)
		require.Equal(t, int64(6), status["observedGeneration"])
	}
}

// A status of 1,000 clusters is one that can be written.
func TestDetailIsBounded(t *testing.T) {
	long := strings.Repeat("the message of a controller that talks a lot; ", 40)
	copies := make([]transform.Observed, 1000)
	for i := range copies {
		addresses := make([]any, 20)
		for j := range addresses {
			addresses[j] = map[string]any{"ip": fmt.Sprintf("10.%d.%d.%d", i/250, i%250, j)}
		}
		copies[i] = transform.Observed{Cluster: fmt.Sprintf("cluster-%04d", i), Copy: &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"generation": int64(1)},
			"status": map[string]any{
				"conditions":   []any{map[string]any{"type": "Ready", "status": "False", "message": long}, map[string]any{"type": "Fine", "status": "True", "message": long}},
				"loadBalancer": map[string]any{"ingress": addresses},
			},
		}}}
	}
	status, err := aggregatorFor("", "Service").Aggregate(original(t), copies)
	require.NoError(t, err)
	data, err := json.Marshal(status)
	require.NoError(t, err)
	require.Less(t, len(data), 64<<10)
	for _, part := range []string{"cluster-0000: the message", "cluster-0002: the message", "(and 997 more clusters)"} {
		require.True(t, strings.Contains(string(data), part), part)
	}
	few, err := aggregatorFor("", "Service").Aggregate(original(t), []transform.Observed{
		seen(t, "a", "{conditions: [{type: Ready, status: 'False', message: ma}]}"), seen(t, "b", "{conditions: [{type: Ready, status: 'False', reason: Rb}]}"),
		seen(t, "c", "{conditions: [{type: Ready, status: 'True', message: mc}]}"), seen(t, "d", "{conditions: [{type: Ready, status: 'False', message: md}]}"),
		seen(t, "e", "{conditions: [{type: Ready, status: 'False', message: me}]}"),
	})
	require.NoError(t, err)
	require.Equal(t, "a: ma; b: Rb; d: md (and 1 more clusters)", few["conditions"].([]any)[0].(map[string]any)["message"])
}

func TestHealthByRule(t *testing.T) {
	kind := schema.GroupKind{Group: "db.example", Kind: "Cluster"}
	odd, bad := schema.GroupKind{Group: "db.example", Kind: "Odd"}, schema.GroupKind{Group: "db.example", Kind: "Bad"}
	rules := transform.NewStatusRules(
		transform.HealthBy(kind, func(c *unstructured.Unstructured) (transform.HealthStatus, string) {
			if at(c, "status", "phase") == "Ready" {
				return transform.Healthy, "ready"
			}
			return transform.HealthDegraded, "not ready"
		}),
		transform.HealthBy(odd, func(*unstructured.Unstructured) (transform.HealthStatus, string) { return "Splendid", "" }),
		transform.HealthBy(bad, func(*unstructured.Unstructured) (transform.HealthStatus, string) { panic("no") }),
	)
	for name, tc := range map[string]struct {
		reason, text string
		want         transform.HealthStatus
		message      string
	}{
		"rule":     {"the platform's rule", "{apiVersion: db.example/v1, kind: Cluster, status: {phase: Ready}}", transform.Healthy, "ready"},
		"bad":      {"the platform's rule", "{apiVersion: db.example/v1, kind: Cluster, status: {phase: Failed}}", transform.HealthDegraded, "not ready"},
		"no rule":  {"kstatus", "{apiVersion: v1, kind: ConfigMap}", transform.Healthy, ""},
		"nonsense": {"a health that is none is not believed", "{apiVersion: db.example/v1, kind: Odd}", transform.HealthUnknown, "which is none"},
		"panic":    {"nothing panics", "{apiVersion: db.example/v1, kind: Bad}", transform.HealthUnknown, "panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			health, message := rules.Health(object(t, tc.text))
			require.Equal(t, tc.want, health, tc.reason)
			require.Contains(t, message, tc.message, tc.reason)
		})
	}
}
