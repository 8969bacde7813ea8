package controller

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
)

// queue is controller-runtime's priority queue whose workers all get away when
// it shuts down. Up to v0.25 the queue hands an item out under its lock: a worker
// that leaves at that moment, because the queue shut down, leaves the lock held,
// and whoever calls Done then waits forever
// (https://github.com/kubernetes-sigs/controller-runtime/issues/3538). Here one
// goroutine alone takes from it, never leaves before it got something, and shuts
// it down when nobody waits in it.
type queue struct {
	priorityqueue.PriorityQueue[Key]
	wants chan struct{}
	items chan item
	done  chan struct{}
	close func()
}

type item struct {
	key      Key
	priority int
}

func newQueue(name string, limiter workqueue.TypedRateLimiter[Key]) *queue {
	q := &queue{
		PriorityQueue: priorityqueue.New(name, func(o *priorityqueue.Opts[Key]) { o.RateLimiter = limiter }),
		wants:         make(chan struct{}), items: make(chan item), done: make(chan struct{}),
	}
	q.close = sync.OnceFunc(func() { close(q.done) })
	go q.pass()
	return q
}

// pass takes an item whenever a worker wants one, and not before: what is taken
// can't be overtaken any more.
func (q *queue) pass() {
	defer q.PriorityQueue.ShutDown()
	for {
		select {
		case <-q.done:
			return
		case <-q.wants:
		}
		key, priority, _ := q.PriorityQueue.GetWithPriority()
		select {
		case <-q.done:
			return
		case q.items <- item{key, priority}:
		}
	}
}

// GetWithPriority implements priorityqueue.PriorityQueue.
func (q *queue) GetWithPriority() (key Key, priority int, shutdown bool) {
	select {
	case <-q.done:
		return Key{}, 0, true
	case q.wants <- struct{}{}:
	}
	select {
	case <-q.done:
		return Key{}, 0, true
	case i := <-q.items:
		return i.key, i.priority, false
	}
}

// Get implements workqueue.TypedInterface.
func (q *queue) Get() (key Key, shutdown bool) {
	key, _, shutdown = q.GetWithPriority()
	return key, shutdown
}

// ShuttingDown implements workqueue.TypedInterface.
func (q *queue) ShuttingDown() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// ShutDown implements workqueue.TypedInterface. The key of nothing wakes who
// waits for an item.
func (q *queue) ShutDown() {
	q.close()
	q.Add(Key{})
}

// ShutDownWithDrain implements workqueue.TypedInterface: controller-runtime does
// not drain.
func (q *queue) ShutDownWithDrain() { q.ShutDown() }
