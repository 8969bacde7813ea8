package syncer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/transform"
)

// Deletion says what becomes of a copy when its original is deleted.
type Deletion string

// What becomes of a copy when its original is deleted.
const (
	// DeletionBackground deletes it; what it owns on its cluster goes after it, and
	// the original does not wait for that.
	DeletionBackground Deletion = "Background"
	// DeletionForeground deletes it after what it owns on its cluster, its pods
	// say: the original waits for all of it.
	DeletionForeground Deletion = "Foreground"
	// DeletionOrphan leaves it where it is, running, and takes our marks off: it is
	// nobody's copy then, and no part of this project touches it again unless it is
	// adopted (AnnotationAdopt).
	DeletionOrphan Deletion = "Orphan"
)

// AnnotationDeletion on an original, or on its Placement for all that it covers,
// says what becomes of copies when the original is deleted: a Deletion. That of
// the original counts first. A value that is none, or not allowed, holds the
// deletion, and the condition Synced says so: what was meant nobody knows.
const AnnotationDeletion = "tmc-sdk.dev/deletion"

// annotationOrphaned is put on a copy that is left: where it came from.
const annotationOrphaned = "tmc-sdk.dev/orphaned-from"

// WithDeletion says what becomes of copies whose original is deleted and says
// nothing else, and what else tenants may ask for by AnnotationDeletion. Default:
// DeletionBackground, and tenants may ask for DeletionForeground, too. To allow
// DeletionOrphan lets a tenant leave work on clusters that no workspace shows.
func WithDeletion(byDefault Deletion, allowed ...Deletion) Option {
	return func(o *options) { o.deletion, o.deletions = byDefault, append([]Deletion{byDefault}, allowed...) }
}

// LabelReleaseLostAfter on a PhysicalCluster overrides ReleaseLostAfter for that
// cluster: a duration, as "24h", or "never". What is neither counts as "never".
const LabelReleaseLostAfter = "tmc-sdk.dev/release-lost-after"

func (o *options) validateDeletion() error {
	for _, d := range o.deletions {
		switch d {
		case DeletionBackground, DeletionForeground, DeletionOrphan:
		default:
			return fmt.Errorf("syncer: WithDeletion(%q): there are Background, Foreground and Orphan", d)
		}
	}
	return nil
}

// deletionOf says what becomes of the copies of an original that is deleting, or a
// sentence on why that can't be told. The original is nil where it is gone: then
// nobody is there to ask for anything.
func (l *Loop) deletionOf(key Key, original *unstructured.Unstructured) (Deletion, string) {
	if original == nil {
		return DeletionBackground, ""
	}
	asked, by := original.GetAnnotations()[AnnotationDeletion], "the object"
	if asked == "" && l.placementsKnown(key) {
		if p := l.decisions.covering(key.namespace(), original); p != nil {
			asked, by = p.Annotations[AnnotationDeletion], "Placement "+p.Name
		}
	}
	switch d := Deletion(asked); {
	case asked == "":
		return l.opts.deletion, ""
	case slices.Contains(l.opts.deletions, d):
		return d, ""
	}
	words := make([]string, 0, len(l.opts.deletions))
	for _, d := range l.opts.deletions {
		words = append(words, string(d))
	}
	return "", fmt.Sprintf("annotation %s of %s is %q, and this platform allows %s; change or remove it", AnnotationDeletion, by, asked, strings.Join(words, ", "))
}

// remove deletes a copy, or leaves it where that was asked for, and tells of it.
func (l *lane) remove(ctx context.Context, key Key, original, copied *unstructured.Unstructured, cause Cause) error {
	how := DeletionBackground
	if cause == CauseOriginalDeleted {
		asked, problem := l.loop.deletionOf(key, original)
		if problem != "" {
			return &RefusalError{Reason: ReasonDeleting, Cluster: l.name, Message: problem}
		}
		how = asked
	}
	uid := l.copiedFrom(key, copied)
	if t := l.grave(key, uid); t != nil && t.Deletion != "" {
		how = t.Deletion // what was asked for when there was somebody to ask
	}
	change := Change{
		Action: ActionDeleted, Cause: cause, Original: key, OriginalUID: uid,
		Cluster: l.name, CopyUID: copied.GetUID(), Before: digestOf(copied),
	}
	if how == DeletionOrphan {
		change.Action = ActionOrphaned
	}
	if err := l.loop.admit(ctx, &Proposal{Action: change.Action, Cause: cause, Cluster: l.name, Key: key, Original: original, Copy: copied}); err != nil {
		return err
	}
	traced, span := l.traceRetire(ctx, key, original, copied, uid, cause)
	switch how {
	case DeletionOrphan:
		change.Err = l.orphan(traced, key, copied)
	case DeletionForeground:
		change.Err = l.delete(traced, copied, metav1.DeletePropagationForeground)
	case DeletionBackground:
		change.Err = l.delete(traced, copied, metav1.DeletePropagationBackground)
	}
	endSpan(span, client.IgnoreNotFound(change.Err))
	l.loop.audit(ctx, change)
	if err := client.IgnoreNotFound(change.Err); err != nil {
		return err
	}
	if how == DeletionOrphan && original != nil {
		l.loop.tell(ctx, key, original, &RefusalError{Reason: ReasonOrphaned, Cluster: l.name, Message: fmt.Sprintf(
			"%s %s stays on the cluster, as was asked for, and is nobody's copy any more", copied.GetKind(), client.ObjectKeyFromObject(copied))})
	}
	l.loop.metrics.retired(l.name)
	l.logger.V(1).Info("Copy retired", "key", key.String(), "uid", copied.GetUID(), "deletion", how)
	return nil
}

func (l *lane) delete(ctx context.Context, copied *unstructured.Unstructured, how metav1.DeletionPropagation) error {
	uid := copied.GetUID()
	return l.live.Delete(ctx, copied, client.Preconditions{UID: &uid}, client.PropagationPolicy(how))
}

// orphan takes our marks off the very copy that was seen.
func (l *lane) orphan(ctx context.Context, key Key, copied *unstructured.Unstructured) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":    copied.GetUID(),
		"labels": map[string]any{transform.LabelInstallation: nil, transform.LabelLogicalCluster: nil, transform.LabelBucket: nil},
		"annotations": map[string]any{
			transform.AnnotationMarks: nil, transform.AnnotationUID: nil, transform.AnnotationName: nil, transform.AnnotationNamespace: nil,
			transform.AnnotationDigest: nil, transform.AnnotationTemplate: nil, annotationOrphaned: key.String(),
		},
	}})
	if err != nil {
		return err
	}
	return l.live.Patch(ctx, copied.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(l.loop.manager))
}

// lostAfter returns after how long a cluster that does not answer is no longer
// waited for; less than zero for never.
func (l *Loop) lostAfter(s *tmccluster.State) time.Duration {
	own, ok := s.Labels[LabelReleaseLostAfter]
	if !ok {
		return l.opts.lostAfter
	}
	if d, err := time.ParseDuration(own); err == nil && d >= 0 {
		return d
	}
	return -1
}
