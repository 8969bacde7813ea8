package plan

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
)

// Request is what might be in a workspace.
type Request struct {
	// Workspace is the name, never the path, of the logical cluster.
	Workspace multicluster.ClusterName `json:"workspace"`
	// Objects that are new, or take the place of those of the same kind, namespace
	// and name: originals, Placements and ClusterPlacements, each with apiVersion
	// and kind.
	Objects []*unstructured.Unstructured `json:"objects"`
}

// Answer is what would be done.
type Answer struct {
	// Decisions that were asked about; none for what would be done now.
	Decisions []Decision `json:"decisions,omitempty"`
	// Changes of copies, by cluster and original.
	Changes []Change `json:"changes"`
	// Refused are the copies that can't be made or changed.
	Refused []Refused `json:"refused,omitempty"`
	// Unknown counts copies of workspaces that can't be seen: they would stay.
	Unknown int `json:"unknown,omitempty"`
}

// Decision is how one decision would be.
type Decision struct {
	Workspace string `json:"workspace"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Before and After are the targets; those that work is leaving are marked.
	Before []v1alpha1.Target `json:"before,omitempty"`
	After  []v1alpha1.Target `json:"after,omitempty"`
	// Reason and Message of the condition Placed.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Changed says whether other clusters, or other shares, are named than before.
	Changed bool `json:"changed"`
}

// Original of a copy.
type Original struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Workspace string `json:"workspace"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// Change is one write or deletion of a copy.
type Change struct {
	// Action is created, configured or deleted.
	Action syncer.Action `json:"action"`
	// Cause of it.
	Cause    syncer.Cause `json:"cause"`
	Cluster  string       `json:"cluster"`
	Original Original     `json:"original"`
	// Copy is where it stands, as namespace/name.
	Copy string `json:"copy"`
	// Fields that would change. Values of Secrets are hidden.
	Fields []Field `json:"fields,omitempty"`
	// Waits says what it would wait for; empty for nothing.
	Waits string `json:"waits,omitempty"`
}

// Field is one that would change.
type Field struct {
	// Path for people: spec.containers[main].image.
	Path string `json:"path"`
	// Was and Becomes are JSON, cut short; empty for none.
	Was     string `json:"was,omitempty"`
	Becomes string `json:"becomes,omitempty"`
}

// String returns the field as a line of a diff.
func (f Field) String() string {
	return syncer.Difference{Path: f.Path, Was: f.Was, Becomes: f.Becomes}.String()
}

// Refused is a copy that can't be made or changed.
type Refused struct {
	Original Original `json:"original"`
	Cluster  string   `json:"cluster"`
	// Reason in CamelCase, and what to do.
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Empty says whether nothing would be done, decided or refused.
func (a *Answer) Empty() bool {
	for _, d := range a.Decisions {
		if d.Changed {
			return false
		}
	}
	return len(a.Changes)+len(a.Refused) == 0
}

// add takes over what the loop says.
func (a *Answer) add(p *syncer.Plan) {
	a.Unknown, a.Changes = p.Unknown, make([]Change, 0, len(p.Steps))
	for _, s := range p.Steps {
		c := Change{
			Action: s.Action, Cause: s.Cause, Cluster: s.Cluster, Original: originalOf(s.Original), Copy: s.Copy.Name, Waits: s.Waits,
		}
		if s.Copy.Namespace != "" {
			c.Copy = s.Copy.String()
		}
		for _, d := range s.Differences {
			c.Fields = append(c.Fields, Field{Path: d.Path, Was: d.Was, Becomes: d.Becomes})
		}
		a.Changes = append(a.Changes, c)
	}
	for _, r := range p.Refused {
		a.Refused = append(a.Refused, Refused{Original: originalOf(r.Original), Cluster: r.Cluster, Reason: r.Reason, Message: r.Message})
	}
}

func originalOf(k syncer.Key) Original {
	return Original{Group: k.Kind.Group, Version: k.Kind.Version, Kind: k.Kind.Kind, Workspace: string(k.Workspace), Namespace: k.Namespace, Name: k.Name}
}

// decide takes over what the placement controller says; it returns the Placements
// with the decisions that would follow.
func (a *Answer) decide(workspace multicluster.ClusterName, list []placementcontroller.Foreseen) []*v1alpha1.Placement {
	placements := make([]*v1alpha1.Placement, 0, len(list))
	for _, f := range list {
		d := Decision{Workspace: string(workspace), Namespace: f.After.Namespace, Name: f.After.Name, After: f.After.Status.Targets}
		if f.Before != nil {
			d.Before = f.Before.Status.Targets
		}
		for _, c := range f.After.Status.Conditions {
			if c.Type == v1alpha1.ConditionPlaced {
				d.Reason, d.Message = c.Reason, c.Message
			}
		}
		d.Changed = !sameTargets(d.Before, d.After)
		a.Decisions = append(a.Decisions, d)
		placements = append(placements, f.After)
	}
	return placements
}

// sameTargets ignores scores and times.
func sameTargets(a, b []v1alpha1.Target) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		one, other := a[i].Share, b[i].Share
		if a[i].Cluster != b[i].Cluster || a[i].Leaving != b[i].Leaving || (one == nil) != (other == nil) || one != nil && *one != *other {
			return false
		}
	}
	return true
}
