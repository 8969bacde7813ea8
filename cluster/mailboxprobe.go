package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// newMailboxProbe returns the prober of a cluster in pull mode: it looks whether
// the agent renewed its Lease in the mailbox, and reads the report that goes with
// it. One prober is for one session: it remembers what it saw.
func newMailboxProbe(now func() time.Time) prober {
	var (
		pulse  mailbox.Pulse
		text   string
		report *mailbox.Report
		bad    error
	)
	return func(ctx context.Context, l *link) probeResult {
		begun := now()
		lease, err := readLease(ctx, l)
		r := probeResult{latency: now().Sub(begun)}
		if err != nil {
			// The mailbox does not answer: nothing is known of the agent, and
			// what was known of the cluster holds.
			pulse = pulse.Unread()
			r.unknown = fmt.Errorf("read Lease in the mailbox: %w", err)
			return r
		}
		var verdict mailbox.Verdict
		pulse, verdict = pulse.Next(lease, now())
		switch {
		case lease == nil:
			r.err = errors.New("no agent has joined: make a bootstrap token and start the agent with it")
			return r
		case verdict == mailbox.Silent:
			r.err = silent(pulse)
			return r
		case verdict == mailbox.Unknown:
			r.unknown = errors.New("the agent's Lease has not been seen to be renewed yet")
			return r
		}
		if said := lease.Annotations[mailbox.AnnotationReport]; said != text || report == nil && bad == nil {
			text = said
			report, bad = mailbox.Parse([]byte(said))
		}
		if bad != nil {
			r.identityErr = fmt.Errorf("look at the agent: %w", bad)
			return r
		}
		r.uid, r.report = report.UID, report
		return r
	}
}

// silent says since when, so that the text stays the same while it lasts.
func silent(p mailbox.Pulse) error {
	if p.Renewed.IsZero() {
		return errors.New("the agent does not renew its Lease: look at the agent in the cluster")
	}
	return fmt.Errorf("the agent has not renewed its Lease since %s: look at the agent in the cluster", p.Renewed.UTC().Format(time.RFC3339))
}

// readLease reads the agent's Lease; nil if there is none.
func readLease(ctx context.Context, l *link) (*coordinationv1.Lease, error) {
	const path = "/apis/coordination.k8s.io/v1/namespaces/" + mailbox.Namespace + "/leases/" + mailbox.Lease
	status, body, _, err := fetch(ctx, l, path, maxProbeBytes)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound && isStatus(body):
		return nil, nil
	case status != http.StatusOK:
		return nil, fmt.Errorf("GET %s: %s", path, statusText(status, body))
	}
	lease := &coordinationv1.Lease{}
	if err := json.Unmarshal(body, lease); err != nil {
		return nil, fmt.Errorf("decode Lease: %w", err)
	}
	return lease, nil
}

// isStatus says whether an answer is that of an API server about the Lease, and
// not that of a proxy, or of a server without the path.
func isStatus(body []byte) bool {
	var s struct {
		Kind    string `json:"kind"`
		Details struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"details"`
	}
	return json.Unmarshal(body, &s) == nil && s.Kind == "Status" && s.Details.Kind == "leases" && s.Details.Name == mailbox.Lease
}

// reportedLocked takes over what the agent says of its cluster.
func (f *Fleet) reportedLocked(m *member, r *mailbox.Report) {
	if m.facts.report == r {
		return
	}
	m.facts.report, m.facts.version = r, r.Kubernetes
	m.facts.apisTried, m.facts.capacityTried = true, true
	if set := apisOf(r); set != nil {
		m.facts.apis = f.apis.share(f.lookedFor(set))
	}
	c := capacity{nodes: r.Nodes}
	if r.Capacity != nil {
		c.known, c.moreSlots = true, r.Capacity.MoreSlots
		c.allocatable, c.allocated = ResourcesOf(r.Capacity.Allocatable), ResourcesOf(r.Capacity.Allocated)
		if at := r.Capacity.UsedAt; at != nil {
			c.inUse = inUse{amount: ResourcesOf(r.Capacity.Used), at: at.Time}
		}
		for _, slot := range r.Capacity.FreeSlots {
			c.slots = append(c.slots, ResourcesOf(slot))
		}
	}
	m.usage.setReported(c)
}

// lookedFor keeps of the APIs those that the fleet looks for.
func (f *Fleet) lookedFor(set *APISet) *APISet {
	if f.opts.wanted == nil {
		return set
	}
	var wanted []API
	for _, a := range set.List() {
		if f.opts.wanted[a.Kind] {
			wanted = append(wanted, a)
		}
	}
	return NewAPISet(wanted...)
}

// reportedProperties are those that a report may bring.
var reportedProperties = []string{
	PropertyVersion, PropertyOldestKubelet, PropertyProvider, PropertyRegion, PropertyZone, PropertyArchitecture, PropertyOS,
}
