package placement

import (
	"math"
	"slices"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// mostSteps bounds the search over several levels. Within it the choice is
// exact; beyond it the best that was found is taken.
const mostSteps = 200_000

// search picks n clusters such that several levels hold at once, by branch and
// bound: candidates the best first, cut where even the best of what is left
// can't reach what was found.
func search(fitting []*candidate, levels []v1alpha1.Spread, n int) []*candidate {
	s := &searcher{levels: levels, n: n, best: math.MinInt64}
	for _, c := range fitting {
		values := make([]string, len(levels))
		complete := true
		for i := range levels {
			var ok bool
			if values[i], ok = c.state.Topology(levels[i].TopologyKey); !ok {
				complete = false
			}
		}
		if complete {
			s.all = append(s.all, node{c, values})
		}
	}
	slices.SortFunc(s.all, func(a, b node) int { return better(a.candidate, b.candidate) })
	s.ahead = make([]int64, len(s.all)+1)
	for i, c := range s.all {
		s.ahead[i+1] = s.ahead[i] + c.worth()
	}
	s.counts = make([]map[string]int, len(levels))
	for i := range s.counts {
		s.counts[i] = map[string]int{}
	}
	s.step(0)
	return s.found
}

type node struct {
	*candidate
	values []string
}

type searcher struct {
	levels []v1alpha1.Spread
	n      int
	all    []node
	ahead  []int64 // sums of worth, to bound what is left
	counts []map[string]int
	taken  []*candidate
	worth  int64
	steps  int
	found  []*candidate
	best   int64
}

func (s *searcher) step(i int) {
	left := s.n - len(s.taken)
	if left == 0 {
		if s.worth > s.best && s.holds() {
			s.best, s.found = s.worth, slices.Clone(s.taken)
		}
		return
	}
	if s.steps++; s.steps > mostSteps || len(s.all)-i < left {
		return
	}
	if s.found != nil && s.worth+s.ahead[i+left]-s.ahead[i] <= s.best {
		return
	}
	c := s.all[i]
	s.count(c, 1)
	if s.mayHold(left - 1) {
		s.taken = append(s.taken, c.candidate)
		s.worth += c.worth()
		s.step(i + 1)
		s.taken = s.taken[:len(s.taken)-1]
		s.worth -= c.worth()
	}
	s.count(c, -1)
	s.step(i + 1)
}

func (s *searcher) count(c node, by int) {
	for i, v := range c.values {
		if s.counts[i][v] += by; s.counts[i][v] == 0 {
			delete(s.counts[i], v)
		}
	}
}

// mayHold says whether the bounds can still be met with so many more clusters.
func (s *searcher) mayHold(more int) bool {
	for i := range s.levels {
		l := &s.levels[i]
		if l.MaxGroups != nil && len(s.counts[i]) > int(*l.MaxGroups) {
			return false
		}
		if l.MinGroups != nil && len(s.counts[i])+more < int(*l.MinGroups) {
			return false
		}
	}
	return true
}

// holds says whether all levels hold.
func (s *searcher) holds() bool {
	for i := range s.levels {
		l := &s.levels[i]
		if l.MinGroups != nil && len(s.counts[i]) < int(*l.MinGroups) || l.MaxGroups != nil && len(s.counts[i]) > int(*l.MaxGroups) {
			return false
		}
		if l.MaxSkew == nil {
			continue
		}
		low, high := math.MaxInt, 0
		for _, n := range s.counts[i] {
			low, high = min(low, n), max(high, n)
		}
		if high-low > int(*l.MaxSkew) {
			return false
		}
	}
	return true
}
