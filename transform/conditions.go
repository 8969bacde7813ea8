package transform

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// goodWhenFalse are the condition types that say something bad when True.
var goodWhenFalse = map[string]bool{
	"ReplicaFailure": true, "Failed": true, "FailureTarget": true, "Stalled": true, "Reconciling": true,
	"Degraded": true, "Suspended": true, "DisruptionTarget": true, "FileSystemResizePending": true, "Resizing": true,
	"ScalingLimited": true, "ControllerResizeError": true, "NodeResizeError": true,
}

// condition of one copy, and how bad it is.
type condition struct {
	name, cluster string
	badness       int
	fields        map[string]any
}

func worseFirst(a, b *condition) int {
	return cmp.Or(b.badness-a.badness, strings.Compare(a.cluster, b.cluster))
}

// conditionsOf returns the conditions of a copy, of each type the worst.
func (t *tally) conditionsOf(seen Observed) []*condition {
	list, _ := statusOf(seen.Copy)["conditions"].([]any)
	out := make([]*condition, 0, len(list))
	for _, item := range list {
		fields, _ := item.(map[string]any)
		name, _ := fields["type"].(string)
		if name == "" {
			continue
		}
		c := &condition{name: name, cluster: seen.Cluster, badness: badness(t.adverse[name], fields), fields: fields}
		i := slices.IndexFunc(out, func(other *condition) bool { return other.name == name })
		switch {
		case i < 0:
			out = append(out, c)
		case out[i].badness < c.badness:
			out[i] = c
		}
	}
	return out
}

// merged returns of each type of condition the worst. A good one that not every
// copy has yet is not told as good: nobody shall wait for Available and get it
// while a cluster has said nothing. One that must be told by all or not at all
// is left out until then.
func (t *tally) merged(problem *error) []any {
	out := make([]any, 0, len(t.conditions))
	for _, name := range slices.Sorted(maps.Keys(t.conditions)) {
		list := t.conditions[name].items
		silent := t.size() - len(list)
		if silent > 0 && t.together[name] {
			continue
		}
		fields, err := copyMap(list[0].fields)
		if err != nil {
			*problem = err
			continue
		}
		switch {
		case list[0].badness > 0:
			if message := detail(list); message != "" {
				fields["message"] = message
			}
		case silent > 0 && !t.adverse[name]:
			fields["status"], fields["reason"] = "Unknown", ReasonNotReportedByAll
			fields["message"] = fmt.Sprintf("%d of %d clusters have not reported it yet", silent, t.size())
		default:
			if message, _ := fields["message"].(string); message != "" {
				fields["message"] = clip(list[0].cluster+": "+message, mostMessage)
			}
		}
		out = append(out, fields)
	}
	return out
}

// ReasonNotReportedByAll is the reason of a merged condition that is good where
// it is reported, and that some clusters have not reported.
const ReasonNotReportedByAll = "NotReportedByAll"

// How much is told of single clusters in the message of a merged condition.
const (
	mostDetailed = 3
	mostMessage  = 1024
)

// detail says what the clusters on which a condition is worst say of it: of the
// first few, for a status that grows with the fleet is one that can't be written.
func detail(list []*condition) string {
	worst := list[0].badness
	many, _ := slices.BinarySearchFunc(list, worst-1, func(c *condition, badness int) int { return badness - c.badness })
	told := make([]string, 0, mostDetailed)
	room := mostMessage / min(many, mostDetailed)
	for _, c := range list[:min(many, mostDetailed)] {
		message, _ := c.fields["message"].(string)
		if message == "" {
			message, _ = c.fields["reason"].(string)
		}
		if message != "" {
			told = append(told, clip(c.cluster+": "+message, room))
		}
	}
	if len(told) == 0 {
		return ""
	}
	text := strings.Join(told, "; ")
	if more := many - len(told); more > 0 {
		text += fmt.Sprintf(" (and %d more clusters)", more)
	}
	return text
}

// clip bounds a message.
func clip(message string, most int) string {
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "..."
}

// badness orders the status of a condition: good, unknown, bad.
func badness(adverse bool, condition map[string]any) int {
	good := "True"
	if adverse {
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
