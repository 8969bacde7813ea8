package placement

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Overlay returns the fleet with some more counted as used on its clusters. It
// shares what does not change with the fleet.
func Overlay(fleet *facts.Snapshot, used map[string]facts.Resources) *facts.Snapshot {
	if len(used) == 0 || fleet == nil {
		return fleet
	}
	states := make([]*facts.State, 0, len(used))
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if state, ok := fleet.Lookup(name); ok {
			states = append(states, overlaid(state, used[name]))
		}
	}
	return fleet.With(states...)
}

func overlaid(state *facts.State, used facts.Resources) *facts.State {
	with := *state
	with.Allocated = plus(state.Allocated, used)
	return &with
}

// Reservations are what was decided and is not yet visible in what clusters
// report: it counts as used until it is seen, or expires, so that a burst of
// decisions does not pile onto one cluster. It knows no clock: every method is
// told the time. It is not safe for concurrent use.
type Reservations struct {
	byOwner map[string]map[string]reservation // owner, then cluster
	sums    map[string]facts.Resources
	expires time.Time // when the first of them does; zero if there are none

	// the last fleet that was overlaid, what was made of it, and which
	// clusters have changed since.
	fleet, over *facts.Snapshot
	changed     map[string]bool
}

type reservation struct {
	amount  facts.Resources
	expires time.Time
}

// NewReservations returns an empty ledger.
func NewReservations() *Reservations {
	return &Reservations{byOwner: map[string]map[string]reservation{}, sums: map[string]facts.Resources{}, changed: map[string]bool{}}
}

// Reserve counts, for an owner, what a decision needs more than before as used,
// until it expires. It replaces what the owner had reserved on the clusters
// that it names.
func (v *Reservations) Reserve(owner string, amounts map[string]facts.Resources, expires time.Time) {
	for name, amount := range amounts {
		v.drop(owner, name)
		if isNothing(&amount) {
			continue
		}
		if v.byOwner[owner] == nil {
			v.byOwner[owner] = map[string]reservation{}
		}
		v.byOwner[owner][name] = reservation{amount, expires}
		v.sums[name] = plus(v.sums[name], amount)
		v.changed[name] = true
		if v.expires.IsZero() || expires.Before(v.expires) {
			v.expires = expires
		}
	}
}

// Release ends the reservations of an owner on some clusters, or with none
// named on all: what was decided has become visible there, or is off.
func (v *Reservations) Release(owner string, clusters ...string) {
	if len(clusters) == 0 {
		clusters = slices.Collect(maps.Keys(v.byOwner[owner]))
	}
	for _, name := range clusters {
		v.drop(owner, name)
	}
}

// Expire ends the reservations whose time has come, and returns when the next
// one's does; zero if there is none left.
func (v *Reservations) Expire(now time.Time) (next time.Time) {
	if v.expires.IsZero() || now.Before(v.expires) {
		return v.expires
	}
	v.expires = time.Time{}
	for owner, clusters := range v.byOwner {
		for name, r := range clusters {
			switch {
			case !now.Before(r.expires):
				v.drop(owner, name)
			case v.expires.IsZero() || r.expires.Before(v.expires):
				v.expires = r.expires
			}
		}
	}
	return v.expires
}

func (v *Reservations) drop(owner, name string) {
	r, ok := v.byOwner[owner][name]
	if !ok {
		return
	}
	delete(v.byOwner[owner], name)
	if len(v.byOwner[owner]) == 0 {
		delete(v.byOwner, owner)
	}
	left := v.sums[name].Sub(r.amount)
	if isNothing(&left) || allZero(left) {
		delete(v.sums, name)
	} else {
		v.sums[name] = left
	}
	v.changed[name] = true
}

func allZero(r facts.Resources) bool {
	for _, n := range r.Extended {
		if n > 0 {
			return false
		}
	}
	return r.MilliCPU <= 0 && r.Memory <= 0 && r.EphemeralStorage <= 0 && r.Pods <= 0
}

// Reserved returns what is reserved by cluster, for Request.Reserved. The
// caller owns the map.
func (v *Reservations) Reserved() map[string]facts.Resources { return maps.Clone(v.sums) }

// Len returns the number of owners with reservations.
func (v *Reservations) Len() int { return len(v.byOwner) }

// Fleet returns the fleet with what is reserved counted as used: with it a
// Request needs no Reserved. It is kept: for the fleet of the last call only
// what changed since is made anew.
func (v *Reservations) Fleet(fleet *facts.Snapshot) *facts.Snapshot {
	if fleet != v.fleet || v.over == nil {
		v.fleet, v.over = fleet, Overlay(fleet, v.sums)
		clear(v.changed)
		return v.over
	}
	if len(v.changed) == 0 {
		return v.over
	}
	states := make([]*facts.State, 0, len(v.changed))
	for name := range v.changed {
		if state, ok := fleet.Lookup(name); ok {
			states = append(states, overlaid(state, v.sums[name]))
		}
	}
	slices.SortFunc(states, func(a, b *facts.State) int { return cmp.Compare(a.Name, b.Name) })
	v.over = v.over.With(states...)
	clear(v.changed)
	return v.over
}

// Needs returns what the targets of a decision need by cluster more than what
// the request's current targets hold: what to reserve when it is recorded.
func (d *Decision) Needs() map[string]facts.Resources {
	if d.engine == nil {
		return nil
	}
	before := demandOf(d.request, d.engine.reserve)
	after := d.request.after(d.Targets)
	now := demandOf(after, d.engine.reserve)
	needs := make(map[string]facts.Resources, len(d.Targets))
	for i := range after.Current {
		name := after.Current[i].Cluster
		need := now.ownOn(after, i)
		if at := d.request.targetAt(name); at >= 0 {
			need = need.Sub(before.ownOn(d.request, at))
		}
		if !allZero(need) {
			needs[name] = need
		}
	}
	return needs
}

// after returns the request as it is once targets have been carried out.
func (r *Request) after(targets []v1alpha1.Target) *Request {
	a := *r
	a.Current = slices.Clone(targets)
	a.Workloads = slices.Clone(r.Workloads)
	for i := range a.Workloads {
		a.Workloads[i].Placed = a.Workloads[i].Replicas
	}
	return &a
}
