package placement

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// share divides the replicas over the chosen clusters. Shares by capacity stay
// as they are while they fit; those that must change move as little as they
// can.
func (s *screened) share(chosen []pick) *Reason {
	r, d := s.request, &s.demand
	kind := division(r)
	if kind == v1alpha1.DivisionDuplicated || len(chosen) == 0 {
		return nil
	}
	least := int64(0)
	if m := r.Spec.Division.MinPerCluster; m != nil {
		least = min(max(0, int64(*m)), d.total) // few replicas go to one cluster
	}
	if d.total == 0 {
		s.proportions(chosen)
		return nil
	}
	if kind == v1alpha1.DivisionCapacity && d.total >= int64(len(chosen)) {
		least = max(least, 1) // a cluster is chosen to be used
	}
	if kind != v1alpha1.DivisionPacked {
		slices.SortFunc(chosen, byShare)
	}
	sticky := kind == v1alpha1.DivisionCapacity || kind == v1alpha1.DivisionPacked
	unknown := meanSlots(chosen)
	parts := make([]part, len(chosen))
	for i := range chosen {
		c := &chosen[i]
		p := part{least: least, most: min(d.most, c.slots), weight: s.weigh(c, unknown)}
		if sticky && c.current != nil && c.current.Share != nil {
			p.n = max(0, min(*c.current.Share, p.most))
		}
		parts[i] = p
	}
	if sticky && keeps(parts, chosen, d.total) && s.keepsAll(chosen, parts) {
		for i := range chosen {
			chosen[i].share = chosen[i].current.Share
		}
		return nil
	}
	sum, fits := s.settleAll(chosen, parts, kind == v1alpha1.DivisionPacked)
	for i := range chosen {
		chosen[i].share = &parts[i].n
	}
	switch {
	case sum != d.total:
		return &Reason{v1alpha1.ReasonInsufficientCapacity, fmt.Sprintf("the chosen clusters take %d of %d replicas within their capacity and spec.division; add capacity or clusters", sum, d.total)}
	case !fits:
		return &Reason{v1alpha1.ReasonInsufficientCapacity, "the chosen clusters hold all replicas together but not the parts of every workload; add capacity or clusters"}
	}
	return nil
}

// mostTries bounds how often shares are divided anew because the parts of
// several workloads, which are rounded each, do not fit on a cluster.
const mostTries = 64

// settleAll settles the parts. With several workloads each of them is divided
// in proportion to the shares, and rounded: where a cluster would get more than
// it has room for, its share is lowered until it does not.
func (s *screened) settleAll(chosen []pick, parts []part, packed bool) (sum int64, fits bool) {
	d := &s.demand
	if len(d.parts) < 2 {
		return settle(parts, d.total, packed), true
	}
	given := slices.Clone(parts)
	for range mostTries {
		copy(parts, given)
		sum = settle(parts, d.total, packed)
		over := s.overfull(chosen, parts)
		if over < 0 || sum != d.total {
			return sum, over < 0
		}
		given[over].most = parts[over].n - 1
		given[over].n = min(given[over].n, given[over].most)
		if given[over].most < given[over].least {
			break
		}
	}
	return sum, false
}

// overfull returns the first cluster whose parts of the workloads do not fit,
// or -1.
func (s *screened) overfull(chosen []pick, parts []part) int {
	d := &s.demand
	seats, needs := make([]seat, len(chosen)), make([]facts.Resources, len(chosen))
	for i := range chosen {
		seats[i] = seat{cluster: chosen[i].state.Name, share: uint64(max(0, parts[i].n))}
		needs[i] = d.whole
	}
	slices.SortFunc(seats, bySeat) // as Divide does
	for w := range d.parts {
		for i := range seats {
			seats[i].n = 0
		}
		apportion(uint64(d.parts[w].replicas), seats)
		for i := range chosen {
			at, _ := slices.BinarySearchFunc(seats, seat{cluster: chosen[i].state.Name}, bySeat)
			needs[i] = plus(needs[i], times(d.parts[w].unit, int64(seats[at].n)))
		}
	}
	for i := range chosen {
		if !chosen[i].state.CapacityKnown {
			continue
		}
		if have := d.free(s.request, chosen[i].state); !holds(&have, &needs[i]) {
			return i
		}
	}
	return -1
}

// byShare orders clusters such that, among those equally due a replica, who has
// more keeps it; then by name.
func byShare(a, b pick) int {
	share := func(c *pick) int64 {
		if c.current == nil || c.current.Share == nil {
			return 0
		}
		return *c.current.Share
	}
	return cmp.Or(cmp.Compare(share(&b), share(&a)), cmp.Compare(a.state.Name, b.state.Name))
}

