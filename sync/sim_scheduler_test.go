package syncer

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// scheduler runs tasks one at a time, each until it waits for something; which
// one is next, its dice say. So a run follows from the seed, whatever the
// machine does: tasks are coroutines, never goroutines that run beside each
// other.
type scheduler struct {
	dice    *rand.Rand
	now     time.Time
	tasks   []*task
	current *task
	ids     int
	steps   int

	trace func(line string) // nil: not kept
}

// task is a coroutine.
type task struct {
	id    int
	name  string
	group any // tasks of a group die together
	next  func() (struct{}, bool)
	yield func(struct{}) bool
	stop  func()
	// ready says whether it can go on, and wake when it can at the latest; zero
	// for never.
	ready func() bool
	wake  func() time.Time
	// since is when what it does now began, as a count of commits.
	since int
	done  bool
}

// killed is what a task panics with when its process dies.
type killed struct{}

func newScheduler(seed uint64) *scheduler {
	return &scheduler{dice: rand.New(rand.NewPCG(seed, 0x74_6d_63)), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// note writes a line into the trace, if it is kept.
func (s *scheduler) note(format string, args ...any) {
	if s.trace != nil {
		s.trace(fmt.Sprintf("%9.3fs %s", s.now.Sub(epoch).Seconds(), fmt.Sprintf(format, args...)))
	}
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// spawn adds a task.
func (s *scheduler) spawn(group any, name string, fn func()) {
	s.ids++
	t := &task{id: s.ids, name: name, group: group}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			t.done = true
			if r := recover(); r != nil {
				if _, ok := r.(killed); !ok {
					panic(r)
				}
			}
		}()
		t.yield = yield
		fn()
	})
	s.tasks = append(s.tasks, t)
}

// park gives way to other tasks until ready says so; nil: at once.
func (s *scheduler) park(ready func() bool, wake func() time.Time) {
	t := s.current
	if t == nil {
		panic("simulation: something waits outside of a task")
	}
	t.ready, t.wake = ready, wake
	if !t.yield(struct{}{}) {
		panic(killed{})
	}
}

// until parks for a time.
func (s *scheduler) until(end time.Time) {
	s.park(func() bool { return !s.now.Before(end) }, func() time.Time { return end })
}

func (s *scheduler) pause(d time.Duration) { s.until(s.now.Add(d)) }

// kill ends the tasks of a group where they wait.
func (s *scheduler) kill(group any) {
	for _, t := range slices.Clone(s.tasks) {
		if t.group == group && !t.done && t != s.current {
			t.done = true
			t.stop()
		}
	}
	s.sweep()
	if s.current != nil && s.current.group == group {
		panic(killed{})
	}
}

func (s *scheduler) sweep() {
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool { return t.done })
}

// run lets tasks go on until the time is up, or stop says so.
func (s *scheduler) run(end time.Time, stop func() bool) {
	var able []*task
	for s.now.Before(end) && !stop() {
		able = able[:0]
		next := end
		for _, t := range s.tasks {
			if p, ok := t.group.(*process); ok && s.now.Before(p.frozen) {
				if p.frozen.Before(next) {
					next = p.frozen
				}
				continue
			}
			if t.ready == nil || t.ready() {
				able = append(able, t)
			} else if t.wake != nil {
				if w := t.wake(); !w.IsZero() && w.Before(next) {
					next = w
				}
			}
		}
		if len(able) == 0 {
			if next.After(s.now) {
				s.now = next
			} else {
				s.now = s.now.Add(time.Millisecond)
			}
			continue
		}
		s.steps++
		// Every step takes a moment, so that time passes under load, too.
		s.now = s.now.Add(time.Duration(s.dice.IntN(2000)) * time.Microsecond)
		s.resume(able[s.dice.IntN(len(able))])
	}
}

func (s *scheduler) resume(t *task) {
	t.ready, t.wake = nil, nil
	s.current = t
	_, alive := t.next()
	s.current = nil
	if !alive {
		t.done = true
		s.sweep()
	}
}

// chance is true once in so many times.
func (s *scheduler) chance(oneIn int) bool { return oneIn > 0 && s.dice.IntN(oneIn) == 0 }

func pick[T any](s *scheduler, list []T) T { return list[s.dice.IntN(len(list))] }

func (s *scheduler) between(from, to time.Duration) time.Duration {
	return from + time.Duration(s.dice.Int64N(int64(to-from)))
}

// diceQueue is a work queue in virtual time: an item is worked on by one task
// at a time, what is added meanwhile is worked on after, and failures are tried
// again later and later. Which item is next, the dice say.
type diceQueue[T comparable] struct {
	s        *scheduler
	name     func(T) string
	least    time.Duration
	dirty    map[T]bool
	active   map[T]bool
	later    map[T]time.Time
	failures map[T]int
	stopped  bool
	// hasty, for the test of the checker, tries again at once.
	hasty bool
}

