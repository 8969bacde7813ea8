package cluster

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// session is the time that one set of credentials is used for one cluster. The
// fleet's lock guards conn.
type session struct {
	link    *link
	conn    *Connection
	refresh chan struct{}
	probe   prober
	// back beats when the cluster is reachable again.
	back pulse
	// cancel ends probing, stopReading ends reading; the latter is nil until
	// there is a connection.
	cancel, stopReading context.CancelFunc
}

// spread is how far apart the first probes of two clusters are on average, so
// that a controller which starts does not begin them all at once.
const spread = 2 * time.Millisecond

// connectLocked begins a new session, with what the registration says.
func (f *Fleet) connectLocked(m *member, t *tasks) {
	f.disconnectLocked(m)
	m.broken = nil
	if m.reg.Err != nil {
		return
	}
	l, err := newLink(m.reg.Config)
	if err != nil {
		m.broken = err
		return
	}
	s := &session{link: l, refresh: make(chan struct{}, 1), probe: f.opts.probe}
	if m.reg.Pull {
		s.probe = newMailboxProbe(time.Now)
	}
	m.session = s
	delay := time.Duration(rand.Int64N(int64(spread) * int64(len(f.members))))
	s.cancel = t.spawn(func(ctx context.Context) {
		ctx = log.IntoContext(ctx, log.FromContext(ctx).WithValues("physicalCluster", m.name))
		sleep(ctx, delay)
		f.keepProbing(ctx, m, s, t)
	})
}

// disconnectLocked ends the session, if there is one.
func (f *Fleet) disconnectLocked(m *member) {
	s := m.session
	if s == nil {
		return
	}
	m.session = nil
	s.cancel()
	if s.conn != nil {
		s.stopReading()
		close(s.conn.done)
	}
	// Closing sockets takes no lock of ours and does not wait for the peer.
	go s.link.hangUp()
}

// keepProbing probes the cluster until the session ends. Each cluster is
// probed by a goroutine of its own: one that does not answer costs nobody else
// anything.
func (f *Fleet) keepProbing(ctx context.Context, m *member, s *session, t *tasks) {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, f.opts.policy.Timeout)
		r := s.probe(attempt, s.link)
		cancel()
		if ctx.Err() != nil {
			return
		}
		f.observe(ctx, m, s, r, t)
		sleep(ctx, jitter(f.opts.policy.Interval))
	}
}

// observe draws the conclusions from one probe.
func (f *Fleet) observe(ctx context.Context, m *member, s *session, r probeResult, t *tasks) {
	logger := log.FromContext(ctx)
	f.metrics.probed(m.name, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.session != s {
		return
	}
	if m.unread = r.unknown; m.unread != nil {
		f.publishLocked(m, false, false)
		return
	}
	was := m.health
	m.health = was.next(r.err == nil, time.Now(), f.opts.policy)
	if !r.certificateExpiry.IsZero() {
		m.certificateExpiry = r.certificateExpiry
	}
	if m.lastErr = r.err; r.err == nil {
		m.facts.denied, m.facts.identityErr = r.denied, r.identityErr
	}
	if was.reachable && !m.health.reachable {
		logger.Info("physical cluster is unreachable", "since", m.health.since, "error", r.err)
		// What hangs on connections that are dead should find out.
		go s.link.hangUp()
	}
	reconnected := false
	if r.err == nil && r.uid != "" {
		reconnected = f.identifiedLocked(logger, m, s, r, t)
	}
	if r.report != nil && m.session == s {
		f.reportedLocked(m, r.report)
	}
	if !was.reachable && m.health.reachable && was.known {
		logger.Info("physical cluster is reachable again")
		s.back.beat()
		select {
		case s.refresh <- struct{}{}:
		default:
		}
	}
	f.publishLocked(m, reconnected, reconnected)
}

// identifiedLocked notes who answered. If it is another cluster than before, or
// the cluster of an earlier time, nothing that was known holds any longer, and a
// new session begins; else the session gets its connection. It says whether the
// connection changed.
func (f *Fleet) identifiedLocked(logger logr.Logger, m *member, s *session, r probeResult, t *tasks) bool {
	known, found := m.facts.uid, r.uid
	if known == "" {
		known = m.reg.LastUID
	}
	if known != "" && known != found {
		logger.Info("another physical cluster answers under this name", "was", known, "is", found)
		f.metrics.identityChanges.WithLabelValues(m.name).Inc()
	}
	wentBack := r.revision != 0 && r.revision < m.facts.revision && m.facts.uid == found
	if wentBack {
		// Its storage was restored. Watches that go on from a revision of
		// before would show nothing until the cluster has counted up to it.
		logger.Info("physical cluster went back in time: all of it is read anew", "was", m.facts.revision, "is", r.revision)
		f.metrics.restores.WithLabelValues(m.name).Inc()
	}
	if m.facts.uid != "" && m.facts.uid != found || wentBack {
		had := m.connected()
		f.setIdentityLocked(m, found)
		m.facts = findings{uid: found, revision: r.revision}
		m.usage = newUsage()
		m.found, m.properties = nil, nil
		f.connectLocked(m, t)
		return had
	}
	f.setIdentityLocked(m, found)
	m.facts.revision = max(m.facts.revision, r.revision)
	if s.conn != nil {
		return false
	}
	s.conn = &Connection{Name: m.name, UID: found, Config: s.link.config, HTTPClient: s.link.client, done: make(chan struct{})}
	reads := &readings{fleet: f, member: m, session: s, usage: m.usage, wanted: f.opts.wanted}
	if s.stopReading = func() {}; !m.reg.Pull {
		s.stopReading = t.spawn(func(ctx context.Context) { f.opts.read(ctx, reads) })
	}
	return true
}
