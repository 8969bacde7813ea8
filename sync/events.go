package syncer

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

// handle turns what happens in workspaces into keys to reconcile.
func (l *Loop) handle(e workspaces.Event) {
	obj := e.Object()
	kind := obj.GroupVersionKind()
	switch kind {
	case placementKind, clusterPlacementKind:
		// What was there before is told anew when all of it is known: only then
		// can it be acted on, changed or not.
		if l.decisions.observe(e) || e.Initial {
			l.enqueueNamespace(namespaceKey{e.Cluster, obj.GetNamespace()}, e.Initial)
		}
		return
	}
	key := Key{Kind: kind, Workspace: e.Cluster, Namespace: obj.GetNamespace(), Name: obj.GetName()}
	if l.pipeline.MapsOwners() {
		l.dependents.observe(key, e)
	}
	if l.shownChanged(key, obj) {
		return
	}
	l.enqueue(key, e.Initial)
	if l.isRelated(kind) {
		l.enqueueUsers(key, e)
	}
	if l.mayMention(kind) {
		l.enqueueMentioned(e)
	}
}

// enqueueMentioned asks for what an object began or ceased to mention.
func (l *Loop) enqueueMentioned(e workspaces.Event) {
	if len(l.set.Load().related) == 0 {
		return
	}
	var before, after []mention
	if e.Old != nil {
		before = l.mentionsOf(e.Old)
	}
	if e.New != nil {
		after = l.mentionsOf(e.New)
	}
	if e.Old != nil && e.New != nil && reflect.DeepEqual(before, after) && e.Old.GetDeletionTimestamp().Equal(e.New.GetDeletionTimestamp()) {
		return
	}
	l.enqueueMentions(e.Cluster, e.Object().GetNamespace(), append(before, after...), e.Initial)
}

// enqueueNamespace asks for all objects of a namespace that are known.
func (l *Loop) enqueueNamespace(ns namespaceKey, bulk bool) {
	for _, kind := range l.kinds() {
		l.enqueueKind(ns.workspace, kind, ns.namespace, bulk)
	}
}

// enqueueKind asks for all objects of a kind in a workspace that are known. An
// empty namespace means all.
func (l *Loop) enqueueKind(ws multicluster.ClusterName, kind schema.GroupVersionKind, namespace string, bulk bool) {
	l.eachKnown(ws, kind, namespace, func(key Key) { l.enqueue(key, bulk) })
}

// eachKnown calls fn for all objects of a kind in a workspace that are known. An empty
// namespace means all.
func (l *Loop) eachKnown(ws multicluster.ClusterName, kind schema.GroupVersionKind, namespace string, fn func(Key)) {
	items, err := l.watcher.List(context.Background(), ws, kind, namespace)
	if err != nil {
		return // when they become known, each is told of
	}
	for i := range items {
		fn(keyFor(ws, &items[i]))
	}
}

