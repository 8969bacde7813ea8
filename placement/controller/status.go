package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// condition returns the condition Placed for a generation. An empty reason of
// refusal means placed.
func condition(generation int64, refusal, message string) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionPlaced, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPlaced, Message: message, ObservedGeneration: generation}
	if refusal != "" {
		c.Status, c.Reason = metav1.ConditionFalse, refusal
	}
	return c
}

// placed returns the condition of a status, nil if there is none.
func placed(s *v1alpha1.PlacementStatus) *metav1.Condition {
	return meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionPlaced)
}

// withCondition returns the conditions with one set. Its transition time is
// kept while its status is.
func withCondition(conditions []metav1.Condition, c metav1.Condition, now metav1.Time) []metav1.Condition {
	out := slices.Clone(conditions)
	c.LastTransitionTime = now
	if old := meta.FindStatusCondition(out, c.Type); old != nil && old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	meta.SetStatusCondition(&out, c)
	return out
}

// difference says how much two statuses differ.
type difference int

const (
	// same: nothing differs.
	same difference = iota
	// details: scores, words, or who was rejected and why differ, which do not
	// deserve a write of their own at once.
	details
	// material: the decision or its reason differs.
	material
)

func compareStatus(old, now *v1alpha1.PlacementStatus) difference {
	switch {
	case equality.Semantic.DeepEqual(old, now):
		return same
	case old.ObservedGeneration != now.ObservedGeneration,
		!slices.EqualFunc(old.Targets, now.Targets, sameTarget),
		!sameOutcome(placed(old), placed(now)),
		!sameHeld(old.Conditions, now.Conditions),
		!samePreview(old.Preview, now.Preview),
		!equality.Semantic.DeepEqual(old.Granted, now.Granted),
		!equality.Semantic.DeepEqual(old.Rollout, now.Rollout):
		return material
	}
	return details
}

// sameTarget ignores scores, and by how much the time differs at which a cluster
// is given up.
func sameTarget(old, now v1alpha1.Target) bool {
	return old.Cluster == now.Cluster && old.Leaving == now.Leaving && equality.Semantic.DeepEqual(old.Share, now.Share) &&
		(old.EvictAfter == nil) == (now.EvictAfter == nil)
}

// sameOutcome ignores which of its reasons the engine has to refuse: while
// nothing fits, that changes with the fleet's load.
func sameOutcome(a, b *metav1.Condition) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Status == b.Status && a.ObservedGeneration == b.ObservedGeneration &&
		(a.Reason == b.Reason || ofFleet(a.Reason) && ofFleet(b.Reason))
}

// ofFleet says whether a refusal is for want of clusters.
func ofFleet(reason string) bool {
	switch reason {
	case v1alpha1.ReasonNoClusterFits, v1alpha1.ReasonTooFewClusters, v1alpha1.ReasonSpreadUnsatisfiable, v1alpha1.ReasonInsufficientCapacity:
		return true
	}
	return false
}

// statusPatch returns the JSON merge patch from one status to another. It
// applies only to the very object that was read: the decision rests on the
// targets that the status named then.
func statusPatch(p *v1alpha1.Placement, now *v1alpha1.PlacementStatus) ([]byte, error) {
	oldJSON, err := json.Marshal(map[string]any{"status": &p.Status})
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	newJSON, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.UID, "resourceVersion": p.ResourceVersion},
		"status":   now,
	})
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	patch, err := jsonpatch.CreateMergePatch(oldJSON, newJSON)
	if err != nil {
		return nil, fmt.Errorf("compare statuses: %w", err)
	}
	return patch, nil
}

// maxSummary is the number of targets that a summary lists.
const maxSummary = 8

// summarize lists targets for people: "eu-1:6 us-1:4", those leaving in
// parentheses.
func summarize(targets []v1alpha1.Target) string {
	var b strings.Builder
	for i, t := range targets {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == maxSummary {
			fmt.Fprintf(&b, "and %d more", len(targets)-i)
			break
		}
		word := t.Cluster
		if t.Share != nil && !t.Leaving {
			word = fmt.Sprintf("%s:%d", word, *t.Share)
		}
		if t.Leaving {
			word = "(" + word + ")"
		}
		b.WriteString(word)
	}
	return b.String()
}
