package syncer

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/transform"
)

// retire deletes the copy of an original, on live proof alone: the copy is read
// from the cluster and the original, or its decision, from its workspace. The
// original is what the cache shows of it; nil where it shows none.
func (l *lane) retire(ctx context.Context, key Key, original *unstructured.Unstructured) (again bool) {
	l.waitNoMore(key)
	if l.loop.follows(StrategyObserveOnly, key.Kind) || l.loop.retirementSuspended(l.name, key, original) != "" {
		return false // what resumes it asks again
	}
	if l.holdsBack(ctx, key, original) {
		return true // later, or when what needs it has changed
	}
	copied, err := l.liveCopy(ctx, key)
	if err != nil {
		return l.retireFailed(key, err)
	}
	if copied == nil {
		if err := l.clearGraves(ctx, key); err != nil {
			return l.retireFailed(key, err)
		}
		var uid types.UID
		if original != nil {
			uid = original.GetUID()
		}
		l.record(key, outcome{gone: uid})
		l.departed(key)
		l.unstray(key)
		l.loop.enqueue(key, false)
		l.queueTidy(key)
		return false
	}
	cause, err := l.loop.mayRetire(ctx, l, key, l.copiedFrom(key, copied))
	switch {
	case errors.Is(err, errUnknown):
		return true // later, when it may be known
	case err != nil:
		return l.retireFailed(key, err)
	case cause == "":
		return false
	}
	if copied.GetDeletionTimestamp() == nil {
		if free, err := l.part(ctx, key, copied); err != nil {
			return l.retireFailed(key, err)
		} else if !free {
			return true
		}
		if err := l.remove(ctx, key, original, copied, cause); err != nil {
			return l.retireFailed(key, err)
		}
	}
	// The watch tells when it is gone. Should the watch miss it, look again.
	return true
}

func (l *lane) retireFailed(key Key, err error) bool {
	before := l.outcome(key)
	l.record(key, outcome{refusal: l.classify(err), retiring: true, begun: before.begun})
	if before.refusal == nil || !before.retiring {
		l.loop.enqueue(key, false) // it is news
	}
	return true
}

// liveCopy reads the copy of an original from the cluster: nil where there is
// none, or what stands there is not ours.
func (l *lane) liveCopy(ctx context.Context, key Key) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	kind := l.kindOf(key.Kind)
	obj.SetGroupVersionKind(kind)
	if err := l.live.Get(ctx, l.loop.locate(key), obj); err != nil {
		if isGone(err) {
			return nil, nil
		}
		return nil, err
	}
	marks, ok := transform.ReadMarks(obj)
	if (!ok || marks.Installation != l.loop.installation || !isOf(key, kind, marks)) && !l.isStray(key, obj) {
		return nil, nil
	}
	return obj, nil
}

// isGone says whether an error proves that an object is not there. That an API
// is not served, or a proxy answers 404, proves nothing.
func isGone(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}
