package syncer

import (
	"math/rand/v2"
	"slices"
	"time"

	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// sharing is how the workspaces are shared out among replicas that run at once.
type sharing struct {
	replicas int            // 0: one controller has all
	owners   map[string]int // which replica has a tenant
	shuffles int            // how often that changed

	holders   map[string]*process // who engaged a tenant last
	rivalries map[string]rivalry  // when two last held a tenant at once
}

// rivalry is when something was, in commits and by the clock.
type rivalry struct {
	commits int
	at      time.Time
}

// simShare is what a process is told to be its share, and what it goes by.
type simShare struct {
	replica  int
	told     []int // buckets, sorted
	buckets  []int
	shuffles int
	changed  func()
	lost     map[string]rivalry // when it was told that a tenant is not its own any more
}

var _ Share = (*process)(nil)

// vary chooses, by the seed, what is in a world besides: more than half
// of the worlds have nothing of it.
func (w *simWorld) vary(seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 0x76_61_72_79)) // of its own: plain worlds stay as they are
	if dice.IntN(4) == 0 {
		w.replicas = 2 + dice.IntN(2)
	}
	w.gated = dice.IntN(4) == 0
	w.createOnly = dice.IntN(4) == 0
	w.recreate = dice.IntN(4) == 0
}

// Buckets implements Share.
func (p *process) Buckets() []int { return p.buckets }

// Subscribe implements Share.
func (p *process) Subscribe(fn func()) func() {
	p.changed = fn
	return func() { p.changed = nil }
}

// join gives a process its first share.
func (p *process) join(replica int) {
	p.simShare = simShare{replica: replica, lost: map[string]rivalry{}, shuffles: p.world.shuffles}
	p.told = p.world.shareOf(replica)
	p.buckets = p.told
}

func (w *simWorld) shareOf(replica int) (buckets []int) {
	for _, tenant := range w.tenants {
		if w.owners[tenant.name] == replica {
			buckets = append(buckets, transform.BucketOf(tenant.name))
		}
	}
	slices.Sort(buckets)
	return slices.Compact(buckets)
}

// followShare takes in changes of the share, each after a while: for so long two
// replicas may take a workspace for their own, or none. The coordinator and the loop
// learn of it one after the other.
func (p *process) followShare() {
	s := p.world.scheduler
	for {
		s.park(func() bool { return p.shuffles != p.world.shuffles }, nil)
		s.pause(s.between(0, 8*time.Second))
		p.shuffles = p.world.shuffles
		before := p.told
		p.told = p.world.shareOf(p.replica)
		if slices.Equal(before, p.told) {
			continue
		}
		for _, tenant := range p.world.tenants {
			if contains(before, tenant.name) && !p.mine(tenant.name) {
				p.lost[tenant.name] = rivalry{p.world.commits, s.now}
			}
		}
		s.note("%s is told its share: %v", p.name, p.told)
		if p.world.sabotage.clinging {
			p.buckets = slices.Compact(slices.Sorted(slices.Values(slices.Concat(before, p.buckets, p.told))))
		} else {
			p.buckets = p.told
		}
		if s.chance(2) {
			p.coordinate()
			s.pause(s.between(0, 2*time.Second))
		}
		p.loop.shareChanged(p.ctx)
		s.park(nil, nil)
		p.coordinate()
	}
}

// coordinate engages what is of the share, and nothing else.
func (p *process) coordinate() {
	for _, tenant := range p.world.tenants {
		switch {
		case p.mine(tenant.name):
			p.takeUp(tenant)
		case p.holds(tenant.name) && !p.world.sabotage.clinging:
			p.disengage(tenant)
			p.show(tenant) // the provider knows it still
		}
	}
}

func contains(buckets []int, tenant string) bool {
	_, found := slices.BinarySearch(buckets, transform.BucketOf(tenant))
	return found
}

// mine says whether a tenant is of the share that the process was told.
func (p *process) mine(tenant string) bool {
	return p.world.replicas == 0 || contains(p.told, tenant)
}

// holds says whether the loop of a process has a tenant's workspace engaged.
func (p *process) holds(tenant string) bool {
	space, ok := p.spaces[multicluster.ClusterName(tenant)]
	return ok && space.leave != nil
}

