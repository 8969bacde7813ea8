package cluster

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// tasks are the goroutines of a running fleet.
type tasks struct {
	// ctx returns the context that all of them end with.
	ctx func() context.Context

	mu    sync.Mutex
	ended bool
	group sync.WaitGroup
}

// spawn runs fn until its context is cancelled, by the returned function or
// with all others. After wait it does nothing.
func (t *tasks) spawn(fn func(context.Context)) context.CancelFunc {
	ctx, cancel := context.WithCancel(t.ctx())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		cancel()
		return cancel
	}
	t.group.Go(func() {
		defer cancel()
		fn(ctx)
	})
	return cancel
}

func (t *tasks) wait() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.group.Wait()
}

// sleep waits, at most until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// jitter returns d, give or take a tenth, so that what began together does not
// stay together.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

// pulse tells any number of waiters of each beat.
type pulse struct {
	mu sync.Mutex
	ch chan struct{}
}

// next returns a channel that the next beat closes.
func (p *pulse) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ch == nil {
		p.ch = make(chan struct{})
	}
	return p.ch
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ch != nil {
		close(p.ch)
		p.ch = nil
	}
}
