package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/transform"
)

// knowledge is what is known of the copies of a kind on a cluster.
type knowledge int

const (
	_        knowledge = iota // not all have been seen yet
	absent                    // the cluster does not serve the kind
	complete                  // all have been seen
)

// followed is a kind of originals whose copies a lane follows.
type followed struct {
	stop      context.CancelFunc
	knowledge knowledge
	// as is what the copies are on the cluster; empty for the original's kind.
	as schema.GroupVersionKind
	// foreign says that as is no version that a copy may be written in, but the
	// only one that there is: what is there is seen, and retired, in it.
	foreign bool
}

// relook is the pause between two looks whether a cluster serves a kind in
// another version.
const relook = time.Minute

// followKinds has the lane follow what the loop follows, and no more.
func (l *lane) followKinds(ctx context.Context) {
	l.mu.Lock()
	l.adjust = func() { l.followKinds(ctx) }
	wanted := append(l.loop.kinds(), namespaceKind)
	for kind, f := range l.kinds {
		if slices.Contains(wanted, kind) {
			continue
		}
		f.stop()
		delete(l.kinds, kind)
		l.unwatch(ctx, append(l.loop.pipeline.KindsOn(kind), f.as))
	}
	for _, kind := range wanted {
		if _, ok := l.kinds[kind]; ok {
			continue
		}
		f := &followed{}
		var fctx context.Context
		fctx, f.stop = context.WithCancel(ctx)
		l.kinds[kind] = f
		l.loop.world.spawn(func() { l.follow(fctx, kind, f) })
	}
	l.mu.Unlock()
}

// follow watches the copies of one kind. A kind that the cluster does not serve
// is tried again.
func (l *lane) follow(ctx context.Context, kind schema.GroupVersionKind, f *followed) {
	defer f.stop()
	informer, as, err := l.informer(ctx, kind)
	for wait := time.Second; err != nil; wait = min(2*wait, time.Minute) {
		l.logger.V(1).Info("Kind can't be watched yet", "kind", kind.String(), "error", err.Error())
		if meta.IsNoMatchError(err) && l.learn(kind, f, followed{knowledge: absent}) {
			l.loop.laneReady(ctx, l, kind)
		}
		if !l.loop.world.sleep(ctx, wait) {
			return
		}
		informer, as, err = l.informer(ctx, kind)
	}
	handler := l.handler(kind, as)
	if kind == namespaceKind {
		handler = toolscache.ResourceEventHandlerDetailedFuncs{AddFunc: l.namespaceCame}
	}
	if _, err := informer.AddEventHandler(handler); err != nil {
		l.logger.Error(err, "Failed to watch copies", "kind", kind.String())
		return
	}
	if !l.loop.world.synced(ctx, informer) {
		return
	}
	candidates := l.loop.pipeline.KindsOn(kind)
	known := followed{knowledge: complete, foreign: !slices.Contains(candidates, as)}
	if as != kind || len(candidates) > 1 {
		known.as = as
	}
	l.learn(kind, f, known)
	l.loop.laneReady(ctx, l, kind)
	for known.foreign && l.loop.world.sleep(ctx, relook) {
		if now, err := l.servedAs(kind); err == nil && slices.Contains(candidates, now) {
			l.refollow(kind, f)
			return
		}
	}
}

// informer returns the informer of the copies of a kind, and what they are on the
// cluster.
func (l *lane) informer(ctx context.Context, kind schema.GroupVersionKind) (cache.Informer, schema.GroupVersionKind, error) {
	get := func(as schema.GroupVersionKind) (cache.Informer, error) {
		obj := &unstructured.Unstructured{}
		obj.SetGroupVersionKind(as)
		return l.cached.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
	}
	var first error
	for _, as := range l.loop.pipeline.KindsOn(kind) {
		informer, err := get(as)
		if err == nil || !meta.IsNoMatchError(err) {
			return informer, as, err
		}
		if first == nil {
			first = err
		}
	}
	as, err := l.servedAs(kind)
	if err != nil {
		return nil, as, first
	}
	informer, err := get(as)
	return informer, as, err
}

// servedAs returns the version of a kind that the cluster serves: one that copies
// may be written in, if there is one.
func (l *lane) servedAs(kind schema.GroupVersionKind) (schema.GroupVersionKind, error) {
	candidates := l.loop.pipeline.KindsOn(kind)
	for _, as := range candidates {
		if _, err := l.live.RESTMapper().RESTMapping(as.GroupKind(), as.Version); err == nil {
			return as, nil
		}
	}
	mapping, err := l.live.RESTMapper().RESTMapping(candidates[0].GroupKind())
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	return mapping.GroupVersionKind, nil
}

// learn takes note of what is known of a kind, unless it is followed no more. It
// returns whether that is news.
func (l *lane) learn(kind schema.GroupVersionKind, f *followed, now followed) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kinds[kind] != f || f.knowledge == now.knowledge {
		return false
	}
	f.knowledge, f.as, f.foreign = now.knowledge, now.as, now.foreign
	return true
}

// refollow begins anew with a kind.
func (l *lane) refollow(kind schema.GroupVersionKind, f *followed) {
	l.mu.Lock()
	adjust := l.adjust
	if l.kinds[kind] != f {
		l.mu.Unlock()
		return
	}
	delete(l.kinds, kind)
	l.unwatch(context.Background(), []schema.GroupVersionKind{f.as})
	l.mu.Unlock()
	f.stop()
	adjust()
}

