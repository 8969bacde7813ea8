package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// member is one name in the fleet. The fleet's lock guards it.
type member struct {
	name string
	// offers are the registrations of this name by source; reg is the one of
	// the first source, which counts.
	offers map[int]Registration
	reg    Registration
	source int

	session *session
	// broken is why there is no session though the source gave a config.
	broken error

	health  health
	lastErr error
	// unread is why the mailbox of a cluster in pull mode tells nothing now.
	unread        error
	facts         findings
	usage         *usage
	drainingSince time.Time
	// certificateExpiry of the API server, as of the last probe.
	certificateExpiry time.Time
	// duplicateOf names the registration that the same cluster has already.
	duplicateOf string
	// collected is what found was made of; properties are found and, above
	// them, declared. The maps are shared by states, and never changed.
	collected                   collected
	found, declared, properties map[string]Property
	// lost fires when the grace period of an unreachable cluster ends.
	lost *time.Timer

	state *State
}

// findings are what was read from a cluster. They go when its identity changes.
type findings struct {
	uid types.UID
	// revision of the cluster's storage, as of the last probe that knew it.
	revision    uint64
	identityErr error
	denied      error
	version     string
	apis        *APISet
	// apisTried and capacityTried say that reading was tried, in vain or not.
	apisTried, capacityTried bool
	// report of the agent, in pull mode.
	report *mailbox.Report
}

func (m *member) connected() bool { return m.session != nil && m.session.conn != nil }

// settled says that nothing is about to be learned of the cluster.
func (m *member) settled() bool {
	switch {
	case m.reg.Err != nil || m.broken != nil:
		return true
	case !m.health.known:
		return false
	case !m.health.reachable || m.facts.denied != nil || m.facts.uid == "":
		return true
	}
	return m.facts.apisTried && m.facts.capacityTried
}

// choose makes the registration of the first source the one that counts. It
// says whether there is any, and whether the cluster must be connected to
// anew.
func (m *member) choose() (ok, reconnect bool) {
	if len(m.offers) == 0 {
		return false, false
	}
	first := slices.Min(slices.Collect(maps.Keys(m.offers)))
	old, had := m.reg, m.state != nil
	m.reg, m.source = m.offers[first], first
	m.declare()
	reconnect = !had || old.Pull != m.reg.Pull || (old.Err == nil) != (m.reg.Err == nil) || !reflect.DeepEqual(old.Config, m.reg.Config)
	return true, reconnect
}

// verdict says whether the cluster can run work, and if not, why.
func (m *member) verdict(c *capacity) (ready bool, reason, message string) {
	switch {
	case m.reg.Err != nil:
		return false, ReasonInvalidRegistration, m.reg.Err.Error()
	case m.broken != nil:
		return false, ReasonInvalidRegistration, m.broken.Error()
	case !m.health.known:
		return false, ReasonConnecting, orElse(cmp.Or(m.lastErr, m.unread), "the cluster has not answered yet")
	case !m.health.reachable:
		return false, ReasonUnreachable, orElse(m.lastErr, "the cluster does not answer")
	case m.facts.denied != nil:
		return false, ReasonUnauthorized, "renew the credentials: " + describe(m.facts.denied)
	case m.facts.uid == "":
		return false, ReasonIdentityUnknown, orElse(m.facts.identityErr, "the identity of the cluster has not been read yet")
	case m.duplicateOf != "":
		return false, ReasonDuplicate, fmt.Sprintf("remove one of two registrations: %q is the same cluster (%s)", m.duplicateOf, m.facts.uid)
	case !m.facts.apisTried || !m.facts.capacityTried:
		return false, ReasonReading, "capacity and served APIs are being read"
	case m.facts.report != nil && !m.facts.report.Ready:
		return false, ReasonAgentReports, "the agent says: " + m.facts.report.Reason + ": " + m.facts.report.Message
	case c.noneReady():
		return false, ReasonNoReadyNodes, "the API server answers, but none of the cluster's nodes is ready"
	}
	return true, "", ""
}