// vacant returns the first replica that does not run; the first, if all do.
func (w *simWorld) vacant() int {
	for replica := range w.replicas {
		if !slices.ContainsFunc(w.alive(), func(p *process) bool { return p.replica == replica }) {
			return replica
		}
	}
	return 0
}

// vacancy says whether a controller does not run.
func (w *simWorld) vacancy() bool {
	if w.replicas == 0 {
		return len(w.alive()) == 0
	}
	for replica := range w.replicas {
		if !slices.ContainsFunc(w.processes, func(p *process) bool { return !p.dead && p.replica == replica }) {
			return true
		}
	}
	return false
}

// startAll runs a controller, or all replicas.
func (w *simWorld) startAll() {
	if w.replicas > 0 && w.shuffles == 0 {
		w.reassign(-1)
	}
	for w.vacancy() {
		w.start()
	}
}

// reduce ends, at the calm, controllers that there should be one of.
func (w *simWorld) reduce() {
	if w.replicas == 0 {
		for len(w.alive()) > 1 {
			w.alive()[0].die()
		}
		return
	}
	alive := w.alive()
	for i, p := range alive {
		if slices.ContainsFunc(alive[i+1:], func(o *process) bool { return o.replica == p.replica }) {
			p.die()
		}
	}
	w.resurrect()
}

// reassign gives the tenants of a replica, or all with -1, to any of the others.
func (w *simWorld) reassign(from int) {
	s := w.scheduler
	for _, tenant := range w.tenants {
		if owner, ok := w.owners[tenant.name]; from < 0 || ok && owner == from {
			w.owners[tenant.name] = s.dice.IntN(w.replicas)
		}
	}
	w.shuffles++
	s.note("shares: %v", w.owners)
}

// reshare is what happens to replicas: shares change over, a replica restarts while
// the one before it still runs.
func (w *simWorld) reshare() {
	s := w.scheduler
	if alive := w.alive(); len(alive) == w.replicas && s.chance(4) {
		old := pick(s, alive)
		w.startAs(old.replica)
		s.pause(s.between(0, 10*time.Second))
		old.die()
		return
	}
	w.reassign(-1)
}

// noteHolder takes note of who engages a tenant.
func (w *simWorld) noteHolder(tenant string, p *process) {
	w.holders[tenant] = p
	w.noteBelievers(tenant)
}

// noteBelievers takes note if more than one process holds a tenant now.
func (w *simWorld) noteBelievers(tenant string) {
	if w.believers(tenant) > 1 {
		w.rivalries[tenant] = rivalry{w.commits, w.scheduler.now}
	}
}

func (w *simWorld) believers(tenant string) (n int) {
	for _, p := range w.processes {
		if !p.dead && p.holds(tenant) {
			n++
		}
	}
	return n
}

// rivalsOver is checker.rivals where replicas share the work: another one had the
// tenant meanwhile, or what one did that had it no more is but a moment ago.
func (w *simWorld) rivalsOver(a *acting, tenant string) bool {
	if w.holders[tenant] != a.process {
		w.rivalries[tenant] = rivalry{w.commits, w.scheduler.now}
		return true
	}
	r, ok := w.rivalries[tenant]
	return w.believers(tenant) > 1 || ok && (a.since <= r.commits || w.scheduler.now.Sub(r.at) < mostLag)
}

// mostHold is how long a replica may go on with what it has just begun, or was about
// to, when it is told that a workspace is another's: its lanes are closed one by one.
const mostHold = 5 * time.Second

// ofShare: a replica touches nothing of a workspace that is another's (law 2).
func (c *checker) ofShare(a *acting, tenant string, commit apisim.Commit) {
	w, p := c.world, a.process
	if w.replicas == 0 {
		return
	}
	if w.holders[tenant] != p && !a.late {
		w.rivalries[tenant] = rivalry{w.commits, w.scheduler.now}
	}
	if a.late || p.mine(tenant) {
		return
	}
	lost, had := p.lost[tenant]
	if had && (a.since <= lost.commits || w.scheduler.now.Sub(lost.at) < mostHold) {
		return
	}
	c.violate(2, "%s: %s is of %s, which is another replica's", p.name, commit.Request, tenant)
}
