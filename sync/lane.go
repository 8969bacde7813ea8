package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/transform"
)

var namespaceKind = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}

// lane is the way to one physical cluster: clients, caches, a queue and workers
// of its own, so that a cluster that hangs holds up no other. It carries out
// what the loop decides; it decides nothing.
type lane struct {
	name   string
	uid    types.UID
	loop   *Loop
	logger logr.Logger

	wires
	watching
	queue workqueue.TypedRateLimitingInterface[errand]
	stop  context.CancelFunc
	done  <-chan struct{} // closed when the connection is no longer good

	making sync.RWMutex // held to read while a copy is made, to write while a namespace is deleted

	owning sync.RWMutex // held to read while a copy that names owners is written, to write when one of those is to go

	naming    sync.Mutex           // held while a namespace is made
	made      map[string]time.Time // namespaces that were made just now
	furnished map[string]bool      // namespaces that hold what the platform puts there

	nurseries map[schema.GroupVersionKind]*nursery // what was born, by kind; the map never changes

	mu       sync.Mutex
	kinds    map[schema.GroupVersionKind]*followed
	adjust   func() // follows what the loop follows; nil until the lane starts
	outcomes map[Key]outcome
	order    order
	strays   map[Key]stray       // copies that lost their marks in a write of ours
	parting  map[Key]parting     // copies that go when nobody names them any more
	anew     map[Key]struct{}    // copies to look at that the loop did not look at first
	awaiting map[Key]awaited     // Events that wait for what they are about to be shown
	buried   map[Key][]Tombstone // originals that were let go though a copy might remain here
}

// errand is one thing to see to on the cluster: the copy of an original, or,
// with tidy, a namespace that may have become empty.
type errand struct {
	key   Key
	tidy  bool
	born  bool // an object of the cluster, to be shown upstream
	check bool // whether the watch told of the copy since it was written
}

// outcome is what came of the last errand for an original.
type outcome struct {
	// refusal is nil if it went well.
	refusal *RefusalError
	// retiring says that it was a copy that could not be retired.
	retiring bool
	// begun says that a copy may have been written since none was last seen.
	begun bool
	// digest of the rendering that was applied or refused.
	digest string
	// fields that were ours after an apply that the server normalised; with
	// them, the copy is not drifted though it differs. The cluster was asked again
	// about that when it was asked.
	fields string
	asked  time.Time
	// repairs of drift of this digest in a row; contested says that they are a
	// fight with somebody.
	repairs   int
	contested bool
	// overruled says that the fight is with the cluster's admission, which took
	// off what ties the copy to its original in the write itself; withdrawn, that
	// a copy was taken back for that.
	overruled, withdrawn bool
	// at is when a copy was written, replaced the resourceVersion that it had
	// before, empty for one that was made, and seen that the watch told of it
	// since.
	at       time.Time
	replaced string
	seen     bool
	// gone says for which UID of the original no copy was found, live.
	gone types.UID
}

// requestTimeout bounds every call to a physical cluster but watches.
const requestTimeout = 15 * time.Second

func newLane(loop *Loop, conn *tmccluster.Connection, logger logr.Logger) (*lane, error) {
	watching := loop.share()
	w, err := loop.world.connect(loop, conn, watching.selector(loop.installation))
	if err != nil {
		return nil, err
	}
	l := &lane{
		name: conn.Name, uid: conn.UID, loop: loop, logger: logger.WithValues("physicalCluster", conn.Name), done: conn.Done(),
		wires: *w, watching: watching, queue: loop.world.queue(),
		kinds: map[schema.GroupVersionKind]*followed{}, outcomes: map[Key]outcome{}, order: newOrder(), made: map[string]time.Time{}, furnished: map[string]bool{}, strays: map[Key]stray{}, buried: map[Key][]Tombstone{}, parting: map[Key]parting{}, awaiting: map[Key]awaited{}, anew: map[Key]struct{}{},
		nurseries: map[schema.GroupVersionKind]*nursery{},
	}
	for _, rule := range loop.opts.upsync {
		l.nurseries[rule.kind] = newNursery()
	}
	return l, nil
}

// start runs the lane until ctx ends.
func (l *lane) start(ctx context.Context) {
	ctx, l.stop = context.WithCancel(ctx)
	world := l.loop.world
	l.followKinds(ctx)
	world.spawn(func() {
		if err := l.cached.Start(ctx); err != nil {
			l.logger.Error(err, "Cache stopped")
		}
	})
	l.followBorn(ctx)
	if l.loop.opts.tombstones != nil {
		world.spawn(func() { l.exhume(ctx) })
	}
	for range l.loop.opts.lanes {
		world.spawn(func() { l.work(ctx) })
	}
	world.spawn(func() {
		world.await(ctx, nil)
		l.queue.ShutDown()
	})
}