func keyFor(ws multicluster.ClusterName, obj *unstructured.Unstructured) Key {
	return Key{Kind: obj.GroupVersionKind(), Workspace: ws, Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// fleetChanged opens, closes and wakes lanes.
func (l *Loop) fleetChanged(ctx context.Context, change tmccluster.Change) {
	l.world.lock(&l.opening)
	defer l.opening.Unlock()
	switch {
	case change.New == nil:
		l.closeLane(change.Old.Name)
		l.wake(change.Old.Name)
		l.overseeKind(schema.GroupVersionKind{})
	case change.Old == nil, change.Reconnected, change.Old.UID != change.New.UID:
		l.openLane(ctx, change.New.Name)
		l.wake(change.New.Name)
	case !change.Old.Reachable && change.New.Reachable:
		// After an outage watches wait, longer each time, before they try
		// again. A new lane lists at once, and tries at once what failed.
		l.closeLane(change.New.Name)
		l.openLane(ctx, change.New.Name)
		l.wake(change.New.Name)
	case l.versionsChanged(change.Old, change.New):
		l.closeLane(change.New.Name)
		l.openLane(ctx, change.New.Name)
		l.wake(change.New.Name)
	case change.Old.Reachable != change.New.Reachable, suspends(change.Old.Labels) != suspends(change.New.Labels):
		l.wake(change.New.Name)
		if lane := l.lane(change.New.Name); lane != nil && resumed(change.Old, change.New) {
			lane.enqueueCopies(ctx)
			lane.tidyAll(ctx)
		}
	case renderingChanged(change.Old, change.New):
		l.renderAnew(ctx, change.New.Name)
	}
}

// renderingChanged says whether what transformers see of a cluster changed.
func renderingChanged(a, b *tmccluster.State) bool {
	return a.Region != b.Region || a.Zone != b.Zone || a.Provider != b.Provider || a.Version != b.Version ||
		!reflect.DeepEqual(a.Labels, b.Labels) || !reflect.DeepEqual(a.Properties, b.Properties)
}

func (l *Loop) openLane(ctx context.Context, name string) {
	conn, err := l.fleet.Connection(name)
	if err != nil {
		l.closeLane(name)
		return // a Change follows when there is one
	}
	l.mu.Lock()
	old := l.lanes[name]
	l.mu.Unlock()
	if old != nil {
		select {
		case <-old.done:
		default:
			if old.uid == conn.UID {
				return
			}
		}
		l.closeLane(name)
	}
	lane, err := newLane(l, conn, l.logger)
	if err != nil {
		l.logger.Error(err, "Failed to open a lane", "physicalCluster", name)
		return
	}
	l.mu.Lock()
	l.lanes[name] = lane
	l.mu.Unlock()
	lane.start(ctx)
}

func (l *Loop) closeLane(name string) {
	l.mu.Lock()
	lane := l.lanes[name]
	delete(l.lanes, name)
	l.mu.Unlock()
	if lane != nil {
		lane.stop()
	}
}

// lane returns the lane of a cluster, nil where there is none.
func (l *Loop) lane(name string) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lanes[name]
}

// allLanes returns the lanes, sorted by name.
func (l *Loop) allLanes() []*lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	lanes := make([]*lane, 0, len(l.lanes))
	for _, lane := range l.lanes {
		lanes = append(lanes, lane)
	}
	slices.SortFunc(lanes, byName)
	return lanes
}

func byName(a, b *lane) int { return strings.Compare(a.name, b.name) }

// wake asks for everything that has to do with a cluster.
func (l *Loop) wake(name string) {
	for _, ns := range l.namespacesOn(name) {
		l.enqueueNamespace(ns, true)
	}
	for _, key := range l.waitingFor(name) {
		l.enqueue(key, true)
	}
}

// renderAnew is wake where all that changed of a cluster is what renderings depend on.
// The lane looks by itself at the copies that it has, behind what changes now: for the
// loop to look at ten thousand originals, only to send the lane to each, is work for
// nothing. What the lane then does not write is asked for as ever.
func (l *Loop) renderAnew(ctx context.Context, name string) {
	lane := l.lane(name)
	if lane == nil {
		l.wake(name)
		return
	}
	for _, ns := range l.namespacesOn(name) {
		for _, kind := range l.kinds() {
			l.eachKnown(ns.workspace, kind, ns.namespace, func(key Key) {
				if !lane.lookAnew(ctx, key) {
					l.enqueue(key, true)
				}
			})
		}
	}
	for _, key := range l.waitingFor(name) {
		l.enqueue(key, true)
	}
}

// lookAnew sends the lane to a copy that is there and that nothing is wrong with; it
// returns false where the loop should look instead.
func (l *lane) lookAnew(ctx context.Context, key Key) bool {
	if copied, err := l.copyOf(ctx, key); err != nil || copied == nil {
		return false
	}
	l.mu.Lock()
	o := l.outcomes[key]
	well := o.refusal == nil && !o.contested
	if well {
		l.anew[key] = struct{}{}
	}
	l.mu.Unlock()
	if well {
		addAs(l.queue, errand{key: key}, rankBulk)
	}
	return well
}

// takeAnew says whether the lane was sent to a copy by lookAnew, once.
func (l *lane) takeAnew(key Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.anew[key]
	delete(l.anew, key)
	return ok
}

// laneReady asks for everything of a kind once its copies on a cluster are
// known: the originals that go there, and those of the copies that are there,
// which may have no original any more.
func (l *Loop) laneReady(ctx context.Context, lane *lane, kind schema.GroupVersionKind) {
	if kind != namespaceKind {
		for _, ns := range l.namespacesOn(lane.name) {
			l.enqueueKind(ns.workspace, kind, ns.namespace, true)
		}
		for _, key := range lane.allCopies(ctx, kind) {
			l.enqueue(key, true)
		}
		for _, key := range l.dependents.all() {
			l.enqueue(key, true) // an owner's copy may be of this kind
		}
		for _, key := range l.waitingFor(lane.name) {
			l.enqueue(key, true) // whether it holds a copy can be told now
		}
	}
	if lane.knowsAll() {
		lane.tidyAll(ctx)
	}
}
