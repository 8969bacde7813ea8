package syncer

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

// Reconcile brings the copies of one original to what the original and its
// decision ask for, and the original's status to what the copies say. It never
// calls a physical cluster: lanes do, and each asks for another Reconcile when
// it has news.
func (l *Loop) Reconcile(ctx context.Context, key Key) (reconcile.Result, error) {
	if l.Suspended() {
		return reconcile.Result{}, nil // Resume asks again
	}
	original, err := l.original(ctx, key)
	switch {
	case errors.Is(err, errUnknown):
		return l.lookAgain(ctx, key), nil // unknown is not gone: touch nothing
	case err != nil:
		return reconcile.Result{}, err
	case original == nil:
		l.reconcileAbsent(ctx, key)
		return reconcile.Result{}, nil
	case original.GetDeletionTimestamp() != nil:
		return l.reconcileDeleting(ctx, key, original)
	}

	where, err := l.place(ctx, key, original) // Place
	if errors.Is(err, errUnknown) && l.isRelated(key.Kind) {
		return l.lookAgain(ctx, key), nil // what mentioned it may be gone when it can be told, and no event tells of that
	}
	if errors.Is(err, errUnknown) {
		return reconcile.Result{}, nil // an event follows the decision
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if original, err = l.holdOn(ctx, key, original, where); err != nil {
		return reconcile.Result{}, err
	}
	if l.idle(key, original, where) {
		return l.retireThenLetGo(ctx, key, original)
	}
	todos := l.send(ctx, key, original, where) // Transform and Apply
	l.tellRetired(ctx, key, where)
	seen := l.observe(ctx, key, original, where, todos) // Observe
	if hidden := l.hidden(ctx, key, original); hidden != nil {
		seen.refusals = append(seen.refusals, hidden)
		where.again = earlier(where.again, claimRetry)
	}
	if wrote, err := l.giveBack(ctx, key, original, seen); wrote || err != nil {
		return reconcile.Result{}, err
	}
	result, err := l.report(ctx, key, original, seen) // Report
	result.RequeueAfter = earlier(where.staged.sooner(result.RequeueAfter), where.again)
	return result, err
}

// idle says whether an original is held for copies that nothing needs any more:
// a related object that is no longer mentioned.
func (l *Loop) idle(key Key, original *unstructured.Unstructured, where *assignment) bool {
	return l.isRelated(key.Kind) && len(where.targets) == 0 && !where.partial && (l.held(key, original) || l.releasing(key, original))
}

// lookAgain comes back to copies whose original can't be told of yet: when it
// can, and it was deleted while nobody looked, no event tells of it.
func (l *Loop) lookAgain(ctx context.Context, key Key) reconcile.Result {
	for _, lane := range l.allLanes() {
		if copied, err := lane.copyOf(ctx, key); err == nil && copied != nil {
			return reconcile.Result{RequeueAfter: time.Minute}
		}
	}
	return reconcile.Result{}
}

// original reads the original from the cache: nil where there is none, and
// errUnknown where that can't be told.
func (l *Loop) original(ctx context.Context, key Key) (*unstructured.Unstructured, error) {
	obj, err := l.watcher.Get(ctx, key.Workspace, key.Kind, key.object())
	switch {
	case err == nil:
		return obj, nil
	case errors.Is(err, workspaces.ErrNotSynced), errors.Is(err, multicluster.ErrClusterNotFound):
		return nil, errUnknown
	case apierrors.IsNotFound(err):
		return nil, nil
	}
	return nil, err
}

// send gives each lane that has something to do for the original an errand. It
// returns what it found to do, by cluster.
func (l *Loop) send(ctx context.Context, key Key, original *unstructured.Unstructured, where *assignment) map[string]intent {
	lanes := l.allLanes()
	todos := make(map[string]intent, len(lanes))
	for _, lane := range lanes {
		todo := l.intend(ctx, lane, key, original, where)
		todos[lane.name] = todo
		// A fight is looked at again by the lane, when the truce ends; it may not
		// have known the original or the decision then.
		before := lane.outcome(key)
		if before.contested || todo.action != nothing && !todo.triedBefore(before) {
			addAs(lane.queue, errand{key: key}, todo.rank())
		}
	}
	return todos
}

// reconcileAbsent sees to the copies of an original that is not in the cache.
// Lanes retire them only on live proof.
func (l *Loop) reconcileAbsent(ctx context.Context, key Key) {
	remain := false
	for _, lane := range l.allLanes() {
		copied, err := lane.copyOf(ctx, key)
		switch {
		case err != nil:
		case copied != nil, lane.outcome(key).begun:
			remain = true // one that is being made, too, though the cache does not show it
			addAs(lane.queue, errand{key: key}, rankFirst)
		default:
			lane.forget(key)
		}
	}
	if !remain {
		l.forget(key)
	}
}
