package builtin

import (
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// Autoscalers divides the bounds of HorizontalPodAutoscalers by the target's
// Division, where it has one. A cluster's bounds are at least one, as the API
// demands: with more clusters than replicas their sum exceeds the whole. Dividing
// twice is not dividing once: have it once in a pipeline.
func Autoscalers() transform.Transformer {
	return &built{name: "Autoscalers", kinds: []schema.GroupKind{scalerKind}, fn: func(t *transform.Target, obj *unstructured.Unstructured) error {
		spec, ok := obj.Object["spec"].(object)
		if !ok || t.Division == nil {
			return nil
		}
		for _, field := range [...]string{"minReplicas", "maxReplicas"} {
			if whole, is := spec[field].(int64); is && whole > 0 {
				spec[field] = max(t.Division.Of(whole), 1)
			}
		}
		return nil
	}}
}

// JobParts divides Jobs by the target's Division, where it has one: how many
// pods run at once, at least one, and how many must succeed. The parts of an
// Indexed Job would do the same work on every cluster, so that one is refused.
// Have it once in a pipeline.
func JobParts() transform.Transformer {
	return &built{name: "JobParts", kinds: []schema.GroupKind{jobKind}, fn: func(t *transform.Target, obj *unstructured.Unstructured) error {
		spec, ok := obj.Object["spec"].(object)
		if !ok || t.Division == nil || len(t.Division.Shares) < 2 {
			return nil
		}
		if completions, bounded := spec["completions"].(int64); bounded {
			if spec["completionMode"] == "Indexed" {
				return errors.New("an Indexed Job can't be divided: place it on one cluster, or let every cluster run all of it")
			}
			spec["completions"] = t.Division.Of(completions)
		}
		if parallelism, is := spec["parallelism"].(int64); is && parallelism > 0 {
			spec["parallelism"] = max(t.Division.Of(parallelism), 1)
		}
		return nil
	}}
}
