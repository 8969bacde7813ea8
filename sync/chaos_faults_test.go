package syncer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// dice are the nth of those that follow from a seed.
func dice(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }

// A chaosServer is a server of TestChaos, kcp or a physical cluster.
type chaosServer interface {
	restarter
	freezer
	Ended() error
	Proxy() *tmcenvtest.Proxy
}

type restarter interface {
	Stop(ctx context.Context) error
	Kill()
	Restart(ctx context.Context) error
	RestartEmpty(ctx context.Context) error
}

type freezer interface {
	Freeze() error
	Thaw() error
}

// A fault befalls a server, and is over when its second function was called.
type fault struct {
	name string
	do   func(s chaosServer, d *rand.Rand) error
	undo func(s chaosServer) error
}

func heal(s chaosServer) error    { s.Proxy().Heal(); return nil }
func restart(s chaosServer) error { return s.Restart(context.Background()) }

func network(name string, do func(p *tmcenvtest.Proxy, d *rand.Rand)) fault {
	return fault{name, func(s chaosServer, d *rand.Rand) error { do(s.Proxy(), d); return nil }, heal}
}

func storm(name string, share float64, answer tmcenvtest.Answer, verbs ...string) fault {
	return network("storm: "+name, func(p *tmcenvtest.Proxy, d *rand.Rand) {
		p.Storm(tmcenvtest.Storm{Answer: answer, Share: share, Seed: d.Uint64(), Verbs: verbs})
	})
}

// writing are the verbs by which something is lost.
var writing = []string{"create", "update", "patch", "delete"}

// faultsOfAll befall kcp and physical clusters alike.
func faultsOfAll() []fault {
	return []fault{
		{"frozen", func(s chaosServer, _ *rand.Rand) error { return s.Freeze() }, chaosServer.Thaw},
		{"killed", func(s chaosServer, _ *rand.Rand) error { s.Kill(); return nil }, restart},
		network("cut off", func(p *tmcenvtest.Proxy, _ *rand.Rand) { p.Cut() }),
		network("reset", func(p *tmcenvtest.Proxy, _ *rand.Rand) { p.Reset() }),
		network("refused", func(p *tmcenvtest.Proxy, _ *rand.Rand) { p.Refuse() }),
		network("far away", func(p *tmcenvtest.Proxy, d *rand.Rand) { p.Delay(time.Duration(20+d.IntN(200)) * time.Millisecond) }),
		network("on a thin line", func(p *tmcenvtest.Proxy, d *rand.Rand) { p.Limit(20_000 + d.IntN(100_000)) }),
		storm("throttled", 0.5, tmcenvtest.Throttle(time.Second)),
		storm("errors", 0.5, tmcenvtest.Fail(http.StatusInternalServerError)),
		storm("overload", 0.7, tmcenvtest.Fail(http.StatusServiceUnavailable)),
		storm("time-outs", 0.3, tmcenvtest.Fail(http.StatusGatewayTimeout)),
		storm("hanging", 0.2, tmcenvtest.Hang()),
		storm("answers lost", 0.5, tmcenvtest.LoseAnswer(), writing...),
		storm("reads lost", 0.3, tmcenvtest.LoseAnswer(), "get", "list"),
		storm("watches cut", 1, tmcenvtest.CutWatch(300*time.Millisecond), "watch"),
	}
}

// emptied is a restart that loses the data. It is over when the server is back.
func (c *chaos) emptied(name string) fault {
	return fault{"emptied", func(s chaosServer, _ *rand.Rand) error {
		if err := s.RestartEmpty(context.Background()); err != nil {
			return err
		}
		return c.replant(name)
	}, func(chaosServer) error { return nil }}
}

// befall lets faults befall all servers and the controller, until ctx ends;
// then it undoes what is left of them.
func (c *chaos) befall(ctx context.Context) {
	var all sync.WaitGroup
	for i, name := range chaosClusters {
		faults := append(faultsOfAll(), fault{"stopped", func(s chaosServer, _ *rand.Rand) error { return s.Stop(context.Background()) }, restart})
		if name != keeper {
			faults = append(faults, c.emptied(name))
		}
		all.Go(func() { c.befallServer(ctx, name, c.clusters[name], faults, dice(c.seed, uint64(100+i))) })
	}
	all.Go(func() { c.befallServer(ctx, "kcp", c.kcp, faultsOfAll(), dice(c.seed, 200)) })
	all.Go(func() { c.befallController(ctx, dice(c.seed, 300)) })
	all.Wait()
}

// befallServer draws one fault after the other, each once before any comes
// again.
func (c *chaos) befallServer(ctx context.Context, name string, s chaosServer, faults []fault, d *rand.Rand) {
	for {
		for _, i := range d.Perm(len(faults)) {
			f := faults[i]
			if !pause(ctx, time.Duration(300+d.IntN(2000))*time.Millisecond) {
				return
			}
			c.note("%s is %s", name, f.name)
			c.mu.Lock()
			c.faults++
			c.mu.Unlock()
			if !c.strike(ctx, name, s, f, d) {
				return
			}
		}
	}
}

// strike lets a fault befall a server for a while. It returns whether all went as it
// should.
func (c *chaos) strike(ctx context.Context, name string, s chaosServer, f fault, d *rand.Rand) bool {
	c.tended[name].Lock()
	defer c.tended[name].Unlock()
	err := f.do(s, d)
	pause(ctx, time.Duration(500+d.IntN(3500))*time.Millisecond)
	if !assert.NoError(c.t, err, "%s: %s", name, f.name) || !assert.NoError(c.t, f.undo(s), "%s after %s", name, f.name) {
		return false
	}
	c.note("%s is well", name)
	return true
}

// superviseAll starts again, until it is stopped, what ended by itself, as a kubelet
// would.
func (c *chaos) superviseAll() (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var all sync.WaitGroup
	all.Go(func() { c.supervise(ctx, "kcp", c.kcp) })
	for _, name := range chaosClusters {
		all.Go(func() { c.supervise(ctx, name, c.clusters[name]) })
	}
	return func() { cancel(); all.Wait() }
}

func (c *chaos) supervise(ctx context.Context, name string, s chaosServer) {
	for pause(ctx, time.Second) {
		c.tended[name].Lock()
		if ended := s.Ended(); ended != nil {
			c.t.Logf("%s ended by itself: %v", name, ended)
			c.note("%s ended by itself, and is started again", name)
			assert.NoError(c.t, s.Restart(context.Background()), "%s, which ended by itself", name)
		}
		c.tended[name].Unlock()
	}
}

// befallController stops the controller, or has it crash, and starts it anew.
func (c *chaos) befallController(ctx context.Context, d *rand.Rand) {
	for pause(ctx, time.Duration(5000+d.IntN(8000))*time.Millisecond) {
		crash := d.IntN(3) > 0
		c.note("the controller ends; it crashes: %v", crash)
		c.stopController(crash)
		pause(ctx, time.Duration(d.IntN(1500))*time.Millisecond)
		c.startController()
		c.note("the controller starts")
	}
}

// pause waits; false if the trouble is over.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (c *chaos) storms() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.log {
		if strings.Contains(line, "storm:") {
			n++
		}
	}
	return n
}

func (c *chaos) struck() string {
	parts := []string{fmt.Sprintf("kcp %d", c.kcp.Proxy().Struck())}
	for _, name := range chaosClusters {
		parts = append(parts, fmt.Sprintf("%s %d", name, c.clusters[name].Proxy().Struck()))
	}
	return strings.Join(parts, ", ")
}
