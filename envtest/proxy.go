package envtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// A Proxy is the network between the clients of a server and the server. Its
// faults act on live and on new connections; they add up, and last until Heal.
// What the server itself does, its controllers and its nodes included, does not
// pass here: a Proxy breaks the way to a cluster, not the cluster.
type Proxy struct {
	addr    string
	backend string
	release func()          // gives the port back
	ctx     context.Context //nolint:containedctx // ends the connections; set and cancelled by us alone
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	relay   *relay // nil: there are no storms

	mu       sync.Mutex
	faults   faults
	changed  chan struct{} // closed when faults changes
	up       bool          // whether there is a server behind it
	relayed  bool          // whether connections lead through the relay
	listener net.Listener  // nil: connections are refused
	live     map[*link]struct{}
}

// faults is what is wrong with the network now.
type faults struct {
	cut    bool
	refuse bool
	delay  time.Duration
	up     *pace // towards the server
	down   *pace
}

// newProxy takes a port of the loopback interface for as long as it lives.
func newProxy(backend string) (*Proxy, error) {
	port, release, err := holdPort()
	if err != nil {
		return nil, fmt.Errorf("take a port for the proxy: %w", err)
	}
	p := &Proxy{
		addr: "127.0.0.1:" + strconv.Itoa(port), backend: backend, release: release,
		changed: make(chan struct{}), live: map[*link]struct{}{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Addr is the host and port that clients dial. It never changes.
func (p *Proxy) Addr() string { return p.addr }

// Cut lets nothing pass in either direction: no byte, no end of a connection.
// Clients wait, as they do when a network partition swallows their packets.
func (p *Proxy) Cut() { p.set(func(f *faults) { f.cut = true }) }

// Delay holds back what passes for d, in each direction.
func (p *Proxy) Delay(d time.Duration) { p.set(func(f *faults) { f.delay = d }) }

// Limit lets pass at most so many bytes in a second, in each direction, over
// all connections together.
func (p *Proxy) Limit(bytesPerSecond int) {
	p.set(func(f *faults) { f.up, f.down = newPace(bytesPerSecond), newPace(bytesPerSecond) })
}

// Refuse resets the live connections and refuses new ones, as a machine does
// whose server is down.
func (p *Proxy) Refuse() {
	p.set(func(f *faults) { f.refuse = true })
	p.Reset()
}

// Reset resets the live connections, once. New ones are as they were.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.live {
		l.reset()
	}
}

// Heal ends all faults, storms included. What a cut held back arrives.
func (p *Proxy) Heal() {
	p.set(func(f *faults) { *f = faults{} })
	if p.relay != nil {
		p.relay.weather.calm()
	}
}

// Connections tells how many connections are live.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}

func (p *Proxy) set(change func(*faults)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.faults)
	close(p.changed)
	p.changed = make(chan struct{})
	_ = p.listen() // if it fails, connections are refused
}

// setUp tells whether there is a server. Clients of one that is down are
// refused, unless they cannot even reach the machine.
func (p *Proxy) setUp(up bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.relayed && !up {
		// A relay would hold the connections to a server that is gone.
		for l := range p.live {
			l.reset()
		}
		p.relay.forget()
	}
	p.up = up
	return p.listen()
}

// target is where connections lead.
func (p *Proxy) target() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.relayed {
		return p.relay.addr()
	}
	return p.backend
}

// listen opens or closes the listener as the state wants it. p.mu is held.
func (p *Proxy) listen() error {
	wanted := p.ctx.Err() == nil && !p.faults.refuse && (p.up || p.faults.cut)
	switch {
	case wanted && p.listener == nil:
		config := net.ListenConfig{Control: sharePort}
		listener, err := config.Listen(p.ctx, "tcp", p.addr)
		if err != nil {
			return fmt.Errorf("listen for the proxy: %w", err)
		}
		p.listener = listener
		p.wg.Go(func() { p.accept(listener) })
	case !wanted && p.listener != nil:
		_ = p.listener.Close()
		p.listener = nil
	}
	return nil
}

func (p *Proxy) current() (faults, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults, p.changed
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors, most likely: not for ever.
			select {
			case <-p.ctx.Done():
				return
			case <-time.After(acceptRetry):
				continue
			}
		}
		client, ok := conn.(*net.TCPConn)
		if !ok {
			_ = conn.Close()
			continue
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

const acceptRetry = 50 * time.Millisecond

// close ends the proxy and every connection.
func (p *Proxy) close() {
	p.cancel()
	_ = p.setUp(false)
	p.Reset()
	p.wg.Wait()
	if p.relay != nil {
		p.relay.weather.calm()
		p.relay.close()
	}
	p.release()
}
