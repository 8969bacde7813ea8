package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/transform"
)

// mostMentions bounds how far is followed what an object needs: what stands more
// mentions away from all that is placed goes nowhere. It is the same for what the
// caches say and for live proof, so that the two agree.
const mostMentions = 8

// mentionOf returns how an object is mentioned in its namespace.
func mentionOf(kind schema.GroupVersionKind, name string) mention {
	return mention{kind.GroupKind().String(), name}
}

// lister returns the objects of a kind in one namespace.
type lister func(schema.GroupVersionKind) ([]unstructured.Unstructured, error)

// needing returns what needs the object that is mentioned so: the objects of kinds
// that mention it, then what mentions those of them that are related, and so on, over
// at most mostMentions mentions. Each comes once, so that circles end; the object
// itself does not. Kinds are listed in their order, each once. With errUnknown, which
// list returns for a kind that is not known yet, comes what is known of the others.
func (l *Loop) needing(wanted mention, kinds []schema.GroupVersionKind, list lister) ([]unstructured.Unstructured, error) {
	listed := map[schema.GroupVersionKind][]unstructured.Unstructured{}
	var unknown error
	for _, kind := range kinds {
		items, err := list(kind)
		switch {
		case errors.Is(err, errUnknown):
			unknown = errUnknown
		case err != nil:
			return nil, err
		}
		listed[kind] = items
	}
	var found []unstructured.Unstructured
	level, seen := []mention{wanted}, map[mention]bool{wanted: true}
	for depth := 0; depth < mostMentions && len(level) > 0; depth++ {
		var next []mention
		for _, kind := range kinds {
			for i := range listed[kind] {
				item := &listed[kind][i]
				by := mentionOf(kind, item.GetName())
				if seen[by] || !mentionsAny(l.mentionsOf(item), level) {
					continue
				}
				seen[by] = true
				found = append(found, *item)
				if l.isRelated(kind) {
					next = append(next, by)
				}
			}
		}
		level = next
	}
	return found, unknown
}

func mentionsAny(mentions, wanted []mention) bool {
	return slices.ContainsFunc(mentions, func(m mention) bool { return slices.Contains(wanted, m) })
}

// mentioning returns the kinds that may mention others: the related ones first, which
// stand between what is placed and what it needs.
func (l *Loop) mentioning() []schema.GroupVersionKind {
	set := l.set.Load()
	kinds := slices.Concat(set.related, set.resources)
	return slices.DeleteFunc(kinds, func(kind schema.GroupVersionKind) bool { return !l.mayMention(kind) })
}

// usersOf returns the originals of placed kinds that need a related one, from the
// cache; with errUnknown, those that are known while there may be more.
func (l *Loop) usersOf(ctx context.Context, key Key) ([]unstructured.Unstructured, error) {
	if l.lacksUsers() {
		return nil, errUnknown // who mentions it may be of a kind that is not followed now
	}
	users, err := l.needing(mentionOf(key.Kind, key.Name), l.mentioning(), func(kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
		items, err := l.watcher.List(ctx, key.Workspace, kind, key.Namespace)
		if err != nil {
			return nil, errUnknown
		}
		return items, nil
	})
	return l.placed(users), err
}

// placed leaves of objects those of kinds that Placements cover.
func (l *Loop) placed(objects []unstructured.Unstructured) []unstructured.Unstructured {
	return slices.DeleteFunc(objects, func(u unstructured.Unstructured) bool { return l.isRelated(u.GroupVersionKind()) })
}

// liveUsers is usersOf by live reads. What stands between is read before what mentions
// it, and once more after: if it changed meanwhile, nothing is proven.
func (l *Loop) liveUsers(ctx context.Context, ws client.Client, key Key) ([]unstructured.Unstructured, error) {
	between := map[types.UID]string{}
	read := func(kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := ws.List(ctx, list, client.InNamespace(key.Namespace)); err != nil {
			return nil, fmt.Errorf("read %s live: %w", kind.Kind, err)
		}
		return list.Items, nil
	}
	kinds := l.mentioning()
	users, err := l.needing(mentionOf(key.Kind, key.Name), kinds, func(kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
		items, err := read(kind)
		for i := range items {
			if l.isRelated(kind) {
				between[items[i].GetUID()] = items[i].GetResourceVersion()
			}
		}
		return items, err
	})
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		if !l.isRelated(kind) {
			continue
		}
		items, err := read(kind)
		if err != nil {
			return nil, err
		}
		for i := range items {
			if version, ok := between[items[i].GetUID()]; !ok || version != items[i].GetResourceVersion() {
				return nil, errUnknown
			}
			delete(between, items[i].GetUID())
		}
	}
	if len(between) > 0 {
		return nil, errUnknown
	}
	return l.placed(users), nil
}

