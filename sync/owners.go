package syncer

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/transform"
)

// A pipeline WithOwnerReferences has copies name the copies of their owners. The
// cluster's garbage collector deletes what names only owners that are not there,
// and a deletion of a copy needs a proof that it does not ask for. So a copy names
// what is there to stay, and no copy is deleted before all others have ceased to
// name it.

// dependents knows which originals name which as their owners.
type dependents struct {
	mu sync.Mutex
	by map[multicluster.ClusterName]map[types.UID]map[Key]struct{}
}

// observe takes in an event of an original.
func (d *dependents) observe(key Key, e workspaces.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.Old != nil {
		for _, ref := range e.Old.GetOwnerReferences() {
			delete(d.by[key.Workspace][ref.UID], key)
			if len(d.by[key.Workspace][ref.UID]) == 0 {
				delete(d.by[key.Workspace], ref.UID)
			}
		}
	}
	if e.New != nil {
		for _, ref := range e.New.GetOwnerReferences() {
			owners := d.by[key.Workspace]
			if owners == nil {
				owners = map[types.UID]map[Key]struct{}{}
				d.by[key.Workspace] = owners
			}
			if owners[ref.UID] == nil {
				owners[ref.UID] = map[Key]struct{}{}
			}
			owners[ref.UID][key] = struct{}{}
		}
	}
	if len(d.by[key.Workspace]) == 0 {
		delete(d.by, key.Workspace)
	}
}

// drop forgets a workspace.
func (d *dependents) drop(ws multicluster.ClusterName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.by, ws)
}

// of returns who names an original as its owner, sorted.
func (d *dependents) of(ws multicluster.ClusterName, uid types.UID) []Key {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys := make([]Key, 0, len(d.by[ws][uid]))
	for key := range d.by[ws][uid] {
		keys = append(keys, key)
	}
	return sortedKeys(keys)
}

// all returns all that name owners, sorted.
func (d *dependents) all() []Key {
	d.mu.Lock()
	defer d.mu.Unlock()
	var keys []Key
	for _, owners := range d.by {
		for _, named := range owners {
			for key := range named {
				keys = append(keys, key)
			}
		}
	}
	return sortedKeys(keys)
}

func sortedKeys(keys []Key) []Key {
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Compare(a.String(), b.String()) })
	return slices.Compact(keys)
}

// ownersOn returns the owners of an original whose copies are on a cluster to
// stay. errUnknown says that this can't be told yet. Owners are of the same
// namespace: what is cluster-scoped is not looked for.
func (l *Loop) ownersOn(ctx context.Context, lane *lane, key Key, original *unstructured.Unstructured) ([]transform.Owner, error) {
	if !l.pipeline.MapsOwners() || l.follows(StrategyCreateOnly, key.Kind) {
		return nil, nil // what is never written again could never let go of its owner
	}
	var owners []transform.Owner
	for _, ref := range original.GetOwnerReferences() {
		kind, synced := l.kindNamed(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind())
		if !synced || lane.unserved(kind) {
			continue
		}
		owner := Key{Kind: kind, Workspace: key.Workspace, Namespace: key.Namespace, Name: ref.Name}
		copied, err := lane.copyOf(ctx, owner)
		if err != nil {
			return nil, err
		}
		if copied == nil || copied.GetDeletionTimestamp() != nil || lane.parts(owner, copied.GetUID()) {
			continue
		}
		if marks, _ := transform.ReadMarks(copied); marks.UID == ref.UID {
			owners = append(owners, transform.Owner{Original: ref.UID, Kind: copied.GroupVersionKind(), Name: copied.GetName(), UID: copied.GetUID()})
		}
	}
	return owners, nil
}

// kindNamed returns the version in which a kind is synced.
func (l *Loop) kindNamed(kind schema.GroupKind) (schema.GroupVersionKind, bool) {
	kinds := l.kinds()
	i := slices.IndexFunc(kinds, func(k schema.GroupVersionKind) bool { return k.GroupKind() == kind })
	if i < 0 {
		return schema.GroupVersionKind{}, false
	}
	return kinds[i], true
}

// enqueueDependents asks for those that name an original as their owner.
func (l *Loop) enqueueDependents(ws multicluster.ClusterName, uid types.UID) {
	if !l.pipeline.MapsOwners() {
		return
	}
	for _, key := range l.dependents.of(ws, uid) {
		l.enqueue(key, false)
	}
}

// tellDependents is ownerSeen for what an informer tells.
func (l *lane) tellDependents(before, now any) {
	if !l.loop.pipeline.MapsOwners() {
		return
	}
	if tombstone, ok := now.(toolscache.DeletedFinalStateUnknown); ok {
		now = tombstone.Obj
	}
	was, _ := before.(*unstructured.Unstructured)
	if is, ok := now.(*unstructured.Unstructured); ok {
		l.loop.ownerSeen(was, is)
	}
}

// ownerSeen asks for those that name the original of a copy as their owner, where
// the copy came, was replaced, or began to go.
func (l *Loop) ownerSeen(before, now *unstructured.Unstructured) {
	if before != nil && before.GetUID() == now.GetUID() && before.GetDeletionTimestamp().Equal(now.GetDeletionTimestamp()) {
		return
	}
	if marks, ok := transform.ReadMarks(now); ok {
		l.enqueueDependents(multicluster.ClusterName(marks.LogicalCluster), marks.UID)
	}
}
