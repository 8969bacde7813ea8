package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
)

// annotationFence is written on an original to make a version of it that no
// earlier write is for. It stays above.
const annotationFence = "tmc-sdk.dev/fence"

// record is what the loop remembers of an original between two looks at it. All
// of it can be lost: it saves writes, it decides nothing.
type record struct {
	uid types.UID
	// held and released are the resourceVersions that were replaced when our
	// finalizer was put on and, from an original that stays, taken off: a cache
	// that still shows one of them shows what was before. Of any other version
	// the cache is right, for another replica may have written since.
	held, released string
	// sure says that the finalizer is known to be there from the server itself and
	// not from a cache alone: this process put it on, or read it live. Another
	// replica that led before may have taken it off since a cache last heard.
	sure bool
	// releasing is the resourceVersion that the finalizer was to be taken off,
	// by a write whose answer is not known yet, or never came: it may still be
	// on its way.
	releasing string
	// replaced is the resourceVersion that our last write replaced: a cache that
	// still shows it shows the object before the write.
	replaced string
	// reported is when the status was last written.
	reported time.Time
	// waiting lists the clusters that a deletion waits for.
	waiting []string
	// told lists what the owner was told of in events.
	told []string
	// holds counts how often the finalizer was put on, writes how often the same
	// status was written: if again and again, somebody undoes it.
	holds, writes rounds
	// written is the sight that the status was last written of.
	written uint64
	// settled is the fingerprint of what was seen when the status was last found
	// to be right.
	settled uint64
	// counted is the aggregate of what the copies' status was.
	counted *counted
}

func (l *Loop) record(key Key, uid types.UID) record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, ok := l.records[key]; ok && r.uid == uid {
		return *r
	}
	return record{uid: uid}
}

func (l *Loop) remember(key Key, r record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[key] = &r
}

func (l *Loop) forget(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.records, key)
	delete(l.stalled, key)
	l.metrics.stalled.Set(float64(len(l.stalled)))
}

// forgetSettled forgets the originals of a workspace that comes into sight, but
// those with a write under way or a deletion that waits: what was deleted while
// the workspace was out of sight has no event that would have it forgotten. Of
// what is still there all is found out anew.
func (l *Loop) forgetSettled(ws multicluster.ClusterName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, r := range l.records {
		if key.Workspace == ws && r.releasing == "" && len(r.waiting) == 0 {
			delete(l.records, key)
			delete(l.stalled, key)
		}
	}
	l.metrics.stalled.Set(float64(len(l.stalled)))
}

// waitingFor returns the originals whose deletion waits for a cluster.
func (l *Loop) waitingFor(cluster string) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []Key
	for key, r := range l.records {
		if slices.Contains(r.waiting, cluster) {
			keys = append(keys, key)
		}
	}
	return keys
}

// held says whether an original bears our finalizer.
func (l *Loop) held(key Key, original *unstructured.Unstructured) bool {
	switch r := l.record(key, original.GetUID()); original.GetResourceVersion() {
	case "":
	case r.held:
		return true
	case r.released, r.releasing:
		return false
	}
	return slices.Contains(original.GetFinalizers(), l.finalizer)
}

// releasing says whether our finalizer was to be taken off this version of an
// original, and it is not known whether it was.
func (l *Loop) releasing(key Key, original *unstructured.Unstructured) bool {
	version := original.GetResourceVersion()
	return version != "" && l.record(key, original.GetUID()).releasing == version
}

// holdOn puts our finalizer on an original that is about to get its first
// copy. It is the one write that it costs to begin syncing an object.
func (l *Loop) holdOn(ctx context.Context, key Key, original *unstructured.Unstructured, where *assignment) (*unstructured.Unstructured, error) {
	if len(where.targets) == 0 || l.held(key, original) || l.follows(StrategyObserveOnly, key.Kind) {
		return original, nil
	}
	finalizers := original.GetFinalizers()
	if !slices.Contains(finalizers, l.finalizer) {
		finalizers = append(slices.Clone(finalizers), l.finalizer)
	}
	r := l.record(key, original.GetUID())
	if left := r.holds.left(l.world.now()); left > 0 {
		where.refusal, where.again = l.letGoByOthers(), left
		return original, nil
	}
	held, err := l.patchFinalizers(ctx, key, original, finalizers)
	if err != nil {
		return nil, fmt.Errorf("put finalizer: %w", err)
	}
	r = l.record(key, original.GetUID())
	r.holds = r.holds.oneMore(l.world.now())
	if !slices.Contains(held.GetFinalizers(), l.finalizer) {
		// The write itself took it off again: to try once more at once is in vain.
		r.holds.rounds = max(r.holds.rounds, fightAfter)
		l.remember(key, r)
		where.refusal, where.again = l.letGoByOthers(), r.holds.left(l.world.now())
		return original, nil
	}
	r.held, r.replaced, r.sure = original.GetResourceVersion(), original.GetResourceVersion(), true
	l.remember(key, r)
	return held, nil
}

