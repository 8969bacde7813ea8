package placement

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Preemption says which Placements would have to leave which clusters for a
// request to be placed.
type Preemption struct {
	// Victims, by priority, the lowest first; empty if the request needs none.
	Victims []Victim
	// Decision on the request once they have left.
	Decision *Decision
}

// Victim is a Placement that would have to leave clusters.
type Victim struct {
	Workspace, Namespace, Name string
	// Priority of the Placement, lower than that of the request.
	Priority int32
	// Clusters to leave, by name.
	Clusters []string
}

// Preempt says who would have to leave for a request to be placed, of the given
// Placements: those of a lower priority, and of these the lowest priorities
// that do. Of the clusters where that makes room it takes those where it disturbs
// least: where the highest priority to leave is the lowest, then where the fewest
// Placements leave, then the fewest replicas. None of the victims could stay: with
// it, too, the request would not be placed where the decision has it. It changes nothing; what is done about
// it is the caller's. It returns nil where the request does not ask for it, or
// nothing that may leave makes room.
func (e *Engine) Preempt(ctx context.Context, r *Request, fleet *facts.Snapshot, placed []*Request) (*Preemption, error) {
	d, err := e.Place(ctx, r, fleet)
	if err != nil {
		return nil, err
	}
	if d.Reason == "" {
		return &Preemption{Decision: d}, nil
	}
	if d.request.Spec.PreemptionPolicy != v1alpha1.PreemptLowerPriority {
		return nil, nil
	}
	fleet = d.fleet // with what is reserved
	alone := *r
	alone.Reserved = nil
	claims := e.claims(&alone, placed)
	for end := 0; end < len(claims); {
		for priority := claims[end].priority; end < len(claims) && claims[end].priority == priority; {
			end++
		}
		if d, err = e.Place(ctx, &alone, without(fleet, claims[:end])); err != nil {
			return nil, err
		}
		if d.Reason == "" {
			if d, err = e.gentlest(ctx, &alone, fleet, d, claims[:end]); err != nil {
				return nil, err
			}
			return e.reprieve(ctx, &alone, fleet, d, claims[:end])
		}
	}
	return nil, nil
}

// claim is what a Placement has on a cluster.
type claim struct {
	of       *Request
	priority int32
	cluster  string
	amount   facts.Resources
	replicas int64
}

// claims returns what could leave for a request, the lowest priority first.
func (e *Engine) claims(r *Request, placed []*Request) []claim {
	priority := int32(0)
	if r.Spec != nil {
		priority = r.Spec.Priority
	}
	var list []claim
	for _, p := range placed {
		if p == nil || p.key() == r.key() {
			continue
		}
		p = p.prepare()
		if p.Spec.Priority >= priority {
			continue
		}
		d := demandOf(p, e.reserve)
		for i := range p.Current {
			if !p.Current[i].Leaving {
				list = append(list, claim{p, p.Spec.Priority, p.Current[i].Cluster, d.ownOn(p, i), d.replicasOn(p, i)})
			}
		}
	}
	slices.SortFunc(list, func(a, b claim) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), strings.Compare(a.of.key(), b.of.key()), strings.Compare(a.cluster, b.cluster))
	})
	return list
}

// reprieve lets those stay that can, the highest priority first.
func (e *Engine) reprieve(ctx context.Context, r *Request, fleet *facts.Snapshot, d *Decision, claims []claim) (*Preemption, error) {
	chosen := map[string]bool{}
	for i := range d.Targets {
		chosen[d.Targets[i].Cluster] = true
	}
	small := closed(fleet, func(name string) bool { return !chosen[name] })
	leave := slices.DeleteFunc(slices.Clone(claims), func(c claim) bool { return !chosen[c.cluster] })
	for i := range slices.Backward(leave) {
		rest := slices.Delete(slices.Clone(leave), i, i+1)
		found, err := e.Place(ctx, r, without(small, rest))
		if err != nil {
			return nil, err
		}
		if found.Reason == "" && len(found.Targets) == len(d.Targets) {
			leave = rest
		}
	}
	d, err := e.Place(ctx, r, without(small, leave))
	if err != nil {
		return nil, err
	}
	return &Preemption{Victims: victims(leave), Decision: d}, nil
}

// without returns the fleet as it is once claims have been given up.
func without(fleet *facts.Snapshot, claims []claim) *facts.Snapshot {
	freed := map[string]*facts.State{}
	for i := range claims {
		c := &claims[i]
		state := freed[c.cluster]
		if state == nil {
			known, ok := fleet.Lookup(c.cluster)
			if !ok {
				continue
			}
			state = new(*known)
			freed[c.cluster] = state
		}
		state.Allocated = state.Allocated.Sub(c.amount)
		state.FreeSlots, state.MoreSlots, state.NodeRoom = nil, true, nil // who leaves which node is not known
	}
	states := make([]*facts.State, 0, len(freed))
	for _, state := range freed {
		states = append(states, state)
	}
	return fleet.With(states...)
}

func victims(claims []claim) []Victim {
	var list []Victim
	for i := range claims {
		c := &claims[i]
		if last := len(list) - 1; i > 0 && claims[i-1].of == c.of {
			list[last].Clusters = append(list[last].Clusters, c.cluster)
			continue
		}
		list = append(list, Victim{c.of.Workspace, c.of.Namespace, c.of.Name, c.priority, []string{c.cluster}})
	}
	return list
}

// Explain says, for people, who would have to leave, and for what.
func (p *Preemption) Explain() string {
	var b strings.Builder
	r := p.Decision.request
	for i := range p.Victims {
		v := &p.Victims[i]
		fmt.Fprintf(&b, "%s (priority %d) leaves %s: %s (priority %d) finds no other room\n",
			join(v.Namespace, v.Name), v.Priority, strings.Join(v.Clusters, ", "), join(r.Namespace, r.Name), r.Spec.Priority)
	}
	return b.String()
}

// key tells the Placements of all workspaces apart.
func (r *Request) key() string { return r.Workspace + "\x00" + r.Namespace + "\x00" + r.Name }

func join(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}