func orElse(err error, text string) string {
	if err != nil {
		return describe(err)
	}
	return text
}

// assemble returns what is known of the cluster.
func (m *member) assemble(now time.Time, grace time.Duration) *State {
	c := m.usage.capacity()
	st := &State{
		Name: m.name, UID: m.facts.uid,
		Labels: maps.Clone(m.reg.Labels),
		Region: m.reg.Region, Zone: m.reg.Zone, Provider: m.reg.Provider,
		Unschedulable:    m.reg.Unschedulable || m.reg.Drain,
		Draining:         m.reg.Drain,
		Pull:             m.reg.Pull,
		Reachable:        m.health.reachable,
		UnreachableSince: m.health.since,
		Version:          m.facts.version,
		Nodes:            c.nodes,
		Allocatable:      c.allocatable,
		Allocated:        c.allocated,
		Used:             c.inUse.amount,
		UsedAt:           c.inUse.at,
		CapacityKnown:    c.known,
		FreeSlots:        c.slots,
		MoreSlots:        c.moreSlots,
		NodeRoom:         c.rooms,
		Pods:             c.lots,
		APIs:             m.facts.apis,
	}
	if st.UID == "" {
		st.UID = m.reg.LastUID
	}
	m.collectLocked(&c, now)
	if len(m.properties) > 0 {
		st.Properties = m.properties
	}
	st.Taints = taintsInForce(&m.reg, m.health.since, m.drainingSince, now, grace)
	st.Ready, st.Reason, st.Message = m.verdict(&c)
	st.Concerns = m.concerns(&c, now)
	return st
}

// sameState says whether readers could tell one state from the other.
func sameState(a, b *State) bool {
	return a.Name == b.Name && a.UID == b.UID &&
		a.Region == b.Region && a.Zone == b.Zone && a.Provider == b.Provider &&
		a.Unschedulable == b.Unschedulable && a.Draining == b.Draining && a.Pull == b.Pull &&
		a.Ready == b.Ready && a.Reachable == b.Reachable && a.UnreachableSince.Equal(b.UnreachableSince) &&
		a.Reason == b.Reason && a.Message == b.Message &&
		a.Version == b.Version && a.Nodes == b.Nodes && a.CapacityKnown == b.CapacityKnown && a.APIs == b.APIs &&
		equalResources(&a.Allocatable, &b.Allocatable) && equalResources(&a.Allocated, &b.Allocated) &&
		equalResources(&a.Used, &b.Used) && a.UsedAt.Equal(b.UsedAt) &&
		a.MoreSlots == b.MoreSlots && slices.EqualFunc(a.FreeSlots, b.FreeSlots, func(x, y Resources) bool { return equalResources(&x, &y) }) &&
		slices.EqualFunc(a.NodeRoom, b.NodeRoom, sameLot) && slices.EqualFunc(a.Pods, b.Pods, sameLot) &&
		maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Properties, b.Properties) &&
		slices.EqualFunc(a.Taints, b.Taints, facts.SameTaint) && slices.Equal(a.Concerns, b.Concerns)
}

// before says which of two registrations of one cluster counts: the one whose
// identity was read and not reported, for an agent may lie; of two that were
// reported, the one that was known by it before; that of the first source, the
// older one, the one whose name comes first.
func (m *member) before(o *member) bool {
	if m.reg.Pull != o.reg.Pull {
		return o.reg.Pull
	}
	if known, other := m.reg.LastUID == m.facts.uid, o.reg.LastUID == o.facts.uid; m.reg.Pull && known != other {
		return known
	}
	if m.source != o.source {
		return m.source < o.source
	}
	if !m.reg.CreatedAt.Equal(o.reg.CreatedAt) {
		return m.reg.CreatedAt.Before(o.reg.CreatedAt)
	}
	return strings.Compare(m.name, o.name) < 0
}