// unwatch ends watches of kinds of the cluster.
func (l *lane) unwatch(ctx context.Context, kinds []schema.GroupVersionKind) {
	for _, kind := range kinds {
		obj := &unstructured.Unstructured{}
		obj.SetGroupVersionKind(kind)
		_ = l.cached.RemoveInformer(ctx, obj) // fails only for a kind without one
	}
}

// handler tells the loop of the original whose copy changed.
func (l *lane) handler(kind, as schema.GroupVersionKind) toolscache.ResourceEventHandler {
	marked := func(obj any) (Key, bool) {
		u, ok := obj.(*unstructured.Unstructured)
		if !ok {
			return Key{}, false
		}
		marks, ok := transform.ReadMarks(u)
		return keyOf(kind, marks.Origin), ok && ofKind(kind, as, marks)
	}
	tell := func(obj any, initial bool) {
		if key, ok := marked(obj); ok {
			l.noticed(key)
			l.loop.enqueue(key, initial)
		}
	}
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			tell(obj, initial)
			l.tellDependents(nil, obj)
			if u, ok := obj.(*unstructured.Unstructured); ok && !initial {
				l.queueBornBeside(u)
			}
		},
		UpdateFunc: func(before, obj any) {
			tell(obj, false)
			l.tellDependents(before, obj)
			if key, ok := marked(before); ok {
				l.wakeMentioned(key, before.(*unstructured.Unstructured), obj.(*unstructured.Unstructured))
			}
		},
		DeleteFunc: func(obj any) {
			if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = tombstone.Obj
			}
			u, ok := obj.(*unstructured.Unstructured)
			if !ok {
				return
			}
			if key, ok := marked(obj); ok {
				l.loop.enqueue(key, false)
				l.tellDependents(nil, obj)
				l.wakeMentioned(key, u, nil)
				l.queueTidy(key) // whoever deleted it: it may have been the last
			}
			l.queueBornBeside(u)
		},
	}
}

// copiesKnown says whether all copies of a kind on the cluster are known, and
// what they are there.
func (l *lane) copiesKnown(kind schema.GroupVersionKind) (as schema.GroupVersionKind, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.kinds[kind]
	if !ok || f.knowledge != complete {
		return kind, false
	}
	if f.as.Empty() {
		return kind, true
	}
	return f.as, true
}

// ready says whether all copies of a kind on the cluster are known.
func (l *lane) ready(kind schema.GroupVersionKind) bool {
	_, known := l.copiesKnown(kind)
	return known
}

// kindOf returns what copies of a kind are on the cluster, as far as that is
// known.
func (l *lane) kindOf(kind schema.GroupVersionKind) schema.GroupVersionKind {
	if as, known := l.copiesKnown(kind); known {
		return as
	}
	return l.loop.pipeline.KindsOn(kind)[0]
}

// mapped returns what copies of a kind are on the cluster where that has to be
// said, and nothing where they are what the original is.
func (l *lane) mapped(kind schema.GroupVersionKind) schema.GroupVersionKind {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.kinds[kind]; ok {
		return f.as
	}
	return schema.GroupVersionKind{}
}

// otherVersion refuses to write copies of a kind of which the cluster serves no
// version that they may be written in.
func (l *lane) otherVersion(kind schema.GroupVersionKind) *RefusalError {
	l.mu.Lock()
	f, ok := l.kinds[kind]
	foreign := ok && f.foreign
	l.mu.Unlock()
	if !foreign {
		return nil
	}
	candidates := l.loop.pipeline.KindsOn(kind)
	wanted := make([]string, 0, len(candidates))
	for _, as := range candidates {
		wanted = append(wanted, as.Version)
	}
	return &RefusalError{Reason: ReasonVersionNotServed, Cluster: l.name, Message: fmt.Sprintf(
		"the workspace serves %s in version %s, of which a copy may be written in %s, and the cluster serves %s: have the platform team serve one of those versions there, or declare that the two agree",
		kind.GroupKind(), kind.Version, strings.Join(wanted, ", "), f.as.Version)}
}

// unserved says whether the cluster does not serve a kind, and so has no copies
// of it.
func (l *lane) unserved(kind schema.GroupVersionKind) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.kinds[kind]
	return ok && f.knowledge == absent
}

// knowsAll says whether nothing about the copies on the cluster is unknown.
func (l *lane) knowsAll() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.kinds {
		if f.knowledge == 0 {
			return false
		}
	}
	return len(l.kinds) == len(l.loop.kinds())+1 && len(l.kinds) > 1 // namespaces, too
}

// versionsChanged says whether a cluster began to serve what copies could not be
// written in, or ceased to serve what they are in.
func (l *Loop) versionsChanged(before, now *tmccluster.State) bool {
	lane := l.lane(now.Name)
	if lane == nil || before.APIs == nil || now.APIs == nil || before.APIs == now.APIs {
		return false
	}
	for _, kind := range l.kinds() {
		for _, as := range l.pipeline.KindsOn(kind) {
			was, is := before.APIs.Serves(as), now.APIs.Serves(as)
			if was && !is && lane.kindOf(kind) == as && lane.ready(kind) || !was && is && (lane.unserved(kind) || lane.otherVersion(kind) != nil) {
				return true
			}
		}
	}
	return false
}
