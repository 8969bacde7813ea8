package syncer

import (
	"context"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// regarded is what an Event is about, as its workspace knows it.
type regarded struct {
	name string
	uid  types.UID
	// source is what it is about on the cluster, where that is to be shown itself;
	// empty where it is an original, whose UID is known.
	source Key
}

// eventPatience is how long an Event waits for what it is about to be shown, so that
// it is written once and bears the right UID. What comes later costs a second write.
const eventPatience = 2 * time.Second

// awaited is what an Event waits for.
type awaited struct {
	source Key
	since  time.Time
}

// identify completes what an Event is about by the UID that this has where it is shown:
// `kubectl describe` finds Events by it. It returns how long to wait for that; zero to
// show the Event as it is.
func (l *lane) identify(ctx context.Context, ws client.Client, key Key, shown *unstructured.Unstructured, about *regarded) (time.Duration, error) {
	if about == nil || about.source.Kind.Empty() {
		return 0, nil
	}
	at := about.source.showcase()
	if err := l.loop.knowShowcase(ctx, ws, at); err != nil {
		if l.loop.hasNoShowcase(about.source, err) {
			return 0, nil // it is shown nowhere there
		}
		return 0, err
	}
	if e, ok := l.loop.showcases.exhibit(at, about.name); ok && e.uid != "" && e.birthplace == (birthplace{l.name, about.source.Name}) {
		about.uid = e.uid
		l.meet(key)
		return 0, nil
	}
	if shown != nil && regardedBy(shown)["name"] == about.name {
		uid, _ := regardedBy(shown)["uid"].(string)
		about.uid = types.UID(uid) // what it said before, while nothing else is known
	}
	return l.await(key, about.source), nil
}

// await takes note that an Event waits for what it is about, and returns for how long
// still.
func (l *lane) await(event, source Key) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.awaiting[event]
	if !ok || a.source != source {
		a = awaited{source, l.loop.world.now()}
		l.awaiting[event] = a
	}
	return max(0, eventPatience-l.loop.world.now().Sub(a.since))
}

// meet forgets that an Event waits.
func (l *lane) meet(event Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.awaiting, event)
}

// arrived has the Events looked at again that wait for what is shown now.
func (l *lane) arrived(source Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var events []Key
	for event, a := range l.awaiting {
		if a.source == source {
			events = append(events, event)
		}
	}
	for _, event := range sortedKeys(events) {
		addAs(l.queue, errand{born: true, key: event}, rankBulk)
	}
}

// addedByOthers says whether somebody but us owns a field of what is shown that it
// should not have: an edit, be it from before this process began. Labels and
// annotations count; what kcp keeps there itself does not.
func addedByOthers(want, shown *unstructured.Unstructured, us string) bool {
	return slices.ContainsFunc(shown.GetManagedFields(), func(entry metav1.ManagedFieldsEntry) bool {
		if entry.Manager == us || entry.Subresource != "" {
			return false
		}
		set, added := fieldSet(entry), false
		if set == nil {
			return false
		}
		set.Leaves().Iterate(func(path fieldpath.Path) {
			steps := stepsOf(path)
			switch {
			case added, len(steps) == 0, steps[0] == "status":
				return
			case steps[0] == "metadata" && (len(steps) < 3 || steps[1] != "labels" && steps[1] != "annotations" || strings.Contains(steps[2], "kcp.io/")):
				return
			}
			_, there := find(shown.Object, path)
			_, wanted := find(want.Object, path)
			added = there && !wanted
		})
		return added
	})
}
