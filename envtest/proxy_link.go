package envtest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A link is one connection through a Proxy.
type link struct {
	proxy  *Proxy
	ctx    context.Context //nolint:containedctx // ends when the connection does
	cancel context.CancelFunc

	mu     sync.Mutex
	conns  []*net.TCPConn // the client's, and the server's once dialled
	broken bool
}

const chunk = 32 << 10

// serve joins a client to the server until both have said all.
func (p *Proxy) serve(client *net.TCPConn) {
	l := &link{proxy: p, conns: []*net.TCPConn{client}}
	l.ctx, l.cancel = context.WithCancel(p.ctx)
	defer l.cancel()
	p.mu.Lock()
	p.live[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.live, l)
		p.mu.Unlock()
	}()
	defer l.close()

	// A connection that a cut swallows does not reach the server yet.
	if !l.pass(0, func(f faults) *pace { return f.up }) {
		l.reset()
		return
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(l.ctx, "tcp", p.target())
	if err != nil {
		l.reset() // the server is down: the client shall see it at once
		return
	}
	server, ok := conn.(*net.TCPConn)
	if !ok || !l.add(server) {
		_ = conn.Close()
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.copy(server, client, func(f faults) *pace { return f.up }) })
	wg.Go(func() { l.copy(client, server, func(f faults) *pace { return f.down }) })
	wg.Wait()
}

// copy moves bytes until src ends, and then tells dst.
func (l *link) copy(dst, src *net.TCPConn, limit func(faults) *pace) {
	buf := make([]byte, chunk)
	for {
		size := len(buf)
		if f, _ := l.proxy.current(); limit(f) != nil {
			size = limit(f).chunk()
		}
		n, err := src.Read(buf[:size])
		if !l.pass(n, limit) {
			l.reset()
			return
		}
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				l.reset()
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = dst.CloseWrite()
			return
		case err != nil:
			l.reset()
			return
		}
	}
}

// pass waits until n bytes may go on, and tells whether they may at all.
func (l *link) pass(n int, limit func(faults) *pace) bool {
	delayed := false
	for {
		f, changed := l.proxy.current()
		var wait <-chan time.Time
		switch {
		case f.refuse:
			return false
		case f.cut:
		case f.delay > 0 && !delayed:
			wait = time.After(f.delay)
		case limit(f) != nil && n > 0:
			wait = time.After(limit(f).take(n))
			n = 0
		default:
			return true
		}
		select {
		case <-l.ctx.Done():
			return false
		case <-changed:
		case <-wait:
			delayed = true
		}
	}
}

func (l *link) add(c *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return false
	}
	l.conns = append(l.conns, c)
	return true
}

// reset ends both sides as a broken network does.
func (l *link) reset() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	for _, c := range l.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
}

// A pace spreads bytes over time.
type pace struct {
	perSecond int
	mu        sync.Mutex
	free      time.Time // when the line is free again
}

func newPace(bytesPerSecond int) *pace { return &pace{perSecond: max(bytesPerSecond, 1)} }

// chunk is how much to take at a time, for an even flow.
func (p *pace) chunk() int { return min(max(p.perSecond/20, 1), chunk) }

// take books n bytes and tells how long to wait for them to have gone.
func (p *pace) take(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.perSecond) * float64(time.Second)))
	return p.free.Sub(now)
}
