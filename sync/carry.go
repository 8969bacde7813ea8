package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

// carryOut does what is to be done for an original on this cluster, decided
// anew from what is known now. It returns whether to try again.
func (l *lane) carryOut(ctx context.Context, key Key) (again bool) {
	if l.loop.Suspended() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 4*requestTimeout)
	defer cancel()
	known := !l.takeAnew(key) // the loop knows what it has to know of this
	defer func() {
		if !known {
			l.loop.enqueue(key, true)
		}
	}()
	original, err := l.loop.original(ctx, key)
	switch {
	case errors.Is(err, errUnknown) && (l.loop.collector.has(key.Workspace) || l.anyGrave(key)):
		return l.retire(ctx, key, nil)
	case errors.Is(err, errUnknown):
		return false
	case err != nil:
		return true
	case original == nil || original.GetDeletionTimestamp() != nil:
		return l.retire(ctx, key, original)
	}
	taken := steps{began: l.loop.tracing.time()}
	where, err := l.loop.place(ctx, key, original)
	if err != nil {
		return !errors.Is(err, errUnknown)
	}
	taken.placed, taken.placement = l.loop.tracing.time(), where.placement
	if l.loop.idle(key, original, where) {
		return l.retire(ctx, key, original)
	}
	switch todo := l.loop.intend(ctx, l, key, original, where); todo.action {
	case apply:
		if l.awaitsMentioned(ctx, key, original) {
			return false
		}
		taken.rendered = l.loop.tracing.time()
		todo.steps = &taken
		again = l.apply(ctx, key, original, todo)
		known = known || l.outcome(key).digest == todo.digest
		return again
	case retire:
		return l.retire(ctx, key, original)
	case nothing:
		known = known || todo.refusal == nil && !todo.staged
		l.waitNoMore(key)
		l.stays(ctx, key)
		l.fits(key)
		l.reconsider(ctx, key, todo)
		l.settle(key, todo)
	}
	return false
}

// apply is the third of the five steps. The original bears our finalizer
// before the first copy is made.
func (l *lane) apply(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent) (again bool) {
	if !l.loop.held(key, original) {
		return false // the loop puts the finalizer first and sends us again
	}
	if todo.copied == nil {
		if sure, err := l.loop.surelyHeld(ctx, key, original); !sure {
			return err != nil
		}
	}
	before := l.outcome(key)
	if left := before.truceLeft(todo, l.loop.world.now()); left > 0 {
		l.queue.AddAfter(errand{key: key}, left)
		return false
	}
	repairs := before.repairsWith(todo, l.loop.world.now())
	contested := l.contest(ctx, key, todo, repairs)
	l.begin(key)
	// Who lets the original go looks, once that shows, for what has begun since: one
	// of the two sees the other.
	if !l.loop.stillHeld(ctx, key, original) {
		return false // an event follows, or did, and the loop sends us again
	}
	traced, span := l.traceApply(ctx, key, original, todo)
	applied, err := l.applyCopy(traced, key, original, todo)
	err = l.unlessImmutable(traced, key, original, todo, err)
	endSpan(span, err, copyUID(applied)...)
	if errors.Is(err, errLetGo) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return false
	}
	o := outcome{begun: true, digest: todo.digest, at: l.loop.world.now(), repairs: repairs, withdrawn: before.wasWithdrawn(todo.digest, err)}
	if todo.copied != nil && (applied == nil || applied.GetResourceVersion() != todo.copied.GetResourceVersion()) {
		o.replaced = todo.copied.GetResourceVersion() // else no watch will tell of it
	}
	if shown, err := l.copyOf(ctx, key); err == nil && shown != nil {
		o.seen = true
	}
	if err != nil {
		// What was not written repaired nothing: a server that is unwell is no
		// rival, and is tried again as any other.
		o.repairs = before.repairsOf(todo.digest)
		o.refusal = l.classify(err)
		l.logger.V(1).Info("Copy was not applied", "key", key.String(), "error", err.Error())
	} else {
		o = l.judge(key, before, o, todo, applied, contested)
		l.waitNoMore(key)
		l.stays(ctx, key)
	}
	l.loop.metrics.applied(l.name, o.refusal)
	l.record(key, o)
	if !o.toldByWatch(before) {
		l.loop.enqueue(key, false)
	}
	switch {
	case o.unfit():
		l.queue.AddAfter(errand{key: key}, schemaRetry)
		return false
	case err == nil:
		l.queue.AddAfter(errand{key: key, check: true}, requestTimeout) // should the watch miss it
	}
	return err != nil
}

// toldByWatch says whether what came of an apply is no news before the watch tells
// of the copy: the loop is spared a look at what is still under way.
func (o outcome) toldByWatch(before outcome) bool {
	quiet := o.refusal == nil && before.refusal == nil && !before.contested
	return quiet && o.fields == "" && (o.replaced != "" || !o.seen)
}

