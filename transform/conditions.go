package transform

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// goodWhenFalse are the condition types that say something bad when True.
var goodWhenFalse = map[string]bool{
	"ReplicaFailure": true, "Failed": true, "FailureTarget": true, "Stalled": true, "Reconciling": true,
	"Degraded": true, "Suspended": true, "DisruptionTarget": true, "FileSystemResizePending": true, "Resizing": true,
}

// mergeConditions merges the conditions of several copies: of each type the
// worst, its message preceded by the cluster's name; among equally bad ones the
// first by cluster. A type that some copies lack is merged of the others.
func mergeConditions(copies []Observed) []any {
	worst := map[string]map[string]any{}
	var types []string
	copies = slices.SortedFunc(slices.Values(copies), func(a, b Observed) int { return strings.Compare(a.Cluster, b.Cluster) })
	for _, c := range copies {
		list, _ := statusOf(c.Copy)["conditions"].([]any)
		for _, item := range list {
			condition, _ := item.(map[string]any)
			name, _ := condition["type"].(string)
			if name == "" {
				continue
			}
			before, known := worst[name]
			if !known {
				types = append(types, name)
			}
			if !known || badness(name, condition) > badness(name, before) {
				merged := runtime.DeepCopyJSON(condition)
				if message, _ := condition["message"].(string); message != "" {
					merged["message"] = c.Cluster + ": " + message
				}
				worst[name] = merged
			}
		}
	}
	slices.Sort(types)
	out := make([]any, 0, len(types))
	for _, name := range types {
		out = append(out, worst[name])
	}
	return out
}

// badness orders the status of a condition: good, unknown, bad.
func badness(name string, condition map[string]any) int {
	good := "True"
	if goodWhenFalse[name] {
		good = "False"
	}
	switch status, _ := condition["status"].(string); status {
	case good:
		return 0
	case "True", "False":
		return 2
	}
	return 1
}

// SetCondition sets a condition in status.conditions, in the fields that all
// kinds of Kubernetes have: type, status, reason, message, lastTransitionTime.
// The time is that of the condition in current, the status as it is now, if its
// status does not change, and now otherwise. status is changed; current is not.
func SetCondition(status, current map[string]any, c metav1.Condition, now metav1.Time) {
	since := now.UTC().Format(time.RFC3339)
	if before := findCondition(current, c.Type); before != nil && before["status"] == string(c.Status) {
		if t, _ := before["lastTransitionTime"].(string); t != "" {
			since = t
		}
	}
	condition := map[string]any{
		"type": c.Type, "status": string(c.Status), "reason": c.Reason, "message": c.Message, "lastTransitionTime": since,
	}
	list, _ := status["conditions"].([]any)
	out := make([]any, 0, len(list)+1)
	for _, item := range list {
		if m, _ := item.(map[string]any); m["type"] != c.Type {
			out = append(out, item)
		}
	}
	out = append(out, condition)
	slices.SortStableFunc(out, func(a, b any) int { return strings.Compare(typeOf(a), typeOf(b)) })
	status["conditions"] = out
}

func findCondition(status map[string]any, name string) map[string]any {
	list, _ := status["conditions"].([]any)
	for _, item := range list {
		if m, _ := item.(map[string]any); m["type"] == name {
			return m
		}
	}
	return nil
}

func typeOf(condition any) string {
	m, _ := condition.(map[string]any)
	name, _ := m["type"].(string)
	return name
}
