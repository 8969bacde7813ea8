package syncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
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

// errLetGo says that an original was let go while a copy of it was to be made.
var errLetGo = errors.New("the original was let go meanwhile")

// stillHeld says whether an original is what it was, and held.
func (l *Loop) stillHeld(ctx context.Context, key Key, was *unstructured.Unstructured) bool {
	now, err := l.original(ctx, key)
	return err == nil && now != nil && now.GetUID() == was.GetUID() && now.GetDeletionTimestamp() == nil && l.held(key, now)
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