// wasTold says whether the cache shows what was written last, with nothing more to be
// said of that: the event that told of it sent the loop, and there is nothing left to
// look at. It costs no rendering; of what is applied, almost all is told of.
func (l *lane) wasTold(ctx context.Context, key Key) bool {
	o := l.outcome(key)
	if o.refusal != nil || o.contested || o.fields != "" {
		return false
	}
	copied, err := l.copyOf(ctx, key)
	return err == nil && copied != nil && digestOf(copied) == o.digest && copied.GetResourceVersion() != o.replaced
}

func (l *lane) applyCopy(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent) (*unstructured.Unstructured, error) {
	if err := l.admit(ctx, key, original, todo); err != nil {
		return nil, err
	}
	if len(todo.rendered.GetOwnerReferences()) > 0 {
		l.loop.world.lock(readLocker{&l.owning})
		defer l.owning.RUnlock()
		if l.namesParting(todo.rendered) {
			return nil, &RefusalError{Reason: ReasonApplyFailed, Cluster: l.name, Message: "the copy of its owner is about to go; it is written without"}
		}
	}
	if todo.copied != nil {
		return l.change(ctx, key, original, todo)
	}
	l.loop.world.lock(readLocker{&l.making})
	defer l.making.RUnlock()
	if key.Namespace != "" {
		if err := l.ensureNamespace(ctx, key); err != nil {
			return nil, err
		}
		if err := l.furnish(ctx, key, todo.rendered.GetNamespace()); err != nil {
			return nil, err
		}
		// All that may have taken long, and longer than a lost cluster is waited for.
		if !l.loop.stillHeld(ctx, key, original) {
			return nil, errLetGo
		}
	}
	applied, err := l.change(ctx, key, original, todo)
	if !apierrors.IsConflict(err) {
		return applied, err
	}
	// Something stands there that the cache does not show.
	there := todo.rendered.NewEmptyInstance().(*unstructured.Unstructured)
	there.SetGroupVersionKind(todo.rendered.GroupVersionKind())
	if err := l.live.Get(ctx, client.ObjectKeyFromObject(todo.rendered), there); err != nil {
		return nil, err
	}
	marks, ours := transform.ReadMarks(there)
	switch {
	case ours && marks.Installation == l.loop.installation && isOf(key, there.GroupVersionKind(), marks) && marks.UID == original.GetUID():
		if l.loop.follows(StrategyCreateOnly, key.Kind) {
			return nil, nil // it was made; what became of it since is the cluster's
		}
		todo.copied = there // the cache lags
		return l.change(ctx, key, original, todo)
	case l.isStray(key, there) && l.copiedFrom(key, there) == original.GetUID():
		todo.copied, todo.cause = there, CauseDrift
		return l.change(ctx, key, original, todo)
	case ours && marks.Installation == l.loop.installation && isOf(key, there.GroupVersionKind(), marks):
		return nil, &RefusalError{Reason: ReasonApplyFailed, Cluster: l.name, Message: "the copy of an earlier original of this name is still there; it is retired first"}
	case !ours && !transform.HasMarks(there) && adopts(original, l.name):
		todo.copied, todo.cause = there, CauseAdopted
		if err := l.admit(ctx, key, original, todo); err != nil {
			return nil, err
		}
		return l.change(ctx, key, original, todo)
	}
	err = l.conflict(there, original.GetUID())
	l.audit(ctx, key, original, todo, nil, err)
	return nil, err
}

// change writes a copy and tells of it: one that is made where the intent knows
// of none, and else the very one it knows of.
func (l *lane) change(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent) (*unstructured.Unstructured, error) {
	cond := onlyIf{absent: true}
	if todo.copied != nil {
		cond = onlyIf{uid: todo.copied.GetUID()}
	}
	if cond.absent {
		if err := l.rehearse(ctx, key, todo); err != nil {
			return nil, err
		}
	}
	applied, err := l.write(ctx, l.complete(todo.rendered), cond)
	if !cond.absent || !apierrors.IsConflict(err) { // else nothing is decided yet
		l.audit(ctx, key, original, todo, applied, err)
	}
	switch {
	case err != nil:
	case l.bearsMarks(key, applied):
		l.unstray(key)
	default:
		err = l.unmarked(ctx, key, original, todo, applied)
	}
	return applied, err
}

// onlyIf is what must be true of the object that is there for a write to
// happen; the server checks it.
type onlyIf struct {
	// absent: there is none.
	absent bool
	// uid of the object.
	uid types.UID
}

