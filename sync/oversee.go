package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// overseeEvery is the pause between two looks at all that a workspace shows of a
// kind, for what no watch tells of: edits, and clusters that are there no more.
const overseeEvery = 10 * time.Minute

// overseeAll works off what is to be looked at, one at a time: it is never urgent.
func (l *Loop) overseeAll(ctx context.Context, queue workqueue.TypedRateLimitingInterface[errand]) {
	for {
		e, shutdown := queue.Get()
		if shutdown {
			return
		}
		if e.tidy {
			l.handOut(e.key.showcase())
			queue.Done(e)
			continue
		}
		again := l.overlook(ctx, e.key.Workspace, e.key.Kind)
		switch {
		case again:
			queue.AddRateLimited(e)
		case l.engagedIn(e.key.Workspace):
			queue.Forget(e)
			queue.AddAfter(e, overseeEvery)
		default:
			queue.Forget(e)
		}
		queue.Done(e)
	}
}

func (l *Loop) overseerQueue() workqueue.TypedRateLimitingInterface[errand] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.overseer
}

// oversee has all looked at that a workspace shows, and is to show.
func (l *Loop) oversee(ws multicluster.ClusterName) {
	queue := l.overseerQueue()
	if queue == nil {
		return // when the loop starts
	}
	for _, rule := range l.opts.upsync {
		queue.Add(errand{born: true, key: Key{Kind: rule.kind, Workspace: ws}})
	}
	for _, lane := range l.allLanes() {
		lane.queueBornIn(ws)
	}
}

// overseeKind has all looked at that workspaces show of a kind; of all kinds with an
// empty one.
func (l *Loop) overseeKind(kind schema.GroupVersionKind) {
	queue := l.overseerQueue()
	if queue == nil {
		return
	}
	for _, ws := range l.allEngaged() {
		for _, rule := range l.opts.upsync {
			if kind.Empty() || rule.kind == kind {
				queue.AddAfter(errand{born: true, key: Key{Kind: rule.kind, Workspace: ws}}, time.Second)
			}
		}
	}
}

// overseeAfter hands out, after a while, what waits to be shown in a namespace.
func (l *Loop) overseeAfter(at showcaseKey, d time.Duration) {
	if queue := l.overseerQueue(); queue != nil {
		queue.AddAfter(errand{born: true, tidy: true, key: Key{Kind: at.kind, Workspace: at.workspace, Namespace: at.namespace}}, d)
	}
}

// handOut has what waits, and may be written now, looked at again.
func (l *Loop) handOut(at showcaseKey) {
	some, again := l.showcases.next(at, l.shownRule(at.kind), l.world.now())
	for _, from := range some {
		l.lookAtSource(Key{Kind: at.kind, Workspace: at.workspace, Namespace: at.namespace}, from)
	}
	if again > 0 {
		l.overseeAfter(at, again)
	}
}

// allEngaged returns the workspaces that are engaged, sorted.
func (l *Loop) allEngaged() []multicluster.ClusterName {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.engaged))
}

// engagedIn says whether a workspace is in sight of this replica.
func (l *Loop) engagedIn(ws multicluster.ClusterName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.engaged[ws] > 0
}

// hasNoShowcase says whether an error means that a workspace can't show a kind. It is
// tried again at the next look.
func (l *Loop) hasNoShowcase(key Key, err error) bool {
	if !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) && !apierrors.IsMethodNotSupported(err) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed[Key{Kind: key.Kind, Workspace: key.Workspace}] = struct{}{}
	return true
}

