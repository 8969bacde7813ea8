package syncer

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// showUpstream makes the workspace show an object of the cluster, or no longer.
func (l *lane) showUpstream(ctx context.Context, e errand) (again bool) {
	key := e.key
	rule := l.loop.shownRule(key.Kind)
	if l.loop.suspension(l.name, nil) != "" {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, 4*requestTimeout)
	defer cancel()
	if key.Name == "" {
		return l.lookAround(ctx, key) // also where the workspace is out of sight: when it comes, what is known is looked at
	}
	if !l.loop.engagedIn(key.Workspace) {
		l.meet(key)
		return false // another replica's, or out of sight: when it comes, all of it is looked at
	}
	ws, err := l.loop.workspace(ctx, key.Workspace)
	if err == nil {
		err = l.loop.knowShowcase(ctx, ws, key.showcase())
	}
	if err != nil {
		return !l.loop.hasNoShowcase(key, err)
	}
	s := showing{birthplace{l.name, key.Name}, l.loop.installation, key.Namespace, rule.nameOf(key.Name, l.name)}
	if l.nurseries[key.Kind].holds(l.bornAt(key)) && !l.mayShow(ctx, key, s, rule) {
		return false // it is looked at again when there is room
	}
	wait, err := l.showNow(ctx, ws, key, s)
	if err != nil {
		l.logger.V(1).Info("Object is not shown upstream as it is", "key", key.String(), "error", err.Error())
		return true
	}
	if wait > 0 {
		l.queue.AddAfter(e, wait)
	}
	return false
}

// bornAt returns where the source of what is shown stands on the cluster.
func (l *lane) bornAt(key Key) types.NamespacedName {
	return types.NamespacedName{Namespace: l.loop.pipeline.Namespace(key.origin("")).GetName(), Name: key.Name}
}

func wishOf(key Key, s showing, rule *upsyncRule) wish {
	return wish{at: key.showcase(), name: s.name, from: s.birthplace, most: rule.most}
}

// mayShow says whether there is room, and budget, for a write. What has to wait is
// told of once.
func (l *lane) mayShow(ctx context.Context, key Key, s showing, rule *upsyncRule) bool {
	now := l.loop.world.now()
	ok, full := l.loop.showcases.mayWrite(wishOf(key, s, rule), now)
	if full {
		l.loop.tellFull(ctx, key, rule)
	} else if !ok {
		l.loop.overseeAfter(key.showcase(), time.Second)
	}
	return ok
}

// showNow compares what is shown with its source. It returns when to look again at
// what was written just now; zero for never.
func (l *lane) showNow(ctx context.Context, ws client.Client, key Key, s showing) (time.Duration, error) {
	shown := &unstructured.Unstructured{}
	shown.SetGroupVersionKind(key.Kind)
	err := ws.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: s.name}, shown)
	if isGone(err) {
		shown, err = nil, nil
	}
	if err != nil {
		return 0, err
	}
	known, _ := l.loop.showcases.exhibit(key.showcase(), s.name)
	ours := shown != nil && (known.uid == shown.GetUID() && known.birthplace == s.birthplace || l.shows(shown, s))
	born, err := l.sourceFor(ctx, key, shown, ours)
	switch {
	case err != nil:
		return 0, err
	case shown != nil && !ours && born.Unstructured == nil:
		l.makeRoom(key, s)
		return 0, nil
	case shown != nil && !ours:
		l.taken(ctx, key, shown, s)
		return 0, nil
	}
	w := showWork{key: key, born: born, shown: shown, known: known}
	if born.Unstructured == nil {
		l.meet(key)
		return 0, l.unshow(ctx, ws, w, s)
	}
	if wait, err := l.identify(ctx, ws, key, shown, born.about); wait > 0 || err != nil {
		return wait, err
	}
	return l.keepShown(ctx, ws, s, w)
}

// shows says whether an object of a workspace shows a source, by its marks.
func (l *lane) shows(shown *unstructured.Unstructured, s showing) bool {
	cluster, _ := sourceOf(shown)
	return isShown(shown) && shown.GetLabels()[LabelUpsync] == s.installation && cluster == s.cluster && sourceNameOf(shown) == s.source
}

// taken tells that an object stands where a source would be shown.
func (l *lane) taken(ctx context.Context, key Key, there *unstructured.Unstructured, s showing) {
	if !l.loop.showcases.taken(key.showcase(), there, s.birthplace) {
		return
	}
	message := fmt.Sprintf("%s %q is also made on the cluster, and can't be shown here under this name: rename one of the two", key.Kind.Kind, s.source)
	if cluster, _ := sourceOf(there); isShown(there) && cluster != l.name {
		message = fmt.Sprintf("%s %q is made on cluster %s, too, and is shown from there: have the platform team put the cluster into the name (UpsyncClusterInName)", key.Kind.Kind, s.source, cluster)
	}
	l.loop.tell(ctx, key, there, &RefusalError{Reason: ReasonConflict, Cluster: l.name, Message: message})
}

