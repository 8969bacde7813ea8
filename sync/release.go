package syncer

import (
	"context"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
)

// reconcileDeleting retires every copy of an original that is being deleted
// and lets it go when each is seen, live, to be gone.
func (l *Loop) reconcileDeleting(ctx context.Context, key Key, original *unstructured.Unstructured) (reconcile.Result, error) {
	if !slices.Contains(original.GetFinalizers(), l.finalizer) {
		l.reconcileAbsent(ctx, key)
		return reconcile.Result{}, nil
	}
	return l.retireThenLetGo(ctx, key, original)
}

func (l *Loop) retireThenLetGo(ctx context.Context, key Key, original *unstructured.Unstructured) (reconcile.Result, error) {
	begun := l.begunBy(key)
	waiting, again, err := l.retireAll(ctx, key, original)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(waiting) > 0 {
		r := l.record(key, original.GetUID())
		r.waiting = waiting
		l.remember(key, r)
		look, err := l.explain(ctx, key, original, waiting)
		if look > 0 && (again == 0 || look < again) {
			again = look
		}
		return reconcile.Result{RequeueAfter: again}, err
	}
	err = l.letGo(ctx, key, original, begun)
	if apierrors.IsConflict(err) || errors.Is(err, errBegun) {
		return reconcile.Result{RequeueAfter: 100 * time.Millisecond}, nil
	}
	return reconcile.Result{}, err
}

// retireAll sends every lane that may hold a copy to retire it, and returns
// the clusters that are still waited for.
func (l *Loop) retireAll(ctx context.Context, key Key, original *unstructured.Unstructured) (waiting []string, again time.Duration, err error) {
	if l.follows(StrategyObserveOnly, key.Kind) {
		return nil, 0, nil // what is on clusters is not ours to wait for
	}
	named, err := l.everNamed(ctx, key, original)
	if err != nil {
		return nil, 0, err
	}
	waitedFor := l.record(key, original.GetUID()).waiting
	snapshot := l.fleet.Snapshot()
	for _, name := range named {
		if _, ok := snapshot.Lookup(name); !ok {
			if err := l.bury(ctx, key, original, name); err != nil {
				return nil, 0, err
			}
			l.tellReleased(ctx, key, original, name, CauseClusterRemoved, "it was removed from the fleet")
		}
	}
	for state := range snapshot.All() {
		lane := l.lane(state.Name)
		named := named == nil || slices.Contains(named, state.Name) || slices.Contains(waitedFor, state.Name)
		may, err := l.mayHold(ctx, lane, key, original, named, answers(state))
		if err != nil {
			return nil, 0, err
		}
		if !may {
			continue
		}
		if released, left := l.released(state); released && l.mayForget(key, original) {
			l.tellReleased(ctx, key, original, state.Name, CauseClusterLost, "it has not answered for "+l.lostAfter(state).String())
			if err := l.bury(ctx, key, original, state.Name); err != nil {
				return nil, 0, err
			}
			continue
		} else if left > 0 && (again == 0 || left < again) {
			again = left
		}
		waiting = append(waiting, state.Name)
		if lane != nil && answers(state) && !(intent{action: retire}).triedBefore(lane.outcome(key)) {
			addAs(lane.queue, errand{key: key}, rankFirst)
		}
	}
	return waiting, again, nil
}

// mayHold says whether a cluster may hold a copy of an original: its decision
// names the cluster, or did when the deletion began to wait for it, or that is not
// known; the cluster's copies show one, or one was written that they do not show
// yet; or they are not known yet, and the cluster can be asked.
func (l *Loop) mayHold(ctx context.Context, lane *lane, key Key, original *unstructured.Unstructured, named, reachable bool) (bool, error) {
	if lane == nil {
		return named || reachable, nil
	}
	if lane.outcome(key).goneFor(original.GetUID()) {
		return false, nil
	}
	copied, err := lane.copyOf(ctx, key)
	switch {
	case errors.Is(err, errUnknown):
		return named || reachable && !lane.unserved(key.Kind), nil
	case err != nil:
		return false, err
	}
	return named || copied != nil || lane.outcome(key).begun, nil
}

// mayForget says whether an original may be let go though a copy may remain: what
// was asked to stay, only where that is remembered until the cluster returns.
func (l *Loop) mayForget(key Key, original *unstructured.Unstructured) bool {
	how, problem := l.deletionOf(key, original)
	return problem == "" && (how != DeletionOrphan || l.opts.tombstones != nil)
}

// released says whether the policy lets go of what a cluster may still hold,
// and else, where it will, in how long.
func (l *Loop) released(s *tmccluster.State) (bool, time.Duration) {
	after := l.lostAfter(s)
	if after < 0 || s.Reachable || s.UnreachableSince.IsZero() {
		return false, 0
	}
	left := after - l.world.now().Sub(s.UnreachableSince)
	return left <= 0, max(0, left)
}

// tellReleased tells the owner, once, what may have been left behind.
func (l *Loop) tellReleased(ctx context.Context, key Key, original *unstructured.Unstructured, cluster string, cause Cause, why string) {
	r := l.record(key, original.GetUID())
	if slices.Contains(r.told, cluster) {
		return
	}
	r.told = append(slices.Clip(r.told), cluster)
	l.remember(key, r)
	l.audit(ctx, Change{Action: ActionReleased, Cause: cause, Original: key, OriginalUID: original.GetUID(), Cluster: cluster})
	l.tell(ctx, key, original, &RefusalError{Reason: ReasonReleased, Cluster: cluster, Message: "deletion no longer waits for cluster " + cluster + ": " + why + "; a copy may remain there and is retired should the cluster return"})
}

// everNamed returns, sorted, the clusters that the original's decision names, leaving
// ones too; nil where there is no decision to read any more. A related object
// has none of its own, and those that mention it may have ceased to: where it
// once went, nothing says.
func (l *Loop) everNamed(ctx context.Context, key Key, original *unstructured.Unstructured) ([]string, error) {
	where, err := l.place(ctx, key, original)
	if errors.Is(err, errUnknown) || err == nil && (where.partial || len(where.targets) == 0 && l.isRelated(key.Kind)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(where.targets))
	for name := range where.targets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}
