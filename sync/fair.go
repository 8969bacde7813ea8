package syncer

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// rank says before what an item is worked on.
type rank int

const (
	// rankFirst goes before whatever else of its workspace changes now.
	rankFirst rank = iota
	// rankPrompt is what changes now.
	rankPrompt
	// rankBulk, such as everything after a start, comes after what changes now in any
	// workspace, but for one turn in bulkTurn.
	rankBulk
)

// bulkTurn is which turn of those that could be urgent is bulk's.
const bulkTurn = 8

// fairQueue orders what waits to be worked on: workspaces take turns, so that
// one which makes ten thousand objects at once delays another's by one object
// and not by ten thousand.
//
// It is the inner queue of a client-go workqueue, which locks it.
type fairQueue[T comparable] struct {
	workspace func(T) multicluster.ClusterName
	rank      func(T) rank // asked once for each item that is pushed or touched; nil: all are prompt

	urgent, bulk turns[T]
	in           map[T]rank // of each item that waits
	pops         int
}

// turns are the items of one band, by workspace, and the order of the
// workspaces.
type turns[T comparable] struct {
	order []multicluster.ClusterName
	items map[multicluster.ClusterName]*waiting[T]
}

// waiting are the items of one workspace: those that go first, and the others.
type waiting[T comparable] struct{ first, others []T }

func newFairQueue[T comparable](workspace func(T) multicluster.ClusterName, rankOf func(T) rank) *fairQueue[T] {
	if rankOf == nil {
		rankOf = func(T) rank { return rankPrompt }
	}
	q := &fairQueue[T]{workspace: workspace, rank: rankOf, in: map[T]rank{}}
	q.urgent.items, q.bulk.items = map[multicluster.ClusterName]*waiting[T]{}, map[multicluster.ClusterName]*waiting[T]{}
	return q
}

var _ workqueue.Queue[Key] = (*fairQueue[Key])(nil)

// Push implements workqueue.Queue.
func (q *fairQueue[T]) Push(item T) { q.put(item, q.rank(item)) }

// Touch implements workqueue.Queue: what is asked for again goes where the more
// urgent of the two belongs.
func (q *fairQueue[T]) Touch(item T) {
	if now := q.rank(item); now < q.in[item] {
		q.put(item, now) // where it stood before it is passed over
	}
}

func (q *fairQueue[T]) put(item T, r rank) {
	q.in[item] = r
	t, ws := q.band(r), q.workspace(item)
	w := t.items[ws]
	if w == nil {
		w = &waiting[T]{}
		t.items[ws] = w
		t.order = append(t.order, ws)
	}
	if r == rankFirst {
		w.first = append(w.first, item)
	} else {
		w.others = append(w.others, item)
	}
}

func (q *fairQueue[T]) band(r rank) *turns[T] {
	if r == rankBulk {
		return &q.bulk
	}
	return &q.urgent
}

// Len implements workqueue.Queue.
func (q *fairQueue[T]) Len() int { return len(q.in) }

// Pop implements workqueue.Queue.
func (q *fairQueue[T]) Pop() T {
	q.pops++
	bands := [2]*turns[T]{&q.urgent, &q.bulk}
	if q.pops%bulkTurn == 0 {
		bands = [2]*turns[T]{&q.bulk, &q.urgent}
	}
	for _, band := range bands {
		for len(band.order) > 0 {
			if item, ok := q.next(band); ok {
				delete(q.in, item)
				return item
			}
		}
	}
	var none T
	return none // never: the workqueue pops only what it pushed
}

// next takes the first item of the workspace whose turn it is, past those that
// stand elsewhere by now; false if there is none.
func (q *fairQueue[T]) next(t *turns[T]) (item T, ok bool) {
	ws := t.order[0]
	t.order = t.order[1:]
	w := t.items[ws]
	for !ok && len(w.first)+len(w.others) > 0 {
		from := &w.others
		if len(w.first) > 0 {
			from = &w.first
		}
		item = (*from)[0]
		*from = (*from)[1:]
		r, waits := q.in[item]
		ok = waits && q.band(r) == t && (r == rankFirst) == (from == &w.first)
	}
	if len(w.first)+len(w.others) == 0 {
		delete(t.items, ws)
	} else {
		t.order = append(t.order, ws)
	}
	return item, ok
}

// rankedQueue is a workqueue with a fair queue inside.
type rankedQueue[T comparable] struct {
	workqueue.TypedRateLimitingInterface[T]

	mu    sync.Mutex
	ranks map[T]rank // that are to be pushed as something else than rankPrompt
}

func newRankedQueue[T comparable](name string, limiter workqueue.TypedRateLimiter[T], workspace func(T) multicluster.ClusterName) *rankedQueue[T] {
	q := &rankedQueue[T]{ranks: map[T]rank{}}
	q.TypedRateLimitingInterface = workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[T]{
		DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[T]{
			Name:  name,
			Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[T]{Name: name, Queue: newFairQueue(workspace, q.takeRank)}),
		}),
	})
	return q
}

// Add asks for an item to be worked on.
func (q *rankedQueue[T]) Add(item T) { q.AddAs(item, rankPrompt) }

// AddAs asks for an item to be worked on in its rank.
func (q *rankedQueue[T]) AddAs(item T, r rank) {
	q.mu.Lock()
	if r == rankPrompt {
		delete(q.ranks, item)
	} else {
		q.ranks[item] = r
	}
	q.mu.Unlock()
	q.TypedRateLimitingInterface.Add(item)
}

func (q *rankedQueue[T]) takeRank(item T) rank {
	q.mu.Lock()
	defer q.mu.Unlock()
	r, ok := q.ranks[item]
	delete(q.ranks, item)
	if !ok {
		return rankPrompt
	}
	return r
}

// ranked is a queue that knows ranks. One that does not, such as that of a
// simulation, works in any order.
type ranked[T comparable] interface{ AddAs(item T, r rank) }

// addAs adds an item in its rank, if the queue knows ranks.
func addAs[T comparable](q workqueue.TypedRateLimitingInterface[T], item T, r rank) {
	if q, ok := q.(ranked[T]); ok {
		q.AddAs(item, r)
		return
	}
	q.Add(item)
}

// newKeyQueue returns the queue of originals.
func newKeyQueue(name string, limiter workqueue.TypedRateLimiter[Key]) *rankedQueue[Key] {
	return newRankedQueue(name, limiter, func(k Key) multicluster.ClusterName { return k.Workspace })
}

// newErrandQueue returns the queue of a lane.
func newErrandQueue(limiter workqueue.TypedRateLimiter[errand]) *rankedQueue[errand] {
	return newRankedQueue("", limiter, func(e errand) multicluster.ClusterName { return e.key.Workspace })
}
