package placement

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// stay is worth more than all scores together: a target is given up only where
// no choice that satisfies the request can keep it.
const stay = 1 << 20

func (c *candidate) worth() int64 {
	if c.current != nil {
		return stay + c.score
	}
	return c.score
}

// better orders candidates, the best first; ties go by name.
func better(a, b *candidate) int {
	return cmp.Or(cmp.Compare(b.worth(), a.worth()), cmp.Compare(a.state.Name, b.state.Name))
}

// choose picks clusters: as many as the count allows, or, packed, as few as
// hold the replicas; such that every hard spread holds and the sum of the worth
// is the greatest. Soft spreads hold if they can.
func choose(r *Request, fitting []*candidate) ([]*candidate, *Reason) {
	least, most := bounds(r, len(fitting))
	if len(fitting) == 0 {
		return nil, &Reason{v1alpha1.ReasonNoClusterFits, "no cluster fits; status.rejected says why"}
	}
	if len(fitting) < least {
		return nil, &Reason{v1alpha1.ReasonTooFewClusters, fmt.Sprintf("%d clusters fit and at least %d are asked for; lower spec.count.min or see status.rejected", len(fitting), least)}
	}
	hard, soft := split(r.Spec.Spread)
	for levels := slices.Concat(hard, soft); ; levels = levels[:len(levels)-1] {
		if chosen := chooseWith(r, fitting, levels, least, most); chosen != nil {
			return chosen, nil
		}
		if len(levels) == len(hard) {
			break
		}
	}
	return nil, &Reason{v1alpha1.ReasonSpreadUnsatisfiable, fmt.Sprintf("%d clusters fit, and no choice of %d to %d of them satisfies spec.spread; lower minGroups or raise maxSkew", len(fitting), least, most)}
}

// bounds returns the least and the greatest number of clusters.
func bounds(r *Request, fitting int) (least, most int) {
	least = 1
	for _, s := range r.Spec.Spread {
		if s.MinGroups != nil && s.WhenUnsatisfiable != corev1.ScheduleAnyway {
			least = max(least, int(*s.MinGroups))
		}
	}
	most = least
	if c := r.Spec.Count; c != nil {
		most = fitting
		if c.Max != nil {
			most = int(*c.Max)
		}
		if c.Min != nil {
			least = max(least, int(*c.Min))
		}
	}
	return least, min(most, fitting)
}

func split(spread []v1alpha1.Spread) (hard, soft []v1alpha1.Spread) {
	for _, s := range spread {
		if s.WhenUnsatisfiable == corev1.ScheduleAnyway {
			soft = append(soft, s)
		} else {
			hard = append(hard, s)
		}
	}
	return hard, soft
}

// chooseWith tries the numbers of clusters in the order of preference.
func chooseWith(r *Request, fitting []*candidate, levels []v1alpha1.Spread, least, most int) []*candidate {
	if division(r) != v1alpha1.DivisionPacked {
		for n := most; n >= least; n-- {
			if chosen := chooseN(fitting, levels, n); chosen != nil {
				return chosen
			}
		}
		return nil
	}
	var last []*candidate
	for n := max(least, min(most, staying(fitting))); n <= most; n++ {
		if chosen := chooseN(fitting, levels, n); chosen != nil {
			if last = chosen; room(chosen) >= total(r) {
				break
			}
		}
	}
	return last
}

// staying counts the targets that may stay. Replicas that fit on them are not
// packed anew; what comes to hold none of them is given up.
func staying(fitting []*candidate) (n int) {
	for _, c := range fitting {
		if c.current != nil {
			n++
		}
	}
	return n
}

func room(chosen []*candidate) (slots int64) {
	for _, c := range chosen {
		slots += c.slots
	}
	return slots
}

// chooseN picks n clusters; nil if no choice satisfies the levels.
func chooseN(fitting []*candidate, levels []v1alpha1.Spread, n int) []*candidate {
	switch len(levels) {
	case 0:
		sorted := slices.Clone(fitting)
		slices.SortFunc(sorted, better)
		return sorted[:n]
	case 1:
		return chooseLevel(fitting, &levels[0], n)
	}
	return search(fitting, levels, n)
}

// groups returns the candidates by their value of a topology key, each group
// sorted, the best first; candidates without a value are left out.
func groups(fitting []*candidate, key string) [][]*candidate {
	byValue := map[string][]*candidate{}
	var values []string
	for _, c := range fitting {
		value, ok := c.state.Topology(key)
		if !ok {
			continue
		}
		if byValue[value] == nil {
			values = append(values, value)
		}
		byValue[value] = append(byValue[value], c)
	}
	slices.Sort(values)
	list := make([][]*candidate, 0, len(values))
	for _, v := range values {
		slices.SortFunc(byValue[v], better)
		list = append(list, byValue[v])
	}
	return list
}

// chooseLevel is exact for one level. A table over the groups holds, for every
// number of groups and of clusters, the greatest worth; of one group always the
// best are taken. With a bound on the skew, it is done for every size of the
// smallest group.
func chooseLevel(fitting []*candidate, level *v1alpha1.Spread, n int) []*candidate {
	all := groups(fitting, level.TopologyKey)
	low, high := groupBounds(level, len(all), n)
	if low > high {
		return nil
	}
	if level.MaxSkew == nil {
		chosen, _ := table(all, low, high, n, 1, n)
		return chosen
	}
	var best []*candidate
	bestWorth := int64(math.MinInt64)
	for smallest := 1; smallest <= n; smallest++ {
		chosen, worth := table(all, low, high, n, smallest, smallest+int(*level.MaxSkew))
		if chosen != nil && worth > bestWorth {
			best, bestWorth = chosen, worth
		}
	}
	return best
}

func groupBounds(level *v1alpha1.Spread, groups, n int) (low, high int) {
	low, high = 1, min(groups, n)
	if level.MinGroups != nil {
		low = int(*level.MinGroups)
	}
	if level.MaxGroups != nil {
		high = min(high, int(*level.MaxGroups))
	}
	return low, high
}

// table picks n clusters from low to high groups, each with from to upTo of
// them.
func table(all [][]*candidate, low, high, n, from, upTo int) ([]*candidate, int64) {
	const none = math.MinInt64
	width := n + 1
	worth := make([]int64, (high+1)*width) // by groups used and clusters taken
	for i := range worth {
		worth[i] = none
	}
	worth[0] = 0
	took := make([][]int32, len(all)) // clusters that each group gave, to trace the choice back
	for g, members := range all {
		took[g] = make([]int32, len(worth))
		next := slices.Clone(worth)
		var sum int64
		for k := 1; k <= min(len(members), upTo, n); k++ {
			sum += members[k-1].worth()
			if k < from {
				continue
			}
			for used := 1; used <= high; used++ {
				for taken := k; taken <= n; taken++ {
					before := worth[(used-1)*width+taken-k]
					if at := used*width + taken; before != none && before+sum > next[at] {
						next[at], took[g][at] = before+sum, int32(k)
					}
				}
			}
		}
		worth = next
	}
	best := -1
	for used := low; used <= high; used++ {
		if at := used*width + n; worth[at] != none && (best < 0 || worth[at] > worth[best]) {
			best = at
		}
	}
	if best < 0 {
		return nil, none
	}
	var chosen []*candidate
	at := best
	for g, members := range slices.Backward(all) {
		if k := int(took[g][at]); k > 0 {
			chosen = append(chosen, members[:k]...)
			at -= width + k
		}
	}
	return chosen, worth[best]
}
