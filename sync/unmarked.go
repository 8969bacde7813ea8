package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

// A cluster's admission may take off, or write over, what ties a copy to its
// original: its marks, without which the copy is out of our sight, and the digest,
// without which every look at it says to apply again. The answer to the write
// shows it at once, so no second write is needed to find out.

// ownPrefix is that of all labels and annotations of ours.
const ownPrefix = transform.Domain + "/"

// takenOff returns the marks and digests of a rendering that an object does not
// bear as they were sent, sorted by path.
func takenOff(rendered, have *unstructured.Unstructured) []Difference {
	var found []Difference
	for _, part := range []string{"annotations", "labels"} {
		sent, kept := at(rendered.Object, "metadata", part), at(have.Object, "metadata", part)
		for _, key := range slices.Sorted(maps.Keys(sent)) {
			if !strings.HasPrefix(key, ownPrefix) || sent[key] == kept[key] {
				continue
			}
			steps := []string{"metadata", part, key}
			show := differ{}
			found = append(found, Difference{Path: pathOf(steps), Was: show.show(steps, kept[key]), Becomes: show.show(steps, sent[key]), steps: steps})
		}
	}
	return found
}

// overruled describes that a cluster took marks or digests off in the very write
// that brought them. What says what becomes of the copy.
func (l *lane) overruled(taken []Difference, what string) *RefusalError {
	paths := make([]string, 0, len(taken))
	for _, d := range taken {
		paths = append(paths, d.Path)
	}
	return &RefusalError{Reason: ReasonContested, Cluster: l.name, Message: fmt.Sprintf(
		"the cluster's admission, a mutating webhook or policy, takes off or changes %s as the copy is written; have it leave alone what begins with %s; %s",
		strings.Join(paths, ", "), ownPrefix, what)}
}

// stray is a copy that lost its marks in a write of ours: that it is ours, the
// answer to that write says.
type stray struct {
	uid      types.UID // of the copy
	original types.UID
}

// strayOf returns the copy without marks of an original that the lane knows of.
func (l *lane) strayOf(key Key) (stray, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.strays[key]
	return s, ok
}

// isStray says whether an object that bears no marks is the copy of an original
// nevertheless.
func (l *lane) isStray(key Key, obj *unstructured.Unstructured) bool {
	s, ok := l.strayOf(key)
	return ok && s.uid == obj.GetUID()
}

// copiedFrom returns the UID of the original that a copy, read live, is of.
func (l *lane) copiedFrom(key Key, copied *unstructured.Unstructured) types.UID {
	if s, ok := l.strayOf(key); ok && s.uid == copied.GetUID() {
		return s.original
	}
	marks, _ := transform.ReadMarks(copied)
	return marks.UID
}

// bearsMarks says whether an answer shows the copy of an original by its marks.
func (l *lane) bearsMarks(key Key, answer *unstructured.Unstructured) bool {
	marks, ok := transform.ReadMarks(answer)
	return ok && marks.Installation == l.loop.installation && isOf(key, answer.GroupVersionKind(), marks)
}

// rehearse asks the cluster what would become of a copy that it took the marks off
// when it was made last: nothing is stored.
func (l *lane) rehearse(ctx context.Context, key Key, todo intent) error {
	if !l.outcome(key).withdrawn || l.outcome(key).digest != todo.digest {
		return nil
	}
	answer, err := l.write(ctx, l.complete(todo.rendered), onlyIf{absent: true}, client.DryRunAll)
	if err != nil || l.bearsMarks(key, answer) {
		return err
	}
	return &withdrawnError{l.overruled(takenOff(todo.rendered, answer), "until then no copy is made")}
}

// withdrawnError refuses a copy that can't be made so that it bears its marks.
type withdrawnError struct{ *RefusalError }

// Unwrap returns the refusal.
func (e *withdrawnError) Unwrap() error { return e.RefusalError }

// unmarked sees to a copy that came out of our write without marks. One that was
// made just now is taken back, by the UID that the answer gives: out of sight it
// would run for ever. One that was there is remembered while the process lives, so
// that it is applied again, and retired with its original.
func (l *lane) unmarked(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent, applied *unstructured.Unstructured) error {
	if client.ObjectKeyFromObject(applied) != client.ObjectKeyFromObject(todo.rendered) || fieldsOf(applied, l.loop.manager) == "" ||
		todo.copied != nil && todo.copied.GetUID() != applied.GetUID() {
		return &RefusalError{Reason: ReasonApplyFailed, Cluster: l.name, Message: "the cluster answered with another object than was applied: a proxy in between, most likely; it is tried again"}
	}
	l.mu.Lock()
	l.strays[key] = stray{uid: applied.GetUID(), original: original.GetUID()}
	l.mu.Unlock()
	if todo.copied != nil {
		return nil // a contest, like that over any other field
	}
	err := client.IgnoreNotFound(l.delete(ctx, applied, metav1.DeletePropagationBackground))
	l.loop.audit(ctx, Change{
		Action: ActionDeleted, Cause: CauseUnmarked, Original: key, OriginalUID: original.GetUID(), Placement: todo.decided,
		Cluster: l.name, CopyUID: applied.GetUID(), Before: todo.digest, Err: err,
	})
	if err != nil {
		return fmt.Errorf("take back a copy that lost its marks: %w", err)
	}
	l.unstray(key)
	return &withdrawnError{l.overruled(takenOff(todo.rendered, applied), "until then no copy is made, and the one that was is deleted again")}
}

// unstray forgets a copy without marks: it bears them again, or is gone.
func (l *lane) unstray(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.strays, key)
}

// wasWithdrawn says whether a copy may not be made without asking first.
func (o outcome) wasWithdrawn(digest string, err error) bool {
	withdrawn := (*withdrawnError)(nil)
	return errors.As(err, &withdrawn) || err != nil && !apierrors.IsConflict(err) && o.withdrawn && o.digest == digest
}
