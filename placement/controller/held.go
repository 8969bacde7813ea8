package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConditionMovesHeld is True while work should leave a cluster and a Limiter
// has put it off for longer than a while; its reason is the limiter's. It is
// absent otherwise.
const ConditionMovesHeld = "MovesHeld"

// mayMove asks the limiter where the answer moves work, and takes the moves
// back if they may not happen now.
func (c *Controller) mayMove(ctx context.Context, k Key, q *question, a *answer) {
	known := c.recent.of(k)
	if len(a.moves) == 0 {
		if !known.held.IsZero() {
			c.recent.update(k, func(m *memory) { m.held = time.Time{} })
		}
		return
	}
	if known.granted == movesText(a.moves) {
		return // and was not recorded since
	}
	verdict := c.opts.limiter.Limit(ctx, &Moves{
		Workspace: k.Workspace, Placement: k.NamespacedName, Moves: a.moves, Fleet: q.fleet, Now: q.now,
	})
	if verdict.Allowed() {
		for _, m := range a.moves {
			c.metrics.moves.WithLabelValues(string(m.Cause)).Inc()
		}
		c.recent.update(k, func(m *memory) { m.granted, m.held = movesText(a.moves), time.Time{} })
		return
	}
	c.metrics.deferred.WithLabelValues(verdict.Reason).Inc()
	if known.held.IsZero() {
		known.held = q.now
		c.recent.update(k, func(m *memory) { m.held = q.now })
	}
	c.takeBack(q)
	a.putOff(q, verdict, c.opts.refresh-q.now.Sub(known.held))
	c.index.set(k, a.interest)
}

func movesText(moves []Move) string {
	names := make([]string, 0, len(moves))
	for _, m := range moves {
		names = append(names, m.Cluster)
	}
	return strings.Join(names, " ")
}

// putOff takes back the moves of an answer, and with them all else: what is on
// record stays until the moves may happen. Whoever waits for longer than a
// while is told; a storm that passes quickly costs no write.
func (a *answer) putOff(q *question, verdict Verdict, tellIn time.Duration) {
	held := metav1.Condition{
		Type: ConditionMovesHeld, Status: metav1.ConditionTrue, Reason: verdict.Reason, ObservedGeneration: q.placement.Generation,
		Message: fmt.Sprintf("The work is to leave %s, and waits: %s It is tried again by itself.", causes(a.moves), whyHeld(verdict.Reason)),
	}
	a.status = *q.placement.Status.DeepCopy()
	a.interest.clusters = clustersOf(a.status.Targets)
	a.again = sooner(a.again, max(verdict.RetryAfter, time.Millisecond))
	a.moves = nil
	switch told := meta.FindStatusCondition(a.status.Conditions, ConditionMovesHeld); {
	case told != nil && told.Reason == held.Reason:
	case told != nil, tellIn <= 0:
		a.status.Conditions = withCondition(a.status.Conditions, held, metav1.Time{Time: q.now})
	default:
		a.again = sooner(a.again, tellIn)
	}
}

// causes lists clusters and why work is to leave them: "eu-1 (Lost)".
func causes(moves []Move) string {
	words := make([]string, 0, len(moves))
	for _, m := range moves {
		if len(words) == maxNames {
			words = append(words, fmt.Sprintf("and %d more", len(moves)-maxNames))
			break
		}
		words = append(words, fmt.Sprintf("%s (%s)", m.Cluster, m.Cause))
	}
	return strings.Join(words, ", ")
}

func whyHeld(reason string) string {
	switch reason {
	case ReasonPartialOutage:
		return "so much of the fleet seems lost at once that nothing moves until more of it answers."
	case ReasonRegionOutage:
		return "so much of a region seems lost at once that nothing moves off it for a while."
	case ReasonOverBudget:
		return "as much moved lately as may move."
	}
	return "the limiter of the platform does not allow it now."
}

// sameHeld says whether two statuses hold moves for the same reason, or none.
func sameHeld(old, now []metav1.Condition) bool {
	a, b := meta.FindStatusCondition(old, ConditionMovesHeld), meta.FindStatusCondition(now, ConditionMovesHeld)
	if a == nil || b == nil {
		return a == b
	}
	return a.Reason == b.Reason
}
