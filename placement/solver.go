package placement

import (
	"cmp"
	"math"
	"slices"
)

// solver finds, for every number of clusters up to most, the choice of the
// greatest worth that satisfies the levels.
//
// Levels of which each lies within the one above (zones in regions) are solved
// exactly by a table over (groups used at each level, clusters taken). Levels
// that cross (regions and providers) are searched, see search.
type solver struct {
	*screened
	levels []level
	most   int
	cut    bool

	chain   []grouping // the coarsest first
	nested  bool
	missing []bool  // candidates that lack a value; nil if none does
	sizes   []int32 // candidates by group of the last of the chain
	spent   int     // steps of searches
	arena   []node
}

const none = math.MinInt64 / 2

// group groups the candidates by the levels.
func (v *solver) group() {
	v.chain, v.nested = nil, true
	for i := range v.levels {
		g := v.groupBy(v.levels[i])
		for c, id := range g.ids {
			if id >= 0 {
				continue
			}
			if v.missing == nil {
				v.missing = make([]bool, len(g.ids))
			}
			v.missing[c] = true
		}
		if !v.levels[i].bare() {
			v.chain = append(v.chain, g)
		}
	}
	slices.SortStableFunc(v.chain, func(a, b grouping) int { return cmp.Compare(a.groups, b.groups) })
	for i := 1; i < len(v.chain) && v.nested; i++ {
		v.nested = v.nest(&v.chain[i-1], &v.chain[i])
	}
	if len(v.chain) == 0 {
		v.sizes = []int32{int32(len(v.fitting))}
		return
	}
	last := &v.chain[len(v.chain)-1]
	v.sizes = make([]int32, last.groups)
	for c, id := range last.ids {
		if !v.lacks(c) {
			v.sizes[id]++
		}
	}
}

func (v *solver) lacks(c int) bool { return v.missing != nil && v.missing[c] }

// nest finds the group above of each group below; false if they cross.
func (v *solver) nest(above, below *grouping) bool {
	below.parent = make([]int32, below.groups)
	for i := range below.parent {
		below.parent[i] = -1
	}
	for c, id := range below.ids {
		if v.lacks(c) {
			continue
		}
		switch up := above.ids[c]; below.parent[id] {
		case -1:
			below.parent[id] = up
		case up:
		default:
			return false
		}
	}
	above.children = make([][]int32, above.groups)
	for id, up := range below.parent {
		if up >= 0 {
			above.children[up] = append(above.children[up], int32(id))
		}
	}
	return true
}

// answers are the best choices by number of clusters.
type answers struct {
	v *solver
	// best by number of clusters, with nodes of the arena to trace the choice.
	best []entry
	// order, without levels: the candidates, the best first.
	order []int32
	sums  []int64
	tops  tops
	// searched choices of levels that cross.
	search *searcher
}

// solve solves with the worth that the candidates have now.
func (v *solver) solve() *answers {
	a := &answers{v: v}
	v.arena = v.arena[:0] // earlier answers have been traced
	switch {
	case len(v.chain) == 0:
		t := v.tops(nil)
		a.order = t.of(0)
		a.sums = v.sum(a.order)
	case !v.nested:
		a.search = v.newSearcher()
	default:
		if a.tops = v.tops(v.chain[len(v.chain)-1].ids); v.arena == nil {
			v.arena = make([]node, 0, 1024)
		}
		a.best = v.table(a.tops)
	}
	return a
}

func (v *solver) sum(order []int32) []int64 {
	sums := make([]int64, len(order)+1)
	for i, c := range order {
		sums[i+1] = sums[i] + v.fitting[c].worth
	}
	return sums
}

func (a *answers) feasible(n int) bool { return a.worth(n) > none }

// worth returns the worth of the best choice of n clusters; none if there is
// none.
func (a *answers) worth(n int) int64 {
	switch {
	case n < 1:
		return none
	case a.search != nil:
		return a.search.find(n).worth
	case a.order != nil || a.best == nil:
		if n > len(a.order) {
			return none
		}
		return a.sums[n]
	case n >= len(a.best):
		return none
	}
	return a.best[n].worth
}

// members returns the best choice of n clusters; there must be one.
func (a *answers) members(n int) []int32 {
	switch {
	case a.search != nil:
		return slices.Clone(a.search.find(n).members)
	case a.order != nil:
		return slices.Clone(a.order[:n])
	}
	list := make([]int32, 0, n)
	return a.trace(list, a.best[n].node)
}

func (a *answers) trace(list []int32, at int32) []int32 {
	for ; at >= 0; at = a.v.arena[at].before {
		n := &a.v.arena[at]
		if n.group >= 0 {
			list = append(list, a.tops.of(n.group)[:n.took]...)
		} else {
			list = a.trace(list, n.inner)
		}
	}
	return list
}

// tops are the best candidates of each group, the best first.
type tops struct {
	starts []int32
	ends   []int32
	flat   []int32
}

func (t *tops) of(group int32) []int32 { return t.flat[t.starts[group]:t.ends[group]] }

// mostInserted bounds how many are kept sorted by insertion.
const mostInserted = 256

// tops returns the best most candidates of each group, by ids; nil: all are one
// group.
func (v *solver) tops(ids []int32) tops {
	ends := make([]int32, 2*len(v.sizes))
	t := tops{starts: ends[:len(v.sizes):len(v.sizes)], ends: ends[len(v.sizes):]}
	total := int32(0)
	for g, size := range v.sizes {
		t.starts[g], t.ends[g] = total, total
		if v.most <= mostInserted {
			size = min(size, int32(v.most))
		}
		total += size
	}
	t.flat = make([]int32, total)
	for c := range v.fitting {
		if v.lacks(c) {
			continue
		}
		g := int32(0)
		if ids != nil {
			g = ids[c]
		}
		start, end := t.starts[g], t.ends[g]
		if v.most > mostInserted {
			t.flat[end] = int32(c)
			t.ends[g]++
			continue
		}
		worth := v.fitting[c].worth
		if int(end-start) == v.most {
			if v.fitting[t.flat[end-1]].worth >= worth {
				continue
			}
			end--
		}
		at := end
		for ; at > start && v.fitting[t.flat[at-1]].worth < worth; at-- {
			t.flat[at] = t.flat[at-1]
		}
		t.flat[at] = int32(c)
		t.ends[g] = end + 1
	}
	if v.most > mostInserted {
		for g := range v.sizes {
			slices.SortFunc(t.of(int32(g)), v.better)
		}
	}
	return t
}

// better orders candidates, the best first; ties go by name.
func (v *solver) better(a, b int32) int {
	return cmp.Or(cmp.Compare(v.fitting[b].worth, v.fitting[a].worth), cmp.Compare(a, b))
}
