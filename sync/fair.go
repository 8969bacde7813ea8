package syncer

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// fairQueue orders what waits to be worked on: workspaces take turns, so that
// one which makes ten thousand objects at once delays another's by one object
// and not by ten thousand. What is bulk, such as everything after a start,
// comes after what changes now, but for one turn in bulkTurn.
//
// It is the inner queue of a client-go workqueue, which locks it.
type fairQueue[T comparable] struct {
	workspace func(T) multicluster.ClusterName
	bulk      func(T) bool // asked once for each item that is pushed or touched; nil: none is

	bands [2]turns[T]
	in    map[T]int // the band of each item that waits
	pops  int
}

// bulkTurn is which turn of those that could be urgent is bulk's.
const bulkTurn = 8

// turns are the items of one band, by workspace, and the order of the
// workspaces.
type turns[T comparable] struct {
	order []multicluster.ClusterName
	items map[multicluster.ClusterName][]T
}

func newFairQueue[T comparable](workspace func(T) multicluster.ClusterName, bulk func(T) bool) *fairQueue[T] {
	if bulk == nil {
		bulk = func(T) bool { return false }
	}
	q := &fairQueue[T]{workspace: workspace, bulk: bulk, in: map[T]int{}}
	for i := range q.bands {
		q.bands[i].items = map[multicluster.ClusterName][]T{}
	}
	return q
}

var _ workqueue.Queue[Key] = (*fairQueue[Key])(nil)

// Push implements workqueue.Queue.
func (q *fairQueue[T]) Push(item T) {
	band := 0
	if q.bulk(item) {
		band = 1
	}
	q.put(item, band)
}

// Touch implements workqueue.Queue: bulk that is asked for again is urgent.
func (q *fairQueue[T]) Touch(item T) {
	if !q.bulk(item) && q.in[item] == 1 {
		q.put(item, 0) // what stands in the other band is passed over
	}
}

func (q *fairQueue[T]) put(item T, band int) {
	q.in[item] = band
	t, ws := &q.bands[band], q.workspace(item)
	if len(t.items[ws]) == 0 {
		t.order = append(t.order, ws)
	}
	t.items[ws] = append(t.items[ws], item)
}

// Len implements workqueue.Queue.
func (q *fairQueue[T]) Len() int { return len(q.in) }

// Pop implements workqueue.Queue.
func (q *fairQueue[T]) Pop() T {
	q.pops++
	first := 0
	if q.pops%bulkTurn == 0 {
		first = 1
	}
	for _, band := range []int{first, 1 - first} {
		for len(q.bands[band].order) > 0 {
			item := q.bands[band].next()
			if where, waits := q.in[item]; waits && where == band {
				delete(q.in, item)
				return item
			}
		}
	}
	var none T
	return none // never: the workqueue pops only what it pushed
}

// next takes the first item of the workspace whose turn it is.
func (t *turns[T]) next() T {
	ws := t.order[0]
	t.order = t.order[1:]
	items := t.items[ws]
	item := items[0]
	if len(items) == 1 {
		delete(t.items, ws)
	} else {
		t.items[ws] = items[1:]
		t.order = append(t.order, ws)
	}
	return item
}

// keyQueue is the queue of originals. AddBulk puts a key behind what changes
// now.
type keyQueue struct {
	workqueue.TypedRateLimitingInterface[Key]

	mu   sync.Mutex
	bulk map[Key]struct{} // that are to be pushed as bulk
}

func newKeyQueue(name string, limiter workqueue.TypedRateLimiter[Key]) *keyQueue {
	q := &keyQueue{bulk: map[Key]struct{}{}}
	fair := newFairQueue(func(k Key) multicluster.ClusterName { return k.Workspace }, q.takeBulk)
	q.TypedRateLimitingInterface = workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[Key]{
		DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[Key]{
			Name:  name,
			Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[Key]{Name: name, Queue: fair}),
		}),
	})
	return q
}

// Add asks for a key to be worked on.
func (q *keyQueue) Add(key Key) {
	q.mu.Lock()
	delete(q.bulk, key)
	q.mu.Unlock()
	q.TypedRateLimitingInterface.Add(key)
}

// AddBulk asks for a key to be worked on when nothing else is.
func (q *keyQueue) AddBulk(key Key) {
	q.mu.Lock()
	q.bulk[key] = struct{}{}
	q.mu.Unlock()
	q.TypedRateLimitingInterface.Add(key)
}

func (q *keyQueue) takeBulk(key Key) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.bulk[key]
	delete(q.bulk, key)
	return ok
}

// newErrandQueue returns the queue of a lane.
func newErrandQueue(limiter workqueue.TypedRateLimiter[errand]) workqueue.TypedRateLimitingInterface[errand] {
	fair := newFairQueue(func(e errand) multicluster.ClusterName { return e.key.Workspace }, nil)
	return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[errand]{
		DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[errand]{
			Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[errand]{Queue: fair}),
		}),
	})
}
