package syncer

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// mentionPatience is how long a copy is held back for the copies of what it mentions.
// Pods wait for what they mention by themselves, so it is order that is asked for here,
// not safety: after this time the copy is written all the same.
const mentionPatience = 10 * time.Second

// order knows which copies of a cluster wait for which others. Its lane's lock guards it.
type order struct {
	waits  map[Key]holdup
	wanted map[Key][]Key // who waits for each, in the order of their coming
}

// holdup is what a copy waits for.
type holdup struct {
	since time.Time
	on    []Key
}

func newOrder() order { return order{map[Key]holdup{}, map[Key][]Key{}} }

// wait has a copy wait for others, and for no more than those.
func (o *order) wait(key Key, on []Key, now time.Time) (since time.Time) {
	w, waits := o.waits[key]
	if waits {
		o.end(key)
	} else {
		w.since = now
	}
	w.on = on
	o.waits[key] = w
	for _, m := range on {
		o.wanted[m] = append(o.wanted[m], key)
	}
	return w.since
}

// end forgets what a copy waited for.
func (o *order) end(key Key) {
	for _, m := range o.waits[key].on {
		left := slices.DeleteFunc(o.wanted[m], func(k Key) bool { return k == key })
		if o.wanted[m] = left; len(left) == 0 {
			delete(o.wanted, m)
		}
	}
	delete(o.waits, key)
}

// reaches says whether one copy waits for another, or for one that does.
func (o *order) reaches(key, other Key) bool {
	level := []Key{key}
	for depth := 0; depth < mostMentions && len(level) > 0; depth++ {
		var next []Key
		for _, k := range level {
			next = append(next, o.waits[k].on...)
		}
		if slices.Contains(next, other) {
			return true
		}
		level = next
	}
	return false
}

// awaitsMentioned says whether the copy of an original waits, before it is written, for
// what it mentions: what is in the workspace, goes to this cluster with it, and is not
// seen there yet. When it is, or after mentionPatience, the lane is sent again.
func (l *lane) awaitsMentioned(ctx context.Context, key Key, original *unstructured.Unstructured) bool {
	mentioned := l.mentionedBy(key, original)
	if len(mentioned) == 0 {
		return false
	}
	// It is noted first: what comes between the look and the note would wake nobody.
	left := l.waitFor(key, mentioned)
	switch {
	case !slices.ContainsFunc(mentioned, func(m Key) bool { return l.isToCome(ctx, key, m) }):
		l.waitNoMore(key)
		return false
	case left <= 0:
		return false
	}
	l.queue.AddAfter(errand{key: key}, left)
	return true
}

// mentionedBy returns what an original mentions of what is related.
func (l *lane) mentionedBy(key Key, original *unstructured.Unstructured) []Key {
	if key.Namespace == "" || !l.loop.mayMention(key.Kind) {
		return nil
	}
	var mentioned []Key
	for _, m := range l.loop.mentionsOf(original) {
		if kind, ok := l.loop.relatedKind(m); ok {
			mentioned = append(mentioned, Key{Kind: kind, Workspace: key.Workspace, Namespace: key.Namespace, Name: m.name})
		}
	}
	return mentioned
}

// isToCome says whether the copy of something related is expected and not seen yet.
// What was refused, or waits itself for the one that mentions it, is not.
func (l *lane) isToCome(ctx context.Context, by, mentioned Key) bool {
	if l.loop.follows(StrategyObserveOnly, mentioned.Kind) || l.unserved(mentioned.Kind) {
		return false
	}
	original, err := l.loop.original(ctx, mentioned)
	if err != nil || original == nil || original.GetDeletionTimestamp() != nil || isShown(original) {
		return false
	}
	if copied, _ := l.copyOf(ctx, mentioned); copied != nil {
		return false // and where that is not known yet, it soon is
	}
	return l.outcome(mentioned).refusal == nil && !l.waitsFor(mentioned, by)
}

// waitFor takes note of what a copy waits for, and returns for how long it still does.
func (l *lane) waitFor(key Key, mentioned []Key) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.loop.world.now()
	return mentionPatience - now.Sub(l.order.wait(key, mentioned, now))
}

// waitNoMore forgets what a copy waited for.
func (l *lane) waitNoMore(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.order.end(key)
}

// waitsFor says whether one copy waits for another, or for one that does.
func (l *lane) waitsFor(key, other Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.order.reaches(key, other)
}

// wakeWaiting sends the lane to what waited for a copy that came, or was refused. The lock is
// held.
func (l *lane) wakeWaiting(key Key) {
	for _, by := range l.order.wanted[key] {
		l.queue.Add(errand{key: by})
	}
}
