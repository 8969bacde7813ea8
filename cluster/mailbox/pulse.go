package mailbox

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// Verdict is what a Lease tells of its agent.
type Verdict int

const (
	// Unknown says that nothing can be concluded yet.
	Unknown Verdict = iota
	// Alive says that a renewal was seen within the lease's duration.
	Alive
	// Silent says that there is no lease, or none was seen to be renewed for longer.
	Silent
)

// Bounds of the duration that an agent may claim for its Lease: what it claims
// beyond counts as the bound. DefaultDuration is that of agents of this SDK.
const (
	DefaultDuration = time.Minute
	MinDuration     = time.Second
	MaxDuration     = 5 * time.Minute
)

// Pulse is what was seen of a Lease so far. It is a value: Next returns the one
// after another look. The zero Pulse has seen nothing.
//
// What counts is when a renewal was seen, by the clock of who looks, and not the
// time that the agent wrote: clocks differ. Only of the very first look the
// agent's time is taken, where it is plausible, so that a hub which restarts
// need not wait for a renewal of every cluster.
type Pulse struct {
	// Renewed is when the last renewal was seen; zero for never.
	Renewed time.Time

	seen   string
	since  time.Time // when looking for the next renewal began
	alive  bool
	unread bool
}

// Next takes in a look at the Lease at the given time; nil means that there is
// none.
func (p Pulse) Next(l *coordinationv1.Lease, now time.Time) (Pulse, Verdict) {
	unread := p.unread
	p.unread = false
	if l == nil || l.Spec.RenewTime == nil {
		p.alive, p.seen = false, ""
		return p, Silent
	}
	renewal, duration := renewalOf(l), durationOf(l)
	switch {
	case p.seen == "":
		p.seen, p.since = renewal, now
		if age := now.Sub(l.Spec.RenewTime.Time); age.Abs() < duration {
			p.Renewed, p.since, p.alive = now.Add(-max(0, age)), now.Add(-max(0, age)), true
		}
	case p.seen != renewal:
		p.seen, p.since, p.Renewed, p.alive = renewal, now, now, true
	case unread:
		p.since = now // what could not be seen must not count as not there
	}
	switch {
	case now.Sub(p.since) >= duration:
		p.alive = false
		return p, Silent
	case p.alive:
		return p, Alive
	}
	return p, Unknown
}

// Unread takes in that the mailbox could not be read: that no renewal was seen
// meanwhile tells nothing of the agent.
func (p Pulse) Unread() Pulse {
	p.unread = true
	return p
}

// renewalOf tells one renewal from the next.
func renewalOf(l *coordinationv1.Lease) string {
	holder := ""
	if l.Spec.HolderIdentity != nil {
		holder = *l.Spec.HolderIdentity
	}
	return string(l.UID) + "/" + holder + "/" + l.Spec.RenewTime.UTC().Format(time.RFC3339Nano)
}

func durationOf(l *coordinationv1.Lease) time.Duration {
	if l.Spec.LeaseDurationSeconds == nil {
		return DefaultDuration
	}
	claimed := time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
	return min(max(claimed, MinDuration), MaxDuration)
}