// sourceFor reads, live, what is to be shown: none where there is nothing, or it is
// not to be shown.
func (l *lane) sourceFor(ctx context.Context, key Key, shown *unstructured.Unstructured, ours bool) (offspring, error) {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(key.Kind)
	where := l.bornAt(key)
	switch err := l.live.Get(ctx, where, found); {
	case isGone(err):
		return offspring{}, l.servesBorn(ctx, key.Kind, where.Namespace)
	case err != nil:
		return offspring{}, err
	}
	if isOurOwn(found) {
		return offspring{}, nil // a copy never comes back up
	}
	if ours, err := l.standsInOurs(ctx, key, where.Namespace); !ours || err != nil {
		return offspring{}, err
	}
	rule := l.loop.shownRule(key.Kind)
	if rule.labelled && found.GetLabels()[LabelUpsync] == l.loop.installation && !isEvent(key.Kind) {
		return offspring{Unstructured: found}, nil
	}
	if !rule.belonging {
		return offspring{}, nil // no longer by choice
	}
	owned, about, err := l.belongs(ctx, key, found)
	if err != nil {
		return offspring{}, err
	}
	if !owned && ours && isEvent(key.Kind) && bornAs(shown) == found.GetUID() {
		// It was proven when it was shown, and what it is about has gone since.
		name, _ := regardedBy(shown)["name"].(string)
		uid, _ := regardedBy(shown)["uid"].(string)
		owned, about = true, &regarded{name: name, uid: types.UID(uid)}
	}
	if !owned {
		return offspring{}, nil
	}
	return offspring{found, about}, nil
}

// standsInOurs says whether a namespace of the cluster is that of the copies of a
// namespace of a workspace. That a cache does not have it proves nothing.
func (l *lane) standsInOurs(ctx context.Context, key Key, namespace string) (bool, error) {
	if of, ok := l.namespaceOf(namespace); ok && of == key.namespace() {
		return true, nil
	}
	there := &unstructured.Unstructured{}
	there.SetGroupVersionKind(namespaceKind)
	if err := l.live.Get(ctx, types.NamespacedName{Name: namespace}, there); err != nil {
		return false, err
	}
	return l.isNamespaceOf(there, key), nil
}

// bornAs returns the UID of the source of what is shown.
func bornAs(shown *unstructured.Unstructured) types.UID {
	_, uid := sourceOf(shown)
	return types.UID(uid)
}

// servesBorn makes sure that the answer "not found" came from a cluster that serves
// the kind.
func (l *lane) servesBorn(ctx context.Context, kind schema.GroupVersionKind, namespace string) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := l.live.List(ctx, list, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return fmt.Errorf("confirm that the cluster serves %s: %w", kind.Kind, err)
	}
	return nil
}

// keepShown writes what differs from the source.
func (l *lane) keepShown(ctx context.Context, ws client.Client, s showing, w showWork) (time.Duration, error) {
	want, err := s.of(w.born)
	if err != nil {
		return 0, err
	}
	data, err := json.Marshal(want.Object)
	if err != nil {
		return 0, fmt.Errorf("digest of what is shown: %w", err)
	}
	sent, now, showcases := hash(data), l.loop.world.now(), &l.loop.showcases
	wish := wishOf(w.key, s, l.loop.shownRule(w.key.Kind))
	if w.shown != nil {
		if w.known.sent == sent && w.known.version == w.shown.GetResourceVersion() {
			return 0, nil // whatever the workspace's schema made of it
		}
		if !drifted(want.Object, w.shown.Object) && !w.edited(want, l.loop.manager) {
			showcases.wrote(wish, w.shown, sent, now)
			return 0, nil
		}
		if wait := w.tooSoon(want, now); wait > 0 {
			return wait, nil
		}
	}
	if !showcases.begin(wish, now) {
		return 0, nil
	}
	wrote, err := l.writeShown(ctx, ws, want, w)
	if wrote != nil {
		showcases.wrote(wish, wrote, sent, now)
		if w.known.cluster != "" && w.known.birthplace != s.birthplace {
			l.loop.lookAtSource(w.key, w.known.birthplace) // it may be there still, and stands back now
		}
		l.arrived(w.key)
	} else if w.shown == nil {
		l.makeRoom(w.key, s)
	}
	return 0, err
}

// showWork is what is known when an object is about to be shown.
type showWork struct {
	key   Key
	born  offspring
	shown *unstructured.Unstructured // nil: nothing yet
	known exhibit
}

