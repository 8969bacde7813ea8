package controller

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// outages are what of a fleet seems lost at once.
type outages struct {
	fleet *cluster.Snapshot
	// all says that so much of the fleet is lost that nothing should move.
	all bool
	// regions of which so much is lost, and since when.
	regions map[string]time.Time
}

// outage returns why moves may not happen for what seems lost at once; empty if
// they may. The fault is likelier on our side then, and what is left could not
// bear it. What owners ask for happens all the same.
func (b *Budget) outage(moves *Moves) string {
	if !moves.unasked() {
		return ""
	}
	if moves.Fleet != b.seen.fleet {
		b.seen = b.look(moves.Fleet)
	}
	if b.seen.all {
		return ReasonPartialOutage
	}
	for _, m := range moves.Moves {
		since, ok := b.seen.regions[m.Region]
		if !ok || m.Cause == CauseRequested {
			continue
		}
		if b.opts.RegionHold < 0 || moves.Now.Before(since.Add(b.opts.RegionHold)) {
			return ReasonRegionOutage
		}
	}
	return ""
}

// look reckons what of a fleet is lost.
func (b *Budget) look(fleet *cluster.Snapshot) outages {
	type region struct {
		all  int
		lost []time.Time // since when, by cluster
	}
	byRegion := map[string]*region{}
	lost := 0
	for state := range fleet.All() {
		r := byRegion[state.Region]
		if r == nil {
			r = &region{}
			byRegion[state.Region] = r
		}
		r.all++
		if isLost(state) {
			lost++
			r.lost = append(r.lost, lostSince(state))
		}
	}
	seen := outages{fleet: fleet, all: lost > 0 && lost == fleet.Len() || tooMany(lost, fleet.Len(), b.opts.MaxLostShare)}
	delete(byRegion, "") // who says no region may be anywhere
	for name, r := range byRegion {
		if !tooMany(len(r.lost), r.all, b.opts.MaxRegionLostShare) {
			continue
		}
		slices.SortFunc(r.lost, time.Time.Compare)
		for n, since := range r.lost { // it began with the one that made it too many
			if tooMany(n+1, r.all, b.opts.MaxRegionLostShare) {
				if seen.regions == nil {
					seen.regions = map[string]time.Time{}
				}
				seen.regions[name] = since
				break
			}
		}
	}
	return seen
}

// tooMany says whether so many of all are lost that it is no coincidence.
func tooMany(lost, all int, share float64) bool {
	return lost >= minLostClusters && float64(lost)/float64(all) >= share
}

// isLost says whether a cluster does not answer.
func isLost(state *cluster.State) bool {
	return !state.UnreachableSince.IsZero() || unreachable(state) != nil
}

// lostSince returns when a cluster that is lost ceased to answer; zero if nobody
// knows.
func lostSince(state *cluster.State) time.Time {
	if t := unreachable(state); state.UnreachableSince.IsZero() && t != nil && t.TimeAdded != nil {
		return t.TimeAdded.Time
	}
	return state.UnreachableSince
}

// unreachable returns the taint of a cluster that does not answer; nil if it
// bears none.
func unreachable(state *cluster.State) *clusterv1alpha1.Taint {
	at := slices.IndexFunc(state.Taints, func(t clusterv1alpha1.Taint) bool {
		return t.Key == clusterv1alpha1.TaintUnreachable && t.Effect == corev1.TaintEffectNoExecute
	})
	if at < 0 {
		return nil
	}
	return &state.Taints[at]
}

// unasked says whether there is a move that the owner did not ask for.
func (m *Moves) unasked() bool {
	return slices.ContainsFunc(m.Moves, func(move Move) bool { return move.Cause != CauseRequested })
}
