package controller

import (
	"context"
	"sync"
	"time"

	"github.com/tmc-sdk/tmc/cluster"
)

// Fleet is what the controller asks of the physical side. *cluster.Fleet is
// one.
type Fleet interface {
	// Snapshot returns the clusters as they are known now.
	Snapshot() *cluster.Snapshot
	// Subscribe calls fn for every change, one at a time, and first for every
	// cluster there is.
	Subscribe(fn func(cluster.Change)) (cancel func())
	// WaitForSync blocks until it is known which clusters there are; false if
	// ctx ended first.
	WaitForSync(ctx context.Context) bool
}

var _ Fleet = (*cluster.Fleet)(nil)

// pulse collects changes of the fleet, so that a storm of them wakes a
// Placement once. What is in no hurry goes on a slower beat.
type pulse struct {
	beat, slow time.Duration
	mu         sync.Mutex
	pending    map[string]effect
	ready      chan struct{}
}

func newPulse(beat, slow time.Duration) *pulse {
	return &pulse{beat: beat, slow: slow, pending: map[string]effect{}, ready: make(chan struct{}, 1)}
}

// note takes in a change. It is quick.
func (p *pulse) note(change cluster.Change) {
	e := effectOf(change)
	if e == 0 {
		return
	}
	p.mu.Lock()
	p.pending[change.Name()] |= e
	p.mu.Unlock()
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// run hands on what was collected, until ctx ends.
func (p *pulse) run(ctx context.Context, wake func(map[string]effect)) {
	var slow <-chan time.Time // runs while there is something for the slow beat
	later := map[string]effect{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-slow:
			wake(later)
			slow, later = nil, map[string]effect{}
			continue
		case <-p.ready:
		}
		changes := p.take()
		for name, e := range changes {
			if e.has(wakesLater) {
				later[name] = wakesLater
			}
			if changes[name] = e &^ wakesLater; changes[name] == 0 {
				delete(changes, name)
			}
		}
		if len(later) > 0 && slow == nil {
			slow = time.After(p.slow)
		}
		if len(changes) > 0 {
			wake(changes)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(p.beat):
		}
	}
}

// onlyLater says whether nothing is in a hurry.
func onlyLater(changes map[string]effect) bool {
	for _, e := range changes {
		if e != wakesLater {
			return false
		}
	}
	return true
}

func (p *pulse) take() map[string]effect {
	p.mu.Lock()
	defer p.mu.Unlock()
	changes := p.pending
	p.pending = map[string]effect{}
	return changes
}

// missed says whether a change between two snapshots concerns an interest: one
// that came too late for a decision and too early for the index.
func missed(old, now *cluster.Snapshot, in interest) bool {
	if old == now {
		return false
	}
	concerns := func(name string) effect {
		was, _ := old.Lookup(name)
		is, _ := now.Lookup(name)
		if was == is {
			return 0
		}
		return effectOf(cluster.Change{Old: was, New: is})
	}
	for _, name := range in.clusters {
		if e := concerns(name); e.has(wakesNamed) || in.properties && e.has(wakesCurious) {
			return true
		}
	}
	if in.waiting {
		for state := range now.All() {
			if concerns(state.Name).has(wakesWaiting) {
				return true
			}
		}
	}
	return false
}