func newDiceQueue[T comparable](s *scheduler, least time.Duration, name func(T) string) *diceQueue[T] {
	return &diceQueue[T]{s: s, name: name, least: least, dirty: map[T]bool{}, active: map[T]bool{}, later: map[T]time.Time{}, failures: map[T]int{}}
}

func (q *diceQueue[T]) Add(item T) {
	if !q.stopped {
		q.dirty[item] = true
	}
}

func (q *diceQueue[T]) AddAfter(item T, d time.Duration) {
	if d <= 0 {
		q.Add(item)
		return
	}
	at := q.s.now.Add(d)
	if known, ok := q.later[item]; !ok || at.Before(known) {
		q.later[item] = at
	}
}

func (q *diceQueue[T]) AddRateLimited(item T) {
	n := q.failures[item]
	q.failures[item]++
	if q.hasty {
		n = 0
	}
	q.AddAfter(item, min(q.least<<min(n, 20), time.Minute))
}

func (q *diceQueue[T]) Forget(item T)          { delete(q.failures, item) }
func (q *diceQueue[T]) NumRequeues(item T) int { return q.failures[item] }
func (q *diceQueue[T]) Done(item T)            { delete(q.active, item) }
func (q *diceQueue[T]) Len() int               { return len(q.dirty) }
func (q *diceQueue[T]) ShutDown()              { q.stopped = true }
func (q *diceQueue[T]) ShutDownWithDrain()     { q.stopped = true }
func (q *diceQueue[T]) ShuttingDown() bool     { return q.stopped }

// ripe moves what is due, and says whether there is something to work on.
func (q *diceQueue[T]) ripe() bool {
	for item, at := range q.later {
		if !q.s.now.Before(at) {
			delete(q.later, item)
			q.dirty[item] = true
		}
	}
	for item := range q.dirty {
		if !q.active[item] {
			return true
		}
	}
	return q.stopped
}

func (q *diceQueue[T]) due() time.Time {
	var first time.Time
	for _, at := range q.later {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// Get waits for an item.
func (q *diceQueue[T]) Get() (item T, shutdown bool) {
	for !q.ripe() {
		q.s.park(q.ripe, q.due)
	}
	if q.stopped {
		return item, true
	}
	var items []T
	for item := range q.dirty {
		if !q.active[item] {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b T) int { return cmp.Compare(q.name(a), q.name(b)) })
	item = pick(q.s, items)
	delete(q.dirty, item)
	q.active[item] = true
	return item, false
}

var _ workqueue.TypedRateLimitingInterface[errand] = (*diceQueue[errand])(nil)

// surroundingsOf are what a process sees of the simulated world.
func (p *process) surroundings() surroundings {
	s := p.world.scheduler
	return surroundings{
		now: func() time.Time { return s.now.Add(p.skew) },
		sleep: func(ctx context.Context, d time.Duration) bool {
			end := s.now.Add(d)
			s.park(func() bool { return ctx.Err() != nil || !s.now.Before(end) }, func() time.Time { return end })
			return ctx.Err() == nil
		},
		await: func(ctx context.Context, ready func() bool) bool {
			s.park(func() bool { return ctx.Err() != nil || ready != nil && ready() }, nil)
			return ctx.Err() == nil
		},
		synced: func(ctx context.Context, informer cache.Informer) bool {
			s.park(func() bool { return ctx.Err() != nil || informer.HasSynced() }, nil)
			return ctx.Err() == nil
		},
		spawn: func(fn func()) { s.spawn(p, p.name, fn) },
		after: func(ctx context.Context, fn func()) {
			s.spawn(p, p.name, func() { s.park(func() bool { return ctx.Err() != nil }, nil); fn() })
		},
		lock: func(l locker) {
			if got := l.TryLock(); !got {
				s.park(func() bool { got = got || l.TryLock(); return got }, nil)
			}
		},
		connect: p.connect,
		queue: func() workqueue.TypedRateLimitingInterface[errand] {
			q := newDiceQueue(s, 100*time.Millisecond, func(e errand) string { return fmt.Sprintf("%s %t %t %t", e.key, e.tidy, e.born, e.check) })
			q.hasty = p.world.sabotage.hasty
			return &sinceQueue[errand]{q, p}
		},
	}
}

// sinceQueue notes when a task began with what it works on, and that it ended.
type sinceQueue[T comparable] struct {
	*diceQueue[T]
	process *process
}

func (q *sinceQueue[T]) Get() (T, bool) {
	q.process.books.ended(q.s.current)
	item, shutdown := q.diceQueue.Get()
	q.s.current.since = q.process.world.commits
	return item, shutdown
}
