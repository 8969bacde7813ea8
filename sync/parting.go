package syncer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

// parting is a copy that is to be deleted as soon as no other copy names it as its
// owner: the cluster would delete those with it, though their originals are there.
type parting struct {
	uid   types.UID
	since time.Time
}

// tellParting is after how long a deletion says what it waits for.
const tellParting = 10 * time.Second

// parts says whether a copy is to be deleted.
func (l *lane) parts(key Key, uid types.UID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.parting[key]
	return ok && p.uid == uid
}

// stays takes back that the copy of an original is to be deleted.
func (l *lane) stays(ctx context.Context, key Key) {
	if !l.departed(key) {
		return
	}
	if copied, err := l.copyOf(ctx, key); err == nil && copied != nil {
		l.loop.ownerSeen(nil, copied)
	}
}

// departed forgets that a copy was to be deleted; it returns whether one was.
func (l *lane) departed(key Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, was := l.parting[key]
	delete(l.parting, key)
	return was
}

// namesParting says whether what was rendered names an owner that is to be
// deleted.
func (l *lane) namesParting(rendered *unstructured.Unstructured) bool {
	references := rendered.GetOwnerReferences()
	if len(references) == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.parting {
		for _, ref := range references {
			if ref.UID == p.uid {
				return true
			}
		}
	}
	return false
}

// part says whether a copy may be deleted as far as those are concerned that name
// it as their owner: they are written anew, without it, and live reads have to show
// it. From then on nobody is written who names it.
func (l *lane) part(ctx context.Context, key Key, copied *unstructured.Unstructured) (bool, error) {
	if !l.loop.pipeline.MapsOwners() {
		return true, nil
	}
	since := l.announce(key, copied.GetUID())
	var waits []string
	for _, dependent := range l.dependentsOf(ctx, key, copied) {
		there, err := l.liveCopy(ctx, dependent)
		if err != nil {
			return false, err
		}
		if there == nil || l.parts(dependent, there.GetUID()) || !names(there, copied.GetUID()) {
			continue
		}
		l.loop.enqueue(dependent, false)
		waits = append(waits, fmt.Sprintf("%s %s", dependent.Kind.Kind, dependent.Name))
	}
	if len(waits) > 0 && l.loop.world.now().Sub(since) > tellParting {
		return false, &RefusalError{Reason: ReasonDeleting, Cluster: l.name, Message: fmt.Sprintf(
			"%s names this as its owner, and the cluster would delete it along: it has to be written without first, see why its copy is not", waits[0])}
	}
	return len(waits) == 0, nil
}

// announce takes note that a copy is to be deleted, when no write is under way that
// may name it; it returns since when that is so.
func (l *lane) announce(key Key, uid types.UID) time.Time {
	l.loop.world.lock(&l.owning)
	defer l.owning.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.parting[key]
	if !ok || p.uid != uid {
		p = parting{uid: uid, since: l.loop.world.now()}
		l.parting[key] = p
	}
	return p.since
}

// dependentsOf returns the originals whose copies may name a copy as their owner:
// those that name its original, and those whose copies are seen to.
func (l *lane) dependentsOf(ctx context.Context, key Key, copied *unstructured.Unstructured) []Key {
	keys := l.loop.dependents.of(key.Workspace, l.copiedFrom(key, copied))
	for _, kind := range l.loop.kinds() {
		as, ready := l.copiesKnown(kind)
		if !ready {
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: as.Group, Version: as.Version, Kind: as.Kind + "List"})
		if err := l.cached.List(ctx, list, client.InNamespace(copied.GetNamespace())); err != nil {
			continue // the kind left just now, and its copies stay as they are
		}
		for i := range list.Items {
			if marks, ok := transform.ReadMarks(&list.Items[i]); ok && ofKind(kind, as, marks) && names(&list.Items[i], copied.GetUID()) {
				keys = append(keys, keyOf(kind, marks.Origin))
			}
		}
	}
	return sortedKeys(slices.DeleteFunc(keys, func(k Key) bool { return k == key }))
}

// names says whether an object names another as its owner.
func names(obj *unstructured.Unstructured, owner types.UID) bool {
	for _, ref := range obj.GetOwnerReferences() {
		if ref.UID == owner {
			return true
		}
	}
	return false
}
