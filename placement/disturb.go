package placement

import (
	"cmp"
	"context"
	"slices"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

// disturbance is who would have to leave a cluster for it to take the least that
// it could get of a request.
type disturbance struct {
	// priority is the highest of those who leave.
	priority int32
	claims   int
	replicas int64
}

func (d disturbance) compare(o disturbance) int {
	return cmp.Or(cmp.Compare(d.priority, o.priority), cmp.Compare(d.claims, o.claims), cmp.Compare(d.replicas, o.replicas))
}

// gentlest returns a decision over those clusters alone that are disturbed least,
// as many as are needed; d is that over all of them. That more clusters make no
// request impossible is what lets it search by halves.
func (e *Engine) gentlest(ctx context.Context, r *Request, fleet *facts.Snapshot, d *Decision, claims []claim) (*Decision, error) {
	disturbed, never := e.disturbances(r, fleet, claims)
	costs := make([]disturbance, 0, len(disturbed))
	for _, cost := range disturbed {
		costs = append(costs, cost)
	}
	slices.SortFunc(costs, disturbance.compare)
	costs = slices.CompactFunc(costs, func(a, b disturbance) bool { return a.compare(b) == 0 })
	low, high := 0, len(costs)-1 // with all up to the last there is room
	for low < high {
		most := (low + high) / 2
		found, err := e.Place(ctx, r, without(closed(fleet, func(name string) bool {
			cost, ok := disturbed[name]
			return never[name] || ok && cost.compare(costs[most]) > 0
		}), claims))
		if err != nil {
			return nil, err
		}
		if found.Reason == "" {
			high, d = most, found
		} else {
			low = most + 1
		}
	}
	return d, nil
}

// disturbances returns, by cluster, who would have to leave it, the lowest priority
// first; and the clusters that have no room even so.
func (e *Engine) disturbances(r *Request, fleet *facts.Snapshot, claims []claim) (disturbed map[string]disturbance, never map[string]bool) {
	r = r.prepare()
	need := demandOf(r, e.reserve)
	disturbed, never = map[string]disturbance{}, map[string]bool{}
	states := map[string]*facts.State{}
	for i := range claims {
		c := &claims[i]
		state := states[c.cluster]
		if state == nil {
			known, ok := fleet.Lookup(c.cluster)
			if !ok {
				continue
			}
			state = new(*known)
			states[c.cluster], never[c.cluster] = state, !need.fits(r, state)
			disturbed[c.cluster] = disturbance{}
		}
		if !never[c.cluster] {
			continue
		}
		state.Allocated = state.Allocated.Sub(c.amount)
		never[c.cluster] = !need.fits(r, state)
		so := disturbed[c.cluster]
		disturbed[c.cluster] = disturbance{c.priority, so.claims + 1, so.replicas + c.replicas} // sorted: the last is the highest
	}
	return disturbed, never
}

// closed returns the fleet with some clusters that take no new work. They stay in
// it: what is near them is not less near.
func closed(fleet *facts.Snapshot, is func(cluster string) bool) *facts.Snapshot {
	var states []*facts.State
	for state := range fleet.All() {
		if is(state.Name) && !state.Unschedulable {
			cordoned := *state
			cordoned.Unschedulable = true
			states = append(states, &cordoned)
		}
	}
	return fleet.With(states...)
}
