package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tmc-sdk/tmc/transform"
)

const (
	// explainAfter is how long a deletion may take before its owner is told
	// what it waits for: most are quicker, and cost no write.
	explainAfter = 10 * time.Second
	// explainEvery is how often it is looked at anew what holds a deletion.
	explainEvery = 30 * time.Second
)

// explain tells the owner of an original what its deletion waits for, where,
// since when and what ends it: in the condition Synced, reason Deleting, while
// it lasts, or in an event where there are no conditions. It returns when to
// look again.
func (l *Loop) explain(ctx context.Context, key Key, original *unstructured.Unstructured, waiting []string) (time.Duration, error) {
	since := original.GetDeletionTimestamp()
	if since == nil {
		return 0, nil // a related object that nobody needs any more
	}
	if wait := explainAfter - l.world.now().Sub(since.Time); wait > 0 {
		return wait, nil
	}
	slices.Sort(waiting)
	blockers := make([]string, 0, len(waiting))
	for _, name := range waiting {
		blockers = append(blockers, l.blocker(ctx, key, original, name))
	}
	refusal := &RefusalError{Reason: ReasonDeleting, Message: "deletion waits for " + strings.Join(blockers, "; ")}
	if !l.hasConditions(key.Kind.GroupKind()) {
		l.tellOnce(ctx, key, original, refusal)
		return explainEvery, nil
	}
	current, _, _ := unstructured.NestedMap(original.Object, "status")
	status := runtime.DeepCopyJSON(current)
	if status == nil {
		status = map[string]any{}
	}
	transform.SetCondition(status, current, metav1.Condition{
		Type: ConditionSynced, Status: metav1.ConditionFalse, Reason: refusal.Reason, Message: clip(refusal.Message),
	}, metav1.NewTime(l.world.now()))
	if equalStatus(current, status) || l.record(key, original.GetUID()).replaced == original.GetResourceVersion() {
		return explainEvery, nil
	}
	if err := l.writeStatus(ctx, key, original, current, status); err != nil && !isGone(err) && !apierrors.IsConflict(err) {
		return 0, fmt.Errorf("explain deletion: %w", err)
	}
	r := l.record(key, original.GetUID())
	r.replaced = original.GetResourceVersion()
	l.remember(key, r)
	return explainEvery, nil
}

// tellOnce tells of a refusal in an event, unless it was told.
func (l *Loop) tellOnce(ctx context.Context, key Key, original *unstructured.Unstructured, refusal *RefusalError) {
	r := l.record(key, original.GetUID())
	if id := refusal.Reason + "/" + refusal.Message; !slices.Contains(r.told, id) {
		r.told = append(slices.Clip(r.told), id)
		l.remember(key, r)
		l.tell(ctx, key, original, refusal)
	}
}

// blocker says what holds up the deletion on a cluster, and what ends that.
func (l *Loop) blocker(ctx context.Context, key Key, original *unstructured.Unstructured, cluster string) string {
	where := "cluster " + cluster + ": "
	if by := l.retirementSuspended(cluster, key, original); by != "" {
		return where + by + " is suspended; resume it"
	}
	if _, problem := l.deletionOf(key, original); problem != "" {
		return where + problem
	}
	lane := l.lane(cluster)
	state, known := l.fleet.Snapshot().Lookup(cluster)
	if known && !state.Reachable || lane == nil {
		text := where + "it does not answer"
		if known && !state.UnreachableSince.IsZero() {
			text += " since " + stamp(state.UnreachableSince)
			if after := l.lostAfter(state); after >= 0 && l.mayForget(key, original) {
				return text + "; it is no longer waited for at " + stamp(state.UnreachableSince.Add(after))
			}
		}
		return text + "; it is waited for until it answers or is removed from the fleet"
	}
	copied, err := lane.copyOf(ctx, key)
	if o := lane.outcome(key); o.refusal != nil && o.retiring {
		return where + o.refusal.Message
	}
	if err != nil || copied == nil || copied.GetDeletionTimestamp() == nil {
		return where + "its copy is about to be deleted"
	}
	text := where + "its copy is deleting since " + stamp(copied.GetDeletionTimestamp().Time)
	if finalizers := copied.GetFinalizers(); len(finalizers) > 0 {
		return text + ", held by " + strings.Join(finalizers, ", ") + ": what put these finalizers there has to take them off"
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
