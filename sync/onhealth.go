package syncer

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// HealthChange is that an owner was told of another health of its original than
// before.
type HealthChange struct {
	// Original and its UID.
	Original Key
	UID      types.UID
	// Before and After are the reasons of the condition Healthy, as ReasonHealthy;
	// Before is empty for an original that was told of nothing yet.
	Before, After string
	// Message of the condition.
	Message string
}

// OnHealth has fn called after each status that was written with another reason
// of the condition Healthy. It may be given several times; fn must be quick and
// safe for concurrent use.
func OnHealth(fn func(ctx context.Context, c HealthChange)) Option {
	return func(o *options) { o.healthHooks = append(o.healthHooks, fn) }
}

// tellHealth tells of a status that was written.
func (l *Loop) tellHealth(ctx context.Context, key Key, original *unstructured.Unstructured, before, after map[string]any) {
	if len(l.opts.healthHooks) == 0 {
		return
	}
	was, _ := healthOf(before)
	is, message := healthOf(after)
	if was == is {
		return
	}
	for _, fn := range l.opts.healthHooks {
		fn(ctx, HealthChange{Original: key, UID: original.GetUID(), Before: was, After: is, Message: message})
	}
}

// healthOf returns reason and message of the condition Healthy of a status.
func healthOf(status map[string]any) (reason, message string) {
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		if m, _ := c.(map[string]any); m["type"] == ConditionHealthy {
			reason, _ = m["reason"].(string)
			message, _ = m["message"].(string)
		}
	}
	return reason, message
}
