package envtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// An instance is what KCP, Cluster and Etcd have in common: servers that start
// in order, and the faults that can befall them.
type instance struct {
	name    string
	dir     *runDir
	proxy   *Proxy // nil: clients dial the server itself
	closers []func()

	// plan says what to run. It is asked again at each start, because a start
	// without data may have other arguments.
	plan func() []*component
	// wipe makes the next start one without data.
	wipe func() error
	// data are the folders of dir that a snapshot holds; none where the data are
	// somebody else's.
	data []string
	// settle waits until what runs is of use.
	settle  func(ctx context.Context) error
	timeout time.Duration

	mu        sync.Mutex
	parts     []*component
	closed    bool
	snapshots int // that were taken
}

const (
	defaultStartTimeout = 3 * time.Minute
	stopGrace           = 15 * time.Second
)

var errClosed = errors.New("closed: start a new one")

// start runs everything. On failure it leaves nothing running.
func (i *instance) start(ctx context.Context) error {
	if i.closed {
		return fmt.Errorf("start %s: %w", i.name, errClosed)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, i.timeout, fmt.Errorf("%s was not ready within %s", i.name, i.timeout))
	defer cancel()
	i.parts = i.plan()
	err := i.startParts(ctx)
	if err == nil {
		err = i.setUp(true)
	}
	if err != nil {
		i.kill()
		return fmt.Errorf("start %s: %w", i.name, err)
	}
	return nil
}

// setUp tells the proxy whether there is a server to lead to.
func (i *instance) setUp(up bool) error {
	if i.proxy == nil {
		return nil
	}
	return i.proxy.setUp(up)
}

func (i *instance) startParts(ctx context.Context) error {
	for _, c := range i.parts {
		if err := c.start(); err != nil {
			return err
		}
		if err := c.waitReady(ctx); err != nil {
			return err
		}
	}
	if i.settle == nil {
		return nil
	}
	if err := i.settle(ctx); err != nil {
		return errors.Join(err, i.endedParts())
	}
	return nil
}

// endedParts tells which servers are gone that should be there.
func (i *instance) endedParts() error {
	var errs []error
	for _, c := range i.parts {
		if c.proc != nil && !c.proc.running() {
			errs = append(errs, fmt.Errorf("%s has ended (%s); its log ends:\n%s", c.server, c.state(), c.logTail()))
		}
	}
	return errors.Join(errs...)
}

// Stop ends the servers as an operator would and keeps data and address.
func (i *instance) Stop(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stop(ctx)
	return ctx.Err()
}

// stop ends the servers in the reverse order of their start.
func (i *instance) stop(ctx context.Context) {
	defer i.setUp(false) //nolint:errcheck // to close a listener cannot fail
	for n := range i.parts {
		i.parts[len(i.parts)-1-n].stop(ctx)
	}
}

// Kill ends the servers at once, as a power cut would, and keeps data and
// address. Connections to them break.
func (i *instance) Kill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kill()
}

func (i *instance) kill() {
	defer i.setUp(false) //nolint:errcheck // to close a listener cannot fail
	for _, c := range i.parts {
		if c.proc != nil {
			c.proc.kill()
		}
	}
	for _, c := range i.parts {
		if c.proc != nil {
			<-c.proc.exited
		}
	}
}

// Restart stops what runs, starts it again with its data at the same address,
// and waits until it is ready.
func (i *instance) Restart(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stop(ctx)
	return i.start(ctx)
}

// RestartEmpty kills what runs and starts it again without its data at the same
// address, with the same certificates, and waits until it is ready.
func (i *instance) RestartEmpty(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kill()
	if err := i.wipe(); err != nil {
		return fmt.Errorf("lose the data of %s: %w", i.name, err)
	}
	return i.start(ctx)
}

// Freeze suspends the servers: connections stay open and nobody answers.
func (i *instance) Freeze() error { return i.each((*component).freeze) }

// Thaw lets frozen servers go on.
func (i *instance) Thaw() error { return i.each((*component).thaw) }

func (i *instance) each(do func(*component) error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var errs []error
	for _, c := range i.parts {
		errs = append(errs, do(c))
	}
	return errors.Join(errs...)
}

// Ended returns an error that names the servers which do not run, with the ends of
// their logs, and nil if all run or are frozen. One that was neither stopped nor
// killed ended by itself: Restart it, as a kubelet would.
func (i *instance) Ended() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.endedParts()
}

// Logs returns the last lines of every server's log.
func (i *instance) Logs() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all strings.Builder
	for _, c := range i.parts {
		_, _ = fmt.Fprintf(&all, "--- %s/%s (%s)\n%s\n", i.name, c.server, c.state(), c.logTail())
	}
	return all.String()
}

// Close ends the servers for good and removes their data. It may be called more
// than once.
func (i *instance) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	i.closed = true
	i.kill()
	if i.proxy != nil {
		i.proxy.close()
	}
	for n := range i.closers {
		i.closers[len(i.closers)-1-n]()
	}
	return i.dir.remove()
}