// strip drops from what is cached the field ownership of others, which is most
// of its size.
func (l *Loop) strip(obj any) (any, error) {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return obj, nil
	}
	metadata, _ := u.Object["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any) // not by GetManagedFields, which decodes and copies them
	delete(metadata, "managedFields")
	var ours []any
	for _, entry := range entries {
		if e, _ := entry.(map[string]any); e["manager"] == l.manager {
			ours = append(ours, entry)
		}
	}
	if len(ours) > 0 {
		metadata["managedFields"] = ours
	}
	return u, nil
}

// copyOf returns the copy of an original from the cache: nil where there is
// none. It returns errUnknown until all copies of the kind are known, and of
// workspaces that are another replica's. The copy is shared and must not be changed.
func (l *lane) copyOf(ctx context.Context, key Key) (*unstructured.Unstructured, error) {
	kind, ready := l.copiesKnown(key.Kind)
	if !ready || !l.covers(key.Workspace) {
		return nil, errUnknown
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	if err := l.cached.Get(ctx, l.loop.locate(key), obj); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, nil
		}
		return nil, err
	}
	if marks, ok := transform.ReadMarks(obj); !ok || !isOf(key, kind, marks) {
		return nil, nil
	}
	return obj, nil
}

// errUnknown says that nothing may be concluded yet.
var errUnknown = errors.New("not known yet")

func (l *lane) outcome(key Key) outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.outcomes[key]
}

func (l *lane) record(key Key, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outcomes[key] = o
	if o.refusal != nil {
		l.wakeWaiting(key)
	}
}

// noticed takes note that the watch told of a copy: that none was left, when
// it was last looked for, holds no more, and what waited for it goes on.
func (l *lane) noticed(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.outcomes[key]; ok && (!o.seen || o.gone != "") {
		o.seen, o.gone = true, ""
		l.outcomes[key] = o
	}
	l.wakeWaiting(key)
}

// begin takes note that a copy is about to be written: what was seen of its
// absence holds no more.
func (l *lane) begin(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.outcomes[key]
	o.begun, o.gone = true, ""
	l.outcomes[key] = o
}

// lapse forgets a refusal that nobody tries again: what is to be done is known
// no more, or done. When it is known again, the loop sends the lane anew.
func (l *lane) lapse(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.outcomes[key]; ok && o.refusal != nil && !o.contested && !o.unfit() {
		l.outcomes[key] = outcome{begun: o.begun}
		l.queueTidy(key) // a namespace may have waited for the copy
	}
}

func (l *lane) forget(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.outcomes[key].refusal != nil {
		l.queueTidy(key)
	}
	delete(l.outcomes, key)
	l.order.end(key)
	delete(l.strays, key)
	delete(l.parting, key)
	delete(l.anew, key)
}

// work runs errands until the queue shuts down.
func (l *lane) work(ctx context.Context) {
	for {
		for wait := l.pressure.enter(); wait > 0; wait = l.pressure.enter() {
			if !l.loop.world.sleep(ctx, wait) {
				return
			}
		}
		e, shutdown := l.queue.Get()
		if shutdown {
			l.pressure.leave()
			return
		}
		l.run(ctx, e)
		l.queue.Done(e)
		l.pressure.leave()
	}
}

func (l *lane) run(ctx context.Context, e errand) {
	var again bool
	switch {
	case e.born:
		again = l.showUpstream(ctx, e)
	case e.tidy:
		again = l.tidy(ctx, e.key.namespace())
	case e.check:
		if !l.wasTold(ctx, e.key) {
			l.queue.Add(errand{key: e.key})
		}
	default:
		again = l.carryOut(ctx, e.key)
	}
	if ctx.Err() != nil {
		return
	}
	if again {
		l.queue.AddRateLimited(e)
		return
	}
	l.queue.Forget(e)
	if !e.tidy && !e.born && !e.check {
		l.lapse(e.key)
	}
}

// isOf says whether an object of a kind of the cluster, with these marks, is the
// copy of an original.
func isOf(key Key, kind schema.GroupVersionKind, marks transform.Marks) bool {
	return ofKind(key.Kind, kind, marks) && keyOf(key.Kind, marks.Origin) == key
}

// ofKind says whether an object of a kind of the cluster, with these marks, is
// the copy of an original of a kind: where the two differ, a mark says so.
func ofKind(original, copied schema.GroupVersionKind, marks transform.Marks) bool {
	if original.Kind == copied.Kind && original.Group == copied.Group {
		return marks.Kind.Empty()
	}
	return marks.Kind == original.GroupKind()
}

func keyOf(kind schema.GroupVersionKind, o transform.Origin) Key {
	return Key{Kind: kind, Workspace: multicluster.ClusterName(o.LogicalCluster), Namespace: o.Namespace, Name: o.Name}
}