// dropEmpty gives up clusters that packing left without a replica, as far as
// the request can do without them.
func dropEmpty(r *Request, chosen []pick) []pick {
	if division(r) != v1alpha1.DivisionPacked || len(r.Spec.Spread) > 0 || total(r) == 0 {
		return chosen
	}
	least := 1
	if r.Spec.Count != nil && r.Spec.Count.Min != nil {
		least = int(*r.Spec.Count.Min)
	}
	excess := len(chosen) - least
	return slices.DeleteFunc(chosen, func(c pick) bool {
		if c.share == nil || *c.share > 0 || excess <= 0 {
			return false
		}
		excess--
		return true
	})
}

// keeps says whether the shares that were decided before still divide the
// replicas so that every part fits: then nothing need be written, whatever they
// sum to.
func keeps(parts []part, chosen []pick, want int64) bool {
	seats := make([]seat, len(chosen))
	for i := range chosen {
		if chosen[i].current == nil || chosen[i].current.Share == nil {
			return false
		}
		seats[i] = seat{cluster: chosen[i].state.Name, share: uint64(max(0, *chosen[i].current.Share))}
	}
	if want > math.MaxInt32 || !anyShare(seats) {
		return false
	}
	slices.SortFunc(seats, bySeat)
	apportion(uint64(want), seats)
	for i := range chosen {
		at, _ := slices.BinarySearchFunc(seats, seat{cluster: chosen[i].state.Name}, bySeat)
		if n := int64(seats[at].n); n < parts[i].least || n > parts[i].most {
			return false
		}
	}
	return true
}

// keepsAll says whether the shares of before divide every one of several
// workloads such that it fits.
func (s *screened) keepsAll(chosen []pick, parts []part) bool {
	if len(s.demand.parts) < 2 {
		return true
	}
	before := slices.Clone(parts)
	for i := range chosen {
		before[i].n = *chosen[i].current.Share
	}
	return s.overfull(chosen, before) < 0
}

// settle brings the parts, the best first, to the sum that is wanted, as near as
// they can.
func settle(parts []part, want int64, packed bool) int64 {
	sum := int64(0)
	for i := range parts {
		p := &parts[i]
		p.n = max(p.n, min(p.least, p.most))
		sum += p.n
	}
	if packed {
		return pack(parts, want, sum)
	}
	return fill(parts, want, sum)
}

// pack fills the best cluster first and empties the worst first.
func pack(parts []part, want, sum int64) int64 {
	for i := range parts {
		p := &parts[i]
		if d := min(want-sum, p.most-p.n); d > 0 {
			p.n, sum = p.n+d, sum+d
		}
	}
	for i := range slices.Backward(parts) {
		p := &parts[i]
		if d := min(sum-want, p.n-p.least); d > 0 {
			p.n, sum = p.n-d, sum-d
		}
	}
	return sum
}

// meanSlots stands for the slots of clusters whose capacity is not known.
func meanSlots(chosen []pick) int64 {
	sum, n := int64(0), int64(0)
	for i := range chosen {
		if chosen[i].slots < unbounded {
			sum, n = sum+chosen[i].slots, n+1
		}
	}
	return max(1, sum/max(1, n))
}

// weigh returns the weight of a cluster in the division.
func (s *screened) weigh(c *pick, unknown int64) int64 {
	switch division(s.request) {
	case v1alpha1.DivisionWeighted:
		return s.weightOf(c.state)
	case v1alpha1.DivisionCapacity, v1alpha1.DivisionPacked:
		if c.slots >= unbounded {
			return min(unknown, mostShare)
		}
		return min(c.slots, mostShare)
	case v1alpha1.DivisionDuplicated, v1alpha1.DivisionEven:
	}
	return 1
}

// weightOf returns the weight that the spec gives a cluster.
func (s *screened) weightOf(c *facts.State) int64 {
	s.compileWeights()
	for i := range s.weights {
		if ok, err := s.weights[i].Matches(c); ok && err == nil {
			return s.weights[i].weight
		}
	}
	return 1
}

// compileWeights compiles the selectors of the weights, once.
func (s *screened) compileWeights() {
	if s.weights != nil || s.request.Spec.Division == nil {
		return
	}
	given := s.request.Spec.Division.Weights
	s.weights = make([]preferredTerm, 0, len(given))
	for i := range given {
		if m, err := newMatcher(&given[i].Clusters, s.request, s.expressions); err == nil {
			s.weights = append(s.weights, preferredTerm{m, int64(max(0, given[i].Weight))})
		}
	}
}

// proportions gives shares where there is no number of replicas to divide.
func (s *screened) proportions(chosen []pick) {
	unknown := meanSlots(chosen)
	for i := range chosen {
		c := &chosen[i]
		share := max(1, s.weigh(c, unknown))
		if division(s.request) == v1alpha1.DivisionWeighted {
			share = s.weigh(c, unknown)
		} else if c.current != nil && c.current.Share != nil {
			share = *c.current.Share
		}
		c.share = &share
	}
}
