package placement

import (
	"math"
	"slices"
)

// mostSteps bounds the search over levels that cross. Within it the choice is
// exact; beyond it the best that was found is taken, and the explanation says
// so.
const mostSteps = 200_000

// searcher picks n clusters such that levels hold that cross, by branch and
// bound: candidates the best first, cut where even the best of what is left
// can't reach what was found. Of candidates that agree in all levels only the
// best are looked at.
type searcher struct {
	v      *solver
	all    []int32
	ahead  []int64 // sums of worth, to bound what is left
	counts [][]int // by level and group
	used   []int   // groups by level
	found  map[int]found
	budget int // steps for each number of clusters

	n     int
	taken []int32
	worth int64
	steps int
	best  found
}

type found struct {
	worth   int64
	members []int32
}

func (v *solver) newSearcher() *searcher {
	s := &searcher{v: v, found: map[int]found{}, used: make([]int, len(v.chain)), budget: mostSteps}
	for i := range v.chain {
		s.counts = append(s.counts, make([]int, v.chain[i].groups))
	}
	order := make([]int32, 0, len(v.fitting))
	for c := range v.fitting {
		if !v.lacks(c) {
			order = append(order, int32(c))
		}
	}
	slices.SortFunc(order, v.better)
	cells := map[[mostLevels]int32]int{}
	for _, c := range order {
		var cell [mostLevels]int32
		for i := range v.chain {
			cell[i] = v.chain[i].ids[c]
		}
		if cells[cell]++; cells[cell] <= v.most {
			s.all = append(s.all, c)
		}
	}
	s.ahead = v.sum(s.all)
	return s
}

// find returns the best choice of n clusters.
func (s *searcher) find(n int) found {
	if f, ok := s.found[n]; ok {
		return f
	}
	s.n, s.worth, s.taken, s.steps = n, 0, s.taken[:0], 0
	s.best = found{worth: none}
	s.budget = min(s.budget, max(0, 5*mostSteps-s.v.spent))
	if n <= len(s.all) {
		s.step(0)
	}
	if s.v.spent += s.steps; s.steps > s.budget {
		s.v.cut = true
	}
	s.found[n] = s.best
	return s.best
}

func (s *searcher) step(i int) {
	left := s.n - len(s.taken)
	if left == 0 {
		if s.worth > s.best.worth { // mayHold let no step pass that breaks a level
			s.best = found{s.worth, slices.Clone(s.taken)}
		}
		return
	}
	if s.steps++; s.steps > s.budget || len(s.all)-i < left {
		return
	}
	if s.best.members != nil && s.worth+s.ahead[i+left]-s.ahead[i] <= s.best.worth {
		return
	}
	c := s.all[i]
	s.count(c, 1)
	if s.mayHold(left - 1) {
		s.taken = append(s.taken, c)
		s.worth += s.v.fitting[c].worth
		s.step(i + 1)
		s.taken = s.taken[:len(s.taken)-1]
		s.worth -= s.v.fitting[c].worth
	}
	s.count(c, -1)
	s.step(i + 1)
}

func (s *searcher) count(c int32, by int) {
	for i := range s.v.chain {
		at := &s.counts[i][s.v.chain[i].ids[c]]
		before := *at
		*at += by
		switch {
		case before == 0:
			s.used[i]++
		case *at == 0:
			s.used[i]--
		}
	}
}

// mayHold says whether the bounds can still be met with so many more clusters;
// with none more, whether they are met.
func (s *searcher) mayHold(more int) bool {
	for i := range s.v.chain {
		l := &s.v.chain[i]
		if s.used[i] > l.high || s.used[i]+more < l.low {
			return false
		}
		if l.skew < math.MaxInt32 && !s.mayLevel(i, more) {
			return false
		}
	}
	return true
}

// mayLevel says whether the groups that are used can still come within the skew.
func (s *searcher) mayLevel(i, more int) bool {
	most, missing := 0, 0
	for _, n := range s.counts[i] {
		most = max(most, n)
	}
	for _, n := range s.counts[i] {
		if n > 0 {
			missing += max(0, most-s.v.chain[i].skew-n)
		}
	}
	return missing <= more
}