// overlook compares what a workspace shows of a kind with what is known, and has
// what is new looked at by the cluster that it was born on. It returns whether to try
// again.
func (l *Loop) overlook(ctx context.Context, name multicluster.ClusterName, kind schema.GroupVersionKind) (again bool) {
	if !l.engagedIn(name) || l.Suspended() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 4*requestTimeout)
	defer cancel()
	ws, err := l.workspace(ctx, name)
	if err != nil {
		return true
	}
	items, err := l.listShown(ctx, ws, kind, "")
	key := Key{Kind: kind, Workspace: name}
	if err != nil {
		return !l.hasNoShowcase(key, err)
	}
	l.mu.Lock()
	_, closed := l.closed[key]
	delete(l.closed, key)
	l.mu.Unlock()
	if closed {
		for _, lane := range l.allLanes() {
			lane.queueBornIn(name)
		}
	}
	listed := make(map[types.NamespacedName]bool, len(items))
	for i := range items {
		listed[types.NamespacedName{Namespace: items[i].GetNamespace(), Name: items[i].GetName()}] = true
		if err := l.overlookOne(ctx, ws, name, &items[i]); err != nil {
			again = true
		}
	}
	for at, from := range l.showcases.missing(name, kind, listed) {
		source := Key{Kind: kind, Workspace: name, Namespace: at.Namespace, Name: from.source}
		l.lookAtSource(source, from)
		if at.Name == from.source {
			l.showFromElsewhere(source, from.cluster)
		}
	}
	return again
}

// overlookOne looks at one object that a workspace shows.
func (l *Loop) overlookOne(ctx context.Context, ws client.Client, name multicluster.ClusterName, shown *unstructured.Unstructured) error {
	if !isShown(shown) {
		return nil // somebody else's label
	}
	cluster, _ := sourceOf(shown)
	key := Key{Kind: shown.GroupVersionKind(), Workspace: name, Namespace: shown.GetNamespace(), Name: shown.GetName()}
	if known, ok := l.showcases.exhibit(key.showcase(), key.Name); ok && known.uid == shown.GetUID() {
		cluster = known.cluster // whatever somebody wrote into it
		if lane := l.lane(cluster); lane != nil && !l.abandoned(cluster) && known.version == shown.GetResourceVersion() && lane.holdsBorn(key, known.source) {
			return nil
		}
	}
	source, rule := sourceNameOf(shown), l.shownRule(key.Kind)
	switch {
	case l.abandoned(cluster), rule.nameOf(source, cluster) != key.Name:
		// Its cluster is there no more, or it is shown under another name now.
		if err := l.takeDown(ctx, ws, shown); err != nil {
			return err
		}
		if l.showcases.left(key.showcase(), key.Name, birthplace{cluster, source}) {
			l.overseeAfter(key.showcase(), 0)
		}
		if key.Name == source {
			l.showFromElsewhere(key, cluster)
		}
	default:
		l.lookAtSource(key, birthplace{cluster, source})
	}
	return nil
}

// holdsBorn says whether the source of what is shown is known to be there.
func (l *lane) holdsBorn(key Key, source string) bool {
	key.Name = source
	return l.nurseries[key.Kind].holds(l.bornAt(key))
}

// abandoned says whether a cluster was removed from the fleet, or has not answered
// for longer than ReleaseLostAfter allows: what was born there is shown no more. One
// that does not answer otherwise proves nothing (law 1).
func (l *Loop) abandoned(cluster string) bool {
	state, ok := l.fleet.Snapshot().Lookup(cluster)
	if !ok {
		return true
	}
	lost, _ := l.released(state)
	return lost
}

// tellFull tells, once, that not all that was born is shown: on the Placement of the
// namespace, or on the first by name where it has several.
func (l *Loop) tellFull(ctx context.Context, key Key, rule *upsyncRule) {
	l.metrics.withheld.WithLabelValues(key.Kind.Kind).Inc()
	if !l.showcases.tellFull(key.showcase()) {
		return
	}
	message := fmt.Sprintf("of kind %s, %d objects that were born on clusters are shown in this namespace, and no more can be: the next one is when one of them leaves", key.Kind.Kind, rule.most)
	l.logger.Info("A namespace shows as much as it may", "workspace", key.Workspace, "namespace", key.Namespace, "kind", key.Kind.Kind, "most", rule.most)
	p := l.decisions.first(key.namespace())
	if p == nil {
		return
	}
	on := &unstructured.Unstructured{}
	on.SetGroupVersionKind(placementKind)
	on.SetNamespace(p.Namespace)
	on.SetName(p.Name)
	on.SetUID(p.UID)
	l.tell(ctx, key, on, &RefusalError{Reason: ReasonNotAllShown, Message: message})
}
