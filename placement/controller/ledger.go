package controller

import (
	"slices"
	"sync"
	"time"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
)

// ledger holds what was decided and does not show in the capacity of clusters
// yet. An entry ends when that much more shows as used on its cluster, oldest
// entry first, or when its time is over.
type ledger struct {
	ttl time.Duration // zero: nothing is reserved

	mu       sync.Mutex
	reserved *placement.Reservations
	entries  map[string][]entry // by cluster, oldest first
}

type entry struct {
	owner   string
	amount  cluster.Resources
	expires time.Time
}

func newLedger(ttl time.Duration) *ledger {
	return &ledger{ttl: ttl, reserved: placement.NewReservations(), entries: map[string][]entry{}}
}

// open returns what counts as used at a time when an owner is decided on. What
// it reserved on clusters that are not on record for it is off: that decision
// was not recorded.
func (l *ledger) open(owner string, recorded []string, now time.Time) map[string]cluster.Resources {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, entries := range l.entries {
		if !slices.Contains(recorded, name) {
			l.keep(name, slices.DeleteFunc(entries, func(e entry) bool { return e.owner == owner }))
			l.reserved.Release(owner, name)
		}
	}
	l.expire(now)
	if l.reserved.Len() == 0 {
		return nil
	}
	return l.reserved.Reserved()
}

// reserve counts what an owner needs, by cluster, from a time on.
func (l *ledger) reserve(owner string, needs map[string]cluster.Resources, since time.Time) {
	if l.ttl <= 0 || len(needs) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	expires := since.Add(l.ttl)
	l.reserved.Reserve(owner, needs, expires)
	for name, amount := range needs {
		entries := slices.DeleteFunc(l.entries[name], func(e entry) bool { return e.owner == owner })
		l.keep(name, append(entries, entry{owner, amount, expires}))
	}
}

// release ends all that an owner has reserved.
func (l *ledger) release(owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved.Release(owner)
	for name, entries := range l.entries {
		l.keep(name, slices.DeleteFunc(entries, func(e entry) bool { return e.owner == owner }))
	}
}

// seen takes in what a cluster reports. What is used there more than before is
// what was decided first.
func (l *ledger) seen(change cluster.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := change.Name()
	entries := l.entries[name]
	if len(entries) == 0 || change.Old == nil || change.New == nil {
		return
	}
	more := change.New.Allocated.Sub(change.Old.Allocated)
	for len(entries) > 0 && !nothing(more) {
		first := &entries[0]
		left := first.amount.Sub(more)
		more = more.Sub(first.amount)
		if nothing(left) {
			l.reserved.Release(first.owner, name)
			entries = entries[1:]
			continue
		}
		first.amount = left
		l.reserved.Reserve(first.owner, map[string]cluster.Resources{name: left}, first.expires)
	}
	l.keep(name, entries)
}

// next returns when the next reservation ends by time alone; zero if none does.
func (l *ledger) next(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.expire(now)
}

// owners returns how many have something reserved.
func (l *ledger) owners() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reserved.Len()
}

func (l *ledger) expire(now time.Time) time.Time {
	next := l.reserved.Expire(now)
	for name, entries := range l.entries {
		l.keep(name, slices.DeleteFunc(entries, func(e entry) bool { return !now.Before(e.expires) }))
	}
	return next
}

func (l *ledger) keep(name string, entries []entry) {
	if len(entries) == 0 {
		delete(l.entries, name)
		return
	}
	l.entries[name] = entries
}

func nothing(r cluster.Resources) bool {
	for _, n := range r.Extended {
		if n > 0 {
			return false
		}
	}
	return r.MilliCPU <= 0 && r.Memory <= 0 && r.EphemeralStorage <= 0 && r.Pods <= 0
}