// write applies a rendered object by server-side apply, as our field manager.
func (l *lane) write(ctx context.Context, rendered *unstructured.Unstructured, cond onlyIf, opts ...client.ApplyOption) (*unstructured.Unstructured, error) {
	obj := withOwnMetadata(rendered)
	if cond.absent {
		// No object has resourceVersion 1, so the server refuses with a
		// conflict where there is one, and ignores it where there is none.
		obj.SetResourceVersion("1")
	} else {
		obj.SetUID(cond.uid)
	}
	err := l.live.Apply(ctx, client.ApplyConfigurationFromUnstructured(obj), append(opts, client.FieldOwner(l.loop.manager), client.ForceOwnership)...)
	if err != nil {
		if cond.uid != "" && isOther(err) {
			return nil, &RefusalError{Reason: ReasonApplyFailed, Cluster: l.name, Message: "the copy was replaced by another object meanwhile; it is looked at again", Err: err}
		}
		return nil, err
	}
	return obj, nil
}

// withOwnMetadata returns an object whose metadata is its own, and which shares all
// else: whoever applies it changes no more.
func withOwnMetadata(of *unstructured.Unstructured) *unstructured.Unstructured {
	fields := maps.Clone(of.Object)
	fields["metadata"] = maps.Clone(at(of.Object, "metadata"))
	return &unstructured.Unstructured{Object: fields}
}

// isOther says whether a write failed because the object has another UID than
// it was to have: servers call that an attempt to change the UID.
func isOther(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}

// adopts says whether the owner asked, by the cluster's name, that an unmarked
// object on it become the copy.
func adopts(original *unstructured.Unstructured, cluster string) bool {
	for name := range strings.SplitSeq(original.GetAnnotations()[AnnotationAdopt], ",") {
		if strings.TrimSpace(name) == cluster {
			return true
		}
	}
	return false
}

// AnnotationAdopt on an original names the physical clusters, separated by
// commas, on which an object that is nobody's copy and stands where the copy
// would go is to be adopted. An object with the marks of another installation
// or original is never adopted.
const AnnotationAdopt = "tmc-sdk.dev/adopt"

func (l *lane) conflict(there *unstructured.Unstructured, of types.UID) *RefusalError {
	what := fmt.Sprintf("%s %q", there.GetKind(), there.GetName())
	if there.GetNamespace() != "" {
		what += fmt.Sprintf(" in namespace %q", there.GetNamespace())
	}
	message := what + " exists on the cluster and is not a copy of this object; delete it there, or adopt it by the annotation " + AnnotationAdopt + ": " + l.name
	if transform.HasMarks(there) {
		message = what + " on the cluster belongs to another installation or another object; it is not touched"
	}
	if of != "" && there.GetAnnotations()[transform.AnnotationUID] == string(of) && there.GetLabels()[transform.LabelInstallation] == "" {
		message = fmt.Sprintf("%s on the cluster was a copy of this object and lost its label %s; put %q there again, or delete it; it is not touched",
			what, transform.LabelInstallation, l.loop.installation)
	}
	return &RefusalError{Reason: ReasonConflict, Cluster: l.name, Message: message}
}

// classify says what an error means to the owner of the original.
func (l *lane) classify(err error) *RefusalError {
	if refusal, ok := errors.AsType[*RefusalError](err); ok {
		return refusal
	}
	r := &RefusalError{Reason: ReasonApplyFailed, Cluster: l.name, Message: err.Error(), Err: err}
	mismatch := mismatchOf(err)
	switch {
	case mismatch != "":
		r.Reason, r.Message = ReasonSchemaMismatch, mismatch+": the kind on the cluster is not like that; take it out of the object, or of the override that its Placement has"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err),
		apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		r.Reason = ReasonRefused
	case meta.IsNoMatchError(err):
		r.Reason, r.Message = ReasonClusterUnavailable, "the cluster does not serve this kind"
	case errors.Is(err, context.DeadlineExceeded), utilnet.IsConnectionRefused(err), utilnet.IsConnectionReset(err), utilnet.IsTimeout(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err):
		r.Reason, r.Message = ReasonClusterUnavailable, "the cluster does not answer; it is tried again"
	}
	return r
}

// noTypedPatch is what API servers answer where what is applied does not fit the
// schema of its kind, with a status of 500.
const noTypedPatch = "failed to create typed patch object"

// mismatchOf returns what of an object does not fit the schema of its kind; empty
// if that is not why a server refused it.
func mismatchOf(err error) string {
	_, after, ok := strings.Cut(err.Error(), noTypedPatch)
	if !ok {
		return ""
	}
	if _, fields, named := strings.Cut(after, "): "); named {
		return strings.TrimPrefix(fields, ".")
	}
	return "a field"
}

// schemaRetry is the pause before what does not fit a kind is tried again: only who
// wrote it can mend that, and a change is tried at once; or the schema changes.
const schemaRetry = 10 * time.Minute

// fits forgets that something did not fit its kind: nothing is to be written now.
func (l *lane) fits(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.outcomes[key]; ok && o.unfit() {
		l.outcomes[key] = outcome{begun: o.begun}
	}
}

// unfit says whether what was written last does not fit its kind.
func (o outcome) unfit() bool {
	return o.refusal != nil && !o.retiring && o.refusal.Reason == ReasonSchemaMismatch
}
