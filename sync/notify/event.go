package notify

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tmc-sdk/tmc/cluster"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
)

// Types of events. The set is closed.
const (
	// TypeDecided: a decision was recorded; its data is a Decision.
	TypeDecided = "dev.tmc-sdk.placement.decided.v1"
	// TypeMoved: work begins to leave a cluster; its data is a Decision.
	TypeMoved = "dev.tmc-sdk.placement.moved.v1"
	// TypeRefused: a Placement is not, or not all, placed; its data is a Decision.
	TypeRefused = "dev.tmc-sdk.placement.refused.v1"
	// TypeHealth: the health of an original changed; its data is a Health.
	TypeHealth = "dev.tmc-sdk.workload.health.v1"
	// TypeCluster: a cluster became ready, or ceased to be; its data is a Cluster.
	TypeCluster = "dev.tmc-sdk.cluster.health.v1"
)

// Event is a CloudEvent in its structured form.
type Event struct {
	// SpecVersion is 1.0.
	SpecVersion string `json:"specversion"`
	// ID is the event's own: one that arrives twice has the same.
	ID string `json:"id"`
	// Source is that of Options.
	Source string `json:"source"`
	// Type is one of the types of this package.
	Type string `json:"type"`
	// Subject says whom the event is about.
	Subject string `json:"subject"`
	// Time it happened.
	Time time.Time `json:"time"`
	// ContentType of the data is application/json.
	ContentType string `json:"datacontenttype"`
	// Data is a Decision, a Health or a Cluster.
	Data any `json:"data"`
}

// Decision is the data of what happens to a Placement.
type Decision struct {
	// Workspace is the name of the logical cluster.
	Workspace string `json:"workspace"`
	// Namespace of the Placement; empty for a ClusterPlacement.
	Namespace string `json:"namespace,omitempty"`
	// Name of the Placement.
	Name string `json:"name"`
	// Before and After are the clusters that work is to be on.
	Before []string `json:"before"`
	After  []string `json:"after"`
	// Leaving are clusters that work is on its way off.
	Leaving []string `json:"leaving,omitempty"`
	// Reason and Message are those of the condition Placed.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Health is the data of a change of an original's health.
type Health struct {
	// Workspace is the name of the logical cluster.
	Workspace string `json:"workspace"`
	// Kind, Namespace and Name of the original.
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Before and After are reasons of the condition Healthy.
	Before string `json:"before,omitempty"`
	After  string `json:"after"`
	// Message of the condition.
	Message string `json:"message,omitempty"`
}

// Cluster is the data of a change of a cluster's health.
type Cluster struct {
	// Name of the physical cluster.
	Name string `json:"name"`
	// Ready says whether it may get work.
	Ready bool `json:"ready"`
	// Reason and Message say why not.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Decided tells of a decision: pass it to placementcontroller.OnDecision.
func (n *Notifier) Decided(_ context.Context, d placementcontroller.Decided) {
	data := Decision{
		Workspace: string(d.Workspace), Namespace: d.Placement.Namespace, Name: d.Placement.Name,
		Before: clusters(d.Before, false), After: clusters(d.After, false), Leaving: clusters(d.After, true),
		Reason: d.Reason, Message: d.Message,
	}
	kind := TypeDecided
	switch {
	case !d.Placed:
		kind = TypeRefused
	case leaves(d.Before, d.After):
		kind = TypeMoved
	}
	n.put(kind, subject(data.Workspace, data.Namespace, data.Name), data)
}

// Health tells of the health of an original: pass it to syncer.OnHealth.
func (n *Notifier) Health(_ context.Context, c syncer.HealthChange) {
	data := Health{
		Workspace: string(c.Original.Workspace), Kind: c.Original.Kind.Kind, Namespace: c.Original.Namespace, Name: c.Original.Name,
		Before: c.Before, After: c.After, Message: c.Message,
	}
	n.put(TypeHealth, subject(data.Workspace, data.Namespace, data.Name), data)
}

// Cluster tells of a cluster that became ready, ceased to be, or left the fleet
// (now is nil). Other changes are nobody's news.
func (n *Notifier) Cluster(before, now *cluster.State) {
	switch {
	case now == nil && before == nil, now != nil && before != nil && before.Ready == now.Ready:
		return
	case now == nil:
		n.put(TypeCluster, before.Name, Cluster{Name: before.Name, Reason: "Removed", Message: "the cluster left the fleet"})
	case before == nil && !now.Ready:
		return // it is not known yet
	default:
		n.put(TypeCluster, now.Name, Cluster{Name: now.Name, Ready: now.Ready, Reason: now.Reason, Message: now.Message})
	}
}

func (n *Notifier) event(kind, subject string, data any) Event {
	return Event{
		SpecVersion: "1.0", ID: uuid.NewString(), Source: n.opts.Source, Type: kind, Subject: subject,
		Time: n.opts.Now().UTC(), ContentType: "application/json", Data: data,
	}
}

// clusters are those of targets that are leaving, or of those that are not.
func clusters(targets []v1alpha1.Target, leaving bool) []string {
	names := make([]string, 0, len(targets))
	for i := range targets {
		if targets[i].Leaving == leaving {
			names = append(names, targets[i].Cluster)
		}
	}
	return names
}

// leaves says whether a cluster that work was to be on is one no more.
func leaves(before, after []v1alpha1.Target) bool {
	stays := map[string]bool{}
	for _, name := range clusters(after, false) {
		stays[name] = true
	}
	for _, name := range clusters(before, false) {
		if !stays[name] {
			return true
		}
	}
	return false
}

func subject(parts ...string) string { return strings.ReplaceAll(strings.Join(parts, "/"), "//", "/") }
