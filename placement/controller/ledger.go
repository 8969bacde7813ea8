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
	entries  map[string][]entry  // by cluster, oldest first
	clusters map[string][]string // by owner
	next     time.Time           // when the first reservation ends; zero if there is none
}

type entry struct {
	owner   string
	amount  cluster.Resources
	expires time.Time
}

func newLedger(ttl time.Duration) *ledger {
	return &ledger{ttl: ttl, reserved: placement.NewReservations(), entries: map[string][]entry{}, clusters: map[string][]string{}}
}

// open returns what counts as used at a time when an owner is decided on. What
// it reserved on clusters that are not on record for it is off: that decision
// was not recorded.
func (l *ledger) open(owner string, recorded []string, now time.Time) map[string]cluster.Resources {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range slices.Clone(l.clusters[owner]) {
		if !slices.Contains(recorded, name) {
			l.drop(owner, name)
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
	for name, amount := range needs {
		l.drop(owner, name)
		l.entries[name] = append(l.entries[name], entry{owner, amount, expires})
		l.clusters[owner] = append(l.clusters[owner], name)
	}
	l.reserved.Reserve(owner, needs, expires)
	if l.next.IsZero() || expires.Before(l.next) {
		l.next = expires
	}
}

// release ends all that an owner has reserved.
func (l *ledger) release(owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range slices.Clone(l.clusters[owner]) {
		l.drop(owner, name)
	}
}

// seen takes in what a cluster reports. What is used there more than before is
// what was decided first.
func (l *ledger) seen(change cluster.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := change.Name()
	entries := slices.Clone(l.entries[name])
	if len(entries) == 0 || change.Old == nil || change.New == nil {
		return
	}
	more := change.New.Allocated.Sub(change.Old.Allocated)
	for i := range entries {
		if nothing(more) {
			return
		}
		e := &entries[i]
		left := e.amount.Sub(more)
		more = more.Sub(e.amount)
		if nothing(left) {
			l.drop(e.owner, name)
			continue
		}
		l.reduce(e.owner, name, left)
	}
}

// reduce has an entry be less than it was.
func (l *ledger) reduce(owner, name string, left cluster.Resources) {
	for i := range l.entries[name] {
		if e := &l.entries[name][i]; e.owner == owner {
			e.amount = left
			l.reserved.Reserve(owner, map[string]cluster.Resources{name: left}, e.expires)
		}
	}
}

// ends returns when the next reservation ends by time alone; zero if none does.
func (l *ledger) ends(now time.Time) time.Time {
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
	if l.next.IsZero() || now.Before(l.next) {
		return l.next
	}
	l.next = time.Time{}
	for name, entries := range l.entries {
		for _, e := range slices.Clone(entries) {
			switch {
			case !now.Before(e.expires):
				l.drop(e.owner, name)
			case l.next.IsZero() || e.expires.Before(l.next):
				l.next = e.expires
			}
		}
	}
	return l.next
}

// drop ends what an owner has reserved on a cluster.
func (l *ledger) drop(owner, name string) {
	at := slices.Index(l.clusters[owner], name)
	if at < 0 {
		return
	}
	if l.clusters[owner] = slices.Delete(l.clusters[owner], at, at+1); len(l.clusters[owner]) == 0 {
		delete(l.clusters, owner)
	}
	entries := slices.DeleteFunc(l.entries[name], func(e entry) bool { return e.owner == owner })
	if l.entries[name] = entries; len(entries) == 0 {
		delete(l.entries, name)
	}
	l.reserved.Release(owner, name)
}

func nothing(r cluster.Resources) bool {
	for _, n := range r.Extended {
		if n > 0 {
			return false
		}
	}
	return r.MilliCPU <= 0 && r.Memory <= 0 && r.EphemeralStorage <= 0 && r.Pods <= 0
}
