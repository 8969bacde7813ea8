package cluster

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Change is one change of the fleet.
type Change struct {
	// Old state of the cluster; nil if it joined the fleet.
	Old *State
	// New state of the cluster; nil if it was removed from the fleet.
	New *State
	// Reconnected says that Fleet.Connection returns another connection than
	// before the change.
	Reconnected bool
}

// Name of the cluster that changed.
func (c Change) Name() string {
	if c.New != nil {
		return c.New.Name
	}
	if c.Old != nil {
		return c.Old.Name
	}
	return ""
}

// notifier hands changes to subscribers, in the order in which they were
// pushed, one at a time. It never makes the pusher wait: a goroutine delivers
// while there is something to deliver, and ends when there is not.
type notifier struct {
	mu         sync.Mutex
	subs       []*subscription
	queue      []delivery
	delivering bool
}

type subscription struct {
	fn        func(Change)
	cancelled atomic.Bool
}

type delivery struct {
	to     []*subscription
	change Change
}

// subscribe adds a subscriber, to whom the given changes are delivered before
// any other.
func (n *notifier) subscribe(fn func(Change), replay []Change) (cancel func()) {
	s := &subscription{fn: fn}
	n.mu.Lock()
	defer n.mu.Unlock()
	// A new slice each time: deliveries that are queued keep the old one.
	n.subs = append(slices.Clip(n.subs), s)
	for _, c := range replay {
		n.queue = append(n.queue, delivery{to: []*subscription{s}, change: c})
	}
	n.wakeLocked()
	return func() { n.unsubscribe(s) }
}

func (n *notifier) unsubscribe(s *subscription) {
	s.cancelled.Store(true)
	n.mu.Lock()
	defer n.mu.Unlock()
	var rest []*subscription
	for _, o := range n.subs {
		if o != s {
			rest = append(rest, o)
		}
	}
	n.subs = rest
}

func (n *notifier) push(c Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.subs) == 0 {
		return
	}
	n.queue = append(n.queue, delivery{to: n.subs, change: c})
	n.wakeLocked()
}

func (n *notifier) wakeLocked() {
	if n.delivering || len(n.queue) == 0 {
		return
	}
	n.delivering = true
	go n.deliver()
}

func (n *notifier) deliver() {
	for {
		n.mu.Lock()
		batch := n.queue
		n.queue = nil
		if len(batch) == 0 {
			n.delivering = false
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
		for _, d := range batch {
			for _, s := range d.to {
				if !s.cancelled.Load() {
					s.fn(d.change)
				}
			}
		}
	}
}