// letGoByOthers tells the owner that somebody in the workspace takes our finalizer
// off, without which no copy is made.
func (l *Loop) letGoByOthers() *RefusalError {
	return &RefusalError{Reason: ReasonContested, Message: "the finalizer " + l.finalizer +
		" is taken off this object again and again by somebody in the workspace, a mutating webhook or a controller; have it leave the finalizer there: no copy is made without it"}
}

// surelyHeld says whether an original bears our finalizer beyond what a cache
// shows, and so may get a copy where there is none (law 3). It costs a live read
// where another process put the finalizer on, once for each original, and only
// where a copy is to be made. False without an error: the cache is behind, and an
// event follows.
func (l *Loop) surelyHeld(ctx context.Context, key Key, original *unstructured.Unstructured) (bool, error) {
	if !l.held(key, original) {
		return false, nil
	}
	if l.record(key, original.GetUID()).sure {
		return true, nil
	}
	ws, err := l.workspace(ctx, key.Workspace)
	if err != nil {
		return false, err
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(key.Kind)
	switch err := ws.Get(ctx, key.object(), live); {
	case isGone(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read original live: %w", err)
	}
	if live.GetUID() != original.GetUID() || live.GetDeletionTimestamp() != nil || !slices.Contains(live.GetFinalizers(), l.finalizer) {
		return false, nil
	}
	r := l.record(key, original.GetUID())
	r.sure = true
	l.remember(key, r)
	return true, nil
}

// errBegun says that a copy may have been written since it was found that none is left.
var errBegun = errors.New("a copy is being written")

// begunBy returns the clusters to which a copy may have been written since none was
// last seen there.
func (l *Loop) begunBy(key Key) (names []string) {
	for _, lane := range l.allLanes() {
		if lane.outcome(key).begun {
			names = append(names, lane.name)
		}
	}
	slices.Sort(names)
	return names
}

// letGo takes our finalizer off an original that has no copy left but on clusters
// that are not waited for. Begun is what begunBy returned before that was found out.
func (l *Loop) letGo(ctx context.Context, key Key, original *unstructured.Unstructured, begun []string) error {
	rest := slices.DeleteFunc(slices.Clone(original.GetFinalizers()), func(f string) bool { return f == l.finalizer })
	r := l.record(key, original.GetUID())
	before := r.releasing
	r.releasing = original.GetResourceVersion()
	l.remember(key, r)
	if !slices.Equal(begun, l.begunBy(key)) {
		r.releasing = before
		l.remember(key, r)
		return errBegun
	}
	if _, err := l.patchFinalizers(ctx, key, original, rest); err != nil && !isGone(err) {
		return fmt.Errorf("take finalizer off: %w", err)
	}
	l.forget(key)
	if original.GetDeletionTimestamp() == nil {
		l.remember(key, record{uid: original.GetUID(), released: original.GetResourceVersion()})
	}
	for _, lane := range l.allLanes() {
		lane.forget(key)
	}
	return nil
}

// patchFinalizers replaces the finalizers of the very object and version that
// was read; a conflict means that it changed since, and an event follows.
func (l *Loop) patchFinalizers(ctx context.Context, key Key, original *unstructured.Unstructured, finalizers []string) (*unstructured.Unstructured, error) {
	ws, err := l.workspace(ctx, key.Workspace)
	if err != nil {
		return nil, err
	}
	metadata := map[string]any{
		"finalizers": finalizers, "uid": original.GetUID(), "resourceVersion": original.GetResourceVersion(),
	}
	if slices.Equal(finalizers, original.GetFinalizers()) {
		// A write that takes the finalizer off may still be on its way: it is for
		// this version, and comes too late for the next.
		metadata["annotations"] = map[string]any{annotationFence: original.GetResourceVersion()}
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return nil, err
	}
	obj := original.DeepCopy()
	err = ws.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(l.manager))
	l.metrics.wroteUpstream("finalizer", err)
	return obj, err
}

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
		may, err := l.mayHold(ctx, lane, key, original, named == nil, slices.Contains(named, state.Name))
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
		if lane != nil && state.Reachable && !(intent{action: retire}).triedBefore(lane.outcome(key)) {
			addAs(lane.queue, errand{key: key}, rankFirst)
		}
	}
	return waiting, again, nil
}

// mayHold says whether a cluster may hold a copy of an original: its decision
// names the cluster, or the cluster's copies show one, or one was written that
// they do not show yet, or nothing is known of any of this.
func (l *Loop) mayHold(ctx context.Context, lane *lane, key Key, original *unstructured.Unstructured, undecided, named bool) (bool, error) {
	if lane == nil {
		return undecided || named, nil
	}
	if lane.outcome(key).goneFor(original.GetUID()) {
		return false, nil
	}
	copied, err := lane.copyOf(ctx, key)
	switch {
	case errors.Is(err, errUnknown):
		return undecided || named, nil
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
	if errors.Is(err, errUnknown) || err == nil && len(where.targets) == 0 && l.isRelated(key.Kind) {
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
