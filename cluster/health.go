package cluster

import "time"

// ProbePolicy says how often clusters are probed and what the results mean.
type ProbePolicy struct {
	// Interval between probes of one cluster, give or take a tenth.
	Interval time.Duration
	// Timeout of one probe.
	Timeout time.Duration
	// FailureThreshold is the number of failures in a row that make a
	// reachable cluster unreachable.
	FailureThreshold int
	// SuccessThreshold is the number of successes in a row that make an
	// unreachable cluster reachable.
	SuccessThreshold int
}

// DefaultProbePolicy finds a lost cluster after some 30 seconds, and a
// returned one after some 20.
func DefaultProbePolicy() ProbePolicy {
	return ProbePolicy{Interval: 10 * time.Second, Timeout: 5 * time.Second, FailureThreshold: 3, SuccessThreshold: 2}
}

// orDefault replaces what makes no sense.
func (p ProbePolicy) orDefault() ProbePolicy {
	d := DefaultProbePolicy()
	if p.Interval <= 0 {
		p.Interval = d.Interval
	}
	if p.Timeout <= 0 {
		p.Timeout = d.Timeout
	}
	if p.FailureThreshold <= 0 {
		p.FailureThreshold = d.FailureThreshold
	}
	if p.SuccessThreshold <= 0 {
		p.SuccessThreshold = d.SuccessThreshold
	}
	return p
}

// health is what the probes of one cluster so far amount to. It is a value:
// next returns the one after another probe.
type health struct {
	// known says that probes have come to a conclusion.
	known bool
	// reachable is the conclusion.
	reachable bool
	// streak counts the latest results that speak against the conclusion.
	streak int
	// failingSince is when the first of the latest failures happened; zero
	// after a success.
	failingSince time.Time
	// since is when the cluster ceased to answer; zero while reachable.
	since time.Time
}

// resume is the health of a cluster that an earlier process left unreachable.
func resume(since time.Time) health {
	if since.IsZero() {
		return health{}
	}
	return health{known: true, since: since}
}

// next returns the health after another probe. The very first success is
// enough to make a cluster reachable that has no history.
func (h health) next(ok bool, now time.Time, p ProbePolicy) health {
	if ok {
		h.failingSince = time.Time{}
	} else if h.failingSince.IsZero() {
		h.failingSince = now
	}
	switch {
	case ok == h.reachable && h.known:
		h.streak = 0
		return h
	default:
		h.streak++
	}
	switch {
	case ok && (!h.known || h.streak >= p.SuccessThreshold):
		return health{known: true, reachable: true}
	case !ok && h.streak >= p.FailureThreshold:
		return health{known: true, since: h.failingSince, failingSince: h.failingSince}
	}
	return h
}
