package cluster

import (
	"time"
)

// set registers a cluster for a source.
func (f *Fleet) set(source int, reg Registration, t *tasks) {
	if reg.Name == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.members[reg.Name]
	if !ok {
		m = &member{name: reg.Name, offers: map[int]Registration{}, usage: newUsage(), health: resume(reg.UnreachableSince)}
		f.members[reg.Name] = m
	}
	m.offers[source] = reg
	f.adoptLocked(m, t)
}

// remove withdraws a source's registration; the cluster leaves the fleet if no
// other source has it.
func (f *Fleet) remove(source int, name string, t *tasks) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.members[name]
	if !ok {
		return
	}
	delete(m.offers, source)
	f.adoptLocked(m, t)
}

// adoptLocked acts on changed registrations of one name.
func (f *Fleet) adoptLocked(m *member, t *tasks) {
	oldGeneration := m.reg.generation
	ok, reconnect := m.choose()
	if !ok {
		f.dropLocked(m)
		return
	}
	switch {
	case !m.reg.Drain:
		m.drainingSince = time.Time{}
	case m.drainingSince.IsZero():
		m.drainingSince = time.Now().Truncate(time.Second)
	}
	had := m.connected()
	if reconnect {
		f.connectLocked(m, t)
	}
	f.publishLocked(m, (had && !m.connected()) || m.reg.generation != oldGeneration, had && !m.connected())
}

// dropLocked takes a cluster out of the fleet.
func (f *Fleet) dropLocked(m *member) {
	f.disconnectLocked(m)
	f.setIdentityLocked(m, "")
	if m.lost != nil {
		m.lost.Stop()
	}
	delete(f.members, m.name)
	f.metrics.forget(m.name)
	if m.state != nil {
		f.snapshot.Store(f.snapshot.Load().Without(m.name))
		f.notify.push(Change{Old: m.state, Reconnected: true})
	}
	f.checkSyncLocked()
}

// publishLocked makes public what is known of a cluster, if it differs from
// what is public, or if force is set.
func (f *Fleet) publishLocked(m *member, force, reconnected bool) {
	if f.members[m.name] != m {
		return
	}
	now := time.Now()
	st := m.assemble(now, f.opts.grace)
	f.armGraceLocked(m, now)
	old := m.state
	if old != nil && sameState(old, st) {
		if !force {
			f.checkSyncLocked()
			return
		}
		st = old
	} else {
		m.state = st
		f.snapshot.Store(f.snapshot.Load().With(st))
		f.metrics.publications.Inc()
	}
	f.notify.push(Change{Old: old, New: st, Reconnected: reconnected})
	f.checkSyncLocked()
}

// armGraceLocked sees to it that the cluster is published again when its grace
// period ends.
func (f *Fleet) armGraceLocked(m *member, now time.Time) {
	if m.lost != nil {
		m.lost.Stop()
		m.lost = nil
	}
	if m.health.since.IsZero() {
		return
	}
	if left := m.health.since.Add(f.opts.grace).Sub(now); left > 0 {
		m.lost = time.AfterFunc(left, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.publishLocked(m, false, false)
		})
	}
}
