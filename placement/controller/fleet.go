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
// Placement once.
type pulse struct {
	mu      sync.Mutex
	pending map[string]effect
	ready   chan struct{}
}

func newPulse() *pulse {
	return &pulse{pending: map[string]effect{}, ready: make(chan struct{}, 1)}
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

// run hands on what was collected, at most once per interval, until ctx ends.
func (p *pulse) run(ctx context.Context, interval time.Duration, wake func(map[string]effect)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.ready:
		}
		p.mu.Lock()
		changes := p.pending
		p.pending = map[string]effect{}
		p.mu.Unlock()
		wake(changes)
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}
