package cluster

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
)

// ReportOf returns the report of a cluster by its state in the agent's own
// fleet. Properties that were declared there are left out: what a platform
// declares, it declares at the hub.
func ReportOf(s *State) *mailbox.Report {
	r := &mailbox.Report{
		Version: mailbox.Version, UID: s.UID, Kubernetes: s.Version,
		Ready: s.Ready, Reason: s.Reason, Message: mailbox.Clip(s.Message), Nodes: s.Nodes,
	}
	if s.CapacityKnown {
		c := &mailbox.Capacity{Allocatable: s.Allocatable.List(), Allocated: s.Allocated.List(), MoreSlots: s.MoreSlots || len(s.FreeSlots) > mailbox.MaxSlots}
		c.Used, c.UsedAt = usedOf(s)
		for i := range s.FreeSlots {
			if c.MoreSlots {
				break
			}
			c.FreeSlots = append(c.FreeSlots, s.FreeSlots[i].List())
		}
		r.Capacity = c
	}
	if s.APIs != nil {
		r.APIs = []mailbox.API{}
		for _, a := range s.APIs.List() {
			if len(r.APIs) < mailbox.MaxAPIs {
				r.APIs = append(r.APIs, mailbox.API{Group: a.Kind.Group, Version: a.Kind.Version, Kind: a.Kind.Kind, Resource: a.Resource.Resource})
			}
		}
	}
	for _, c := range s.Concerns {
		if len(r.Concerns) < mailbox.MaxConcerns {
			r.Concerns = append(r.Concerns, mailbox.Concern{Reason: c.Reason, Message: mailbox.Clip(c.Message)})
		}
	}
	for name, p := range s.Properties {
		if p.ObservedAt.IsZero() || len(r.Properties) == mailbox.MaxProperties {
			continue
		}
		if r.Properties == nil {
			r.Properties = map[string]string{}
		}
		r.Properties[name] = p.Text
	}
	return r
}

// apisOf returns the APIs that a report names; nil where it knows none.
func apisOf(r *mailbox.Report) *APISet {
	if r.APIs == nil {
		return nil
	}
	apis := make([]API, 0, len(r.APIs))
	for _, a := range r.APIs {
		gv := schema.GroupVersion{Group: a.Group, Version: a.Version}
		apis = append(apis, API{Kind: gv.WithKind(a.Kind), Resource: gv.WithResource(a.Resource)})
	}
	return NewAPISet(apis...)
}