// edited says whether what is shown has something that its source has not: somebody
// in the workspace wrote it, since it was last looked at. After a start, who owns its
// fields tells: what a schema defaults was written with our own write.
func (w showWork) edited(want *unstructured.Unstructured, us string) bool {
	if digestOf(want) != digestOf(w.shown) {
		return true
	}
	if w.known.version == "" {
		return addedByOthers(want, w.shown, us)
	}
	if w.known.version == w.shown.GetResourceVersion() {
		return false // what a schema defaults is no edit
	}
	for field, value := range w.shown.Object {
		if field != "metadata" && field != "status" && drifted(value, want.Object[field]) {
			return true
		}
	}
	more := func(have, want map[string]string) bool {
		for key := range have {
			if _, ok := want[key]; !ok && !strings.Contains(key, "kcp.io/") {
				return true
			}
		}
		return false
	}
	return more(w.shown.GetLabels(), want.GetLabels()) || more(w.shown.GetAnnotations(), want.GetAnnotations())
}

// tooSoon says how long a write has to wait since the last one.
func (w showWork) tooSoon(want *unstructured.Unstructured, now time.Time) time.Duration {
	p := paceOf(w.key.Kind)
	least := p.again
	if onlyRepeats(want, w.shown) {
		least = p.repeat
	}
	if w.known.at.IsZero() {
		return 0
	}
	return least - now.Sub(w.known.at)
}

// writeShown makes or changes what is shown, and its status. It returns what was
// written, also if an error came after it.
func (l *lane) writeShown(ctx context.Context, ws client.Client, want *unstructured.Unstructured, w showWork) (*unstructured.Unstructured, error) {
	now, status := want.DeepCopy(), want.Object["status"]
	delete(now.Object, "status")
	var err error
	switch {
	case w.shown == nil:
		err = ws.Create(ctx, now, client.FieldOwner(l.loop.manager))
	case drifted(now.Object, w.shown.Object) || w.edited(want, l.loop.manager):
		now.SetUID(w.shown.GetUID())
		now.SetResourceVersion(w.shown.GetResourceVersion())
		err = ws.Update(ctx, now, client.FieldOwner(l.loop.manager))
	default:
		now = w.shown.DeepCopy()
	}
	if w.shown == nil || now.GetResourceVersion() != w.shown.GetResourceVersion() {
		l.loop.metrics.wroteUpstream("upsync", err)
	}
	if err != nil {
		return nil, err
	}
	if status == nil || !drifted(status, now.Object["status"]) {
		return now, nil
	}
	now.Object["status"] = status
	err = ws.Status().Update(ctx, now, client.FieldOwner(l.loop.manager))
	l.loop.metrics.wroteUpstream("upsync", err)
	if apierrors.IsNotFound(err) {
		return now, nil // the kind has no status of its own
	}
	if err != nil {
		return nil, err
	}
	return now, nil
}

// unshow deletes what is shown of a source that is gone.
func (l *lane) unshow(ctx context.Context, ws client.Client, w showWork, s showing) error {
	if w.shown != nil {
		if err := l.loop.takeDown(ctx, ws, w.shown); err != nil {
			return err
		}
	}
	l.makeRoom(w.key, s)
	if (w.shown != nil || w.known.birthplace == s.birthplace) && s.name == s.source {
		l.loop.showFromElsewhere(w.key, l.name)
	}
	return nil
}

// makeRoom takes note that an object is not shown any more, for others that wait.
func (l *lane) makeRoom(key Key, s showing) {
	if l.loop.showcases.left(key.showcase(), s.name, s.birthplace) {
		l.loop.overseeAfter(key.showcase(), 0)
	}
}

// showFromElsewhere has the sources looked at that clusters have under a name which
// became free, but the one that it was shown from.
func (l *Loop) showFromElsewhere(key Key, but string) {
	for _, lane := range l.allLanes() {
		if lane.name != but && lane.holdsBorn(key, key.Name) {
			addAs(lane.queue, errand{born: true, key: key}, rankBulk)
		}
	}
}

// lookAtSource has a source looked at by the cluster that it was born on.
func (l *Loop) lookAtSource(key Key, from birthplace) {
	key.Name = from.source
	if lane := l.lane(from.cluster); lane != nil {
		addAs(lane.queue, errand{born: true, key: key}, rankBulk)
	}
}

// takeDown deletes what a workspace shows.
func (l *Loop) takeDown(ctx context.Context, ws client.Client, shown *unstructured.Unstructured) error {
	uid := shown.GetUID()
	err := client.IgnoreNotFound(ws.Delete(ctx, shown, client.Preconditions{UID: &uid}))
	l.metrics.wroteUpstream("upsync", err)
	return err
}
