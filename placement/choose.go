package placement

import (
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// stay is worth more than all scores of a choice together: a target is given up
// only where no choice that satisfies the request can keep it.
const stay = 1 << 28

func (c *candidate) keepWorth() int64 {
	if c.current {
		return stay + int64(c.score)
	}
	return int64(c.score)
}

// pick is a cluster that was chosen.
type pick struct {
	state   *facts.State
	score   int64
	worth   int64
	current *v1alpha1.Target // nil if no work of the request is there
	slots   int64            // replicas that it can hold, its own counted in
	share   *int64
}

// choice says what the choice did, for explanations.
type choice struct {
	fitting     int
	least, most int
	chosen      int
	levels      []level
	dropped     int  // soft levels that could not hold, from the end
	cut         bool // the search was cut: a better choice may exist
	roomy       bool // capacity, not score alone, decided
}

// choose picks clusters: as many as the count allows, or, packed, as few as
// hold the replicas; such that every hard spread holds, the replicas fit, and
// the sum of the worth is the greatest. Soft spreads hold if they can.
func (s *screened) choose(said *choice) ([]pick, *Reason) {
	said.fitting = len(s.fitting)
	if len(s.fitting) == 0 {
		return nil, &Reason{v1alpha1.ReasonNoClusterFits, "no cluster fits; status.rejected says why"}
	}
	b := newBounds(s)
	said.least, said.most, said.levels = b.least, b.most, b.levels
	if len(s.fitting) < b.least {
		return nil, &Reason{v1alpha1.ReasonTooFewClusters, fmt.Sprintf("%d clusters fit and at least %d are asked for; lower %s.min or see status.rejected", len(s.fitting), b.least, s.request.field("count"))}
	}
	if b.least > b.most {
		return nil, b.contradiction()
	}
	var full *selection // satisfies all but the capacity
	for levels := b.levels; ; levels = levels[:len(levels)-1] {
		found := s.chooseWith(b, levels, said)
		if found != nil && found.holds {
			said.dropped = len(b.levels) - len(levels)
			return s.picks(found, said), nil
		}
		if full == nil && found != nil {
			full = found
			said.dropped = len(b.levels) - len(levels)
		}
		if len(levels) == b.hard {
			break
		}
	}
	if full != nil {
		return s.picks(full, said), nil // share says what is missing
	}
	return nil, b.unsatisfiable(s, said.cut)
}

// bounds are what a choice must satisfy.
type bounds struct {
	least, most int     // clusters
	levels      []level // the hard ones first
	hard        int
}

func newBounds(s *screened) *bounds {
	spec, fitting := s.request.Spec, len(s.fitting)
	b := &bounds{least: 1, most: math.MaxInt32}
	maxOf := math.MaxInt32
	for pass, action := range []corev1.UnsatisfiableConstraintAction{corev1.DoNotSchedule, corev1.ScheduleAnyway} {
		for i := range spec.Spread {
			spread := &spec.Spread[i]
			if soft := spread.WhenUnsatisfiable == corev1.ScheduleAnyway; soft != (action == corev1.ScheduleAnyway) {
				continue
			}
			l := newLevel(spread)
			if pass == 0 {
				b.least = max(b.least, l.low)
			}
			if pass == 0 && l.key == "cluster" { // every cluster is a group: a count
				maxOf = min(maxOf, l.high)
				continue
			}
			b.levels = append(b.levels, l)
		}
		if pass == 0 {
			b.hard = len(b.levels)
		}
	}
	b.most = b.least
	if c := spec.Count; c != nil {
		b.most = fitting
		if c.Max != nil {
			b.most = int(*c.Max)
		}
		if c.Min != nil {
			b.least = max(b.least, int(*c.Min))
		}
	}
	b.most = min(b.most, fitting, maxOf)
	if d := spec.Division; d != nil && d.MinPerCluster != nil && *d.MinPerCluster > 0 && s.demand.total > 0 && division(s.request) != v1alpha1.DivisionDuplicated {
		b.most = min(b.most, int(max(1, s.demand.total/int64(*d.MinPerCluster))))
	}
	return b
}

func (b *bounds) contradiction() *Reason {
	return &Reason{v1alpha1.ReasonTooFewClusters, fmt.Sprintf("spec asks for at least %d clusters and allows %d at most; lower spec.count.min or spread.minGroups, or raise spec.count.max, or lower division.minPerCluster", b.least, b.most)}
}

func (b *bounds) unsatisfiable(s *screened, cut bool) *Reason {
	found := "no choice"
	if cut {
		found = fmt.Sprintf("no choice that was found in %d steps", mostSteps)
	}
	return &Reason{v1alpha1.ReasonSpreadUnsatisfiable, fmt.Sprintf("%d clusters fit, and %s of %d to %d of them satisfies %s; lower minGroups or raise maxSkew", len(s.fitting), found, b.least, b.most, s.request.field("spread"))}
}

// selection is a set of candidates.
type selection struct {
	members []int32
	holds   bool // the replicas fit
}

// chooseWith chooses under some levels; nil if no choice satisfies them.
func (s *screened) chooseWith(b *bounds, levels []level, said *choice) *selection {
	want := int64(0)
	if division(s.request) != v1alpha1.DivisionDuplicated {
		want = s.demand.total
	}
	v := &solver{screened: s, levels: levels, most: b.most}
	v.group()
	for i := range s.fitting {
		s.fitting[i].worth = s.fitting[i].keepWorth()
	}
	answers := v.solve()
	defer func() { said.cut = said.cut || v.cut }()
	n, ok := s.preferred(b, answers)
	if !ok {
		return nil
	}
	first := &selection{members: answers.members(n)}
	packed := division(s.request) == v1alpha1.DivisionPacked
	if want == 0 || !packed && s.room(first.members) >= want {
		first.holds = true
		return first
	}
	said.roomy = true
	return s.chooseRoomy(b, v, first, want, packed)
}

// preferred returns the preferred number of clusters among those that can be.
func (s *screened) preferred(b *bounds, answers *answers) (int, bool) {
	for n := b.most; n >= b.least; n-- {
		if answers.feasible(n) {
			return n, true
		}
	}
	return 0, false
}

// room returns how many replicas candidates hold.
func (s *screened) room(members []int32) (sum int64) {
	for _, m := range members {
		sum += s.roomOf(&s.fitting[m])
	}
	return sum
}

// roomOf returns how many replicas of the request a candidate may get.
func (s *screened) roomOf(c *candidate) int64 {
	state := s.state(c)
	if division(s.request) == v1alpha1.DivisionWeighted && s.weightOf(state) == 0 {
		return 0
	}
	return min(s.demand.slots(s.request, state), s.demand.most)
}

// picks returns the chosen, the best first.
func (s *screened) picks(found *selection, said *choice) []pick {
	said.chosen = len(found.members)
	list := make([]pick, 0, len(found.members))
	slices.SortFunc(found.members, func(a, b int32) int {
		x, y := s.fitting[a].keepWorth(), s.fitting[b].keepWorth()
		switch {
		case x > y || x == y && a < b:
			return -1
		}
		return 1
	})
	for _, m := range found.members {
		c := &s.fitting[m]
		state := s.state(c)
		p := pick{state: state, score: int64(c.score), worth: c.keepWorth()}
		if c.current {
			p.current = s.request.target(state.Name)
		}
		if division(s.request) != v1alpha1.DivisionDuplicated {
			p.slots = s.demand.slots(s.request, state)
		}
		list = append(list, p)
	}
	return list
}