// enqueueMentions asks for what is mentioned, and for what that mentions in turn.
func (l *Loop) enqueueMentions(ws multicluster.ClusterName, namespace string, mentions []mention, bulk bool) {
	seen := map[mention]bool{}
	for depth := 0; depth < mostMentions && len(mentions) > 0; depth++ {
		var next []mention
		for _, m := range mentions {
			kind, ok := l.relatedKind(m)
			if !ok || seen[m] {
				continue
			}
			seen[m] = true
			key := Key{Kind: kind, Workspace: ws, Namespace: namespace, Name: m.name}
			l.enqueue(key, bulk)
			if !l.mayMention(kind) {
				continue
			}
			if there, err := l.watcher.Get(context.Background(), ws, kind, key.object()); err == nil {
				next = append(next, l.mentionsOf(there)...)
			} // else it is told of when it comes
		}
		mentions = next
	}
}

// leansOn says whether a copy on the cluster, as the cache shows them, still needs the
// copy of a related original that nothing in the workspace needs there any more: what
// is needed goes last. Copies that need each other in a circle don't wait for one
// another. errUnknown says that this can't be told yet.
func (l *lane) leansOn(ctx context.Context, key Key) (bool, error) {
	at := l.loop.locate(key)
	copies := func(kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
		return l.copiesIn(ctx, kind, at.Namespace)
	}
	kinds := l.loop.mentioning()
	needing, err := l.loop.needing(mentionOf(key.Kind, at.Name), kinds, copies)
	if err != nil {
		return false, err
	}
	for i := range needing {
		of, related := l.relatedOf(&needing[i])
		if !related {
			return true, nil
		}
		back, err := l.loop.needing(mentionOf(of, needing[i].GetName()), kinds, copies)
		if err != nil {
			return false, err
		}
		circle := slices.ContainsFunc(back, func(u unstructured.Unstructured) bool {
			kind, _ := l.relatedOf(&u)
			return kind == key.Kind && u.GetName() == at.Name
		})
		if !circle {
			return true, nil
		}
	}
	return false, nil
}

// relatedOf returns the related kind that a copy on the cluster is of; false if it is
// of a kind that is placed.
func (l *lane) relatedOf(copied *unstructured.Unstructured) (schema.GroupVersionKind, bool) {
	for _, kind := range l.loop.set.Load().related {
		if l.kindOf(kind).GroupKind() == copied.GroupVersionKind().GroupKind() {
			return kind, true
		}
	}
	return schema.GroupVersionKind{}, false
}

// holdsBack says whether the copy of a related original waits with its going, since
// another on the cluster still needs it: one whose change or deletion has not arrived
// yet, or is refused, or that a rollout keeps as it is. An original that is itself
// deleted, or was made anew, waits for nobody.
func (l *lane) holdsBack(ctx context.Context, key Key, original *unstructured.Unstructured) bool {
	if original == nil || original.GetDeletionTimestamp() != nil || !l.loop.isRelated(key.Kind) {
		return false
	}
	copied, err := l.copyOf(ctx, key)
	if err != nil || !isCopyOf(copied, original) {
		return errors.Is(err, errUnknown)
	}
	leant, err := l.leansOn(ctx, key)
	return leant || err != nil
}

// wakeMentioned asks for what a copy on the cluster mentioned, and mentions no more or
// is gone: that may have waited for it.
func (l *lane) wakeMentioned(key Key, before, after *unstructured.Unstructured) {
	if len(l.loop.set.Load().related) == 0 || !l.loop.mayMention(key.Kind) {
		return
	}
	var now []mention
	if after != nil {
		if g := after.GetGeneration(); g != 0 && g == before.GetGeneration() {
			return // its spec is what it was
		}
		now = l.loop.mentionsOf(after)
	}
	gone := slices.DeleteFunc(l.loop.mentionsOf(before), func(m mention) bool { return slices.Contains(now, m) })
	l.loop.enqueueMentions(key.Workspace, key.Namespace, gone, false)
}

// showsStatus says whether a related original gets a status: where its schema has
// conditions or its copies have one, as claims of volumes do. Once nothing needs it any
// more, its conditions say so; what nothing ever needed is left alone.
func (l *Loop) showsStatus(original *unstructured.Unstructured, seen sighting) bool {
	conditions := l.hasConditions(original.GroupVersionKind().GroupKind())
	if seen.unneeded {
		return conditions && slices.ContainsFunc(elements(at(original.Object, "status")["conditions"]),
			func(c map[string]any) bool { return c["type"] == ConditionSynced })
	}
	return conditions || slices.ContainsFunc(seen.copies, func(c transform.Observed) bool {
		return c.Copy != nil && len(at(c.Copy.Object, "status")) > 0
	})
}
