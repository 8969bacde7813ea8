package placement

import (
	"slices"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// mostLevels that a spec may have, by its schema.
const mostLevels = v1alpha1.MostLevels

// table is the exact solution of levels that nest. Its states are how many
// groups of each level are used, and how many clusters are taken; each holds the
// greatest worth. A group gives its best clusters, any number of them that the
// skew allows; the groups of a level are added one by one; the table of a group
// of groups is added to that of the level above like any group. With a bound on
// the skew it is done for every size of the smallest group.
type entry struct {
	worth int64
	node  int32
}

// node is one step of a choice, to trace it back: took clusters of a group or,
// where group is -1, the choice inner; after the choice before.
type node struct {
	group, took, inner, before int32
}

// item is what one group can give.
type item struct {
	used  [mostLevels]int32
	taken int32
	worth int64
	node  node
}

// filling is the work on the tables for one size of the smallest groups.
type filling struct {
	*solver
	tops  tops
	caps  [mostLevels]int32 // groups to count, by level
	sat   [mostLevels]bool  // more than that count as that
	from  [mostLevels]int   // clusters of a used group
	upTo  [mostLevels]int
	sizes int // states
	used  [][mostLevels]int32
	from1 []int32
	with  []int32
}

// table returns the best choices by number of clusters.
func (v *solver) table(t tops) []entry {
	f := &filling{solver: v, tops: t, sizes: v.most + 1}
	for i := range v.chain {
		l := &v.chain[i]
		switch {
		case l.high < unlimited:
			f.caps[i] = int32(min(l.high, v.most))
		case l.low > 1:
			f.caps[i], f.sat[i] = int32(min(l.low, v.most+1)), true
		default:
			f.sat[i] = true // of no interest
		}
		f.sizes *= int(f.caps[i]) + 1
	}
	best := make([]entry, v.most+1)
	for i := range best {
		best[i] = entry{none, -1}
	}
	f.used = make([][mostLevels]int32, f.sizes/(v.most+1))
	for i := range f.used {
		rest := int32(i)
		for l := len(v.chain) - 1; l >= 0; l-- {
			f.used[i][l] = rest % (f.caps[l] + 1)
			rest /= f.caps[l] + 1
		}
	}
	steps := make([]int32, 2*f.sizes)
	f.from1, f.with = steps[:f.sizes], steps[f.sizes:]
	f.eachSkew(0, best)
	return best
}

// eachSkew fills the table for all sizes of the smallest group at each level.
func (f *filling) eachSkew(i int, best []entry) {
	if i == len(f.chain) {
		f.merge(f.fill(), best)
		return
	}
	l := &f.chain[i]
	if l.skew >= unlimited {
		f.from[i], f.upTo[i] = 1, f.most
		f.eachSkew(i+1, best)
		return
	}
	for smallest := 1; smallest*l.low <= f.most; smallest++ {
		f.from[i], f.upTo[i] = smallest, min(f.most, smallest+l.skew)
		f.eachSkew(i+1, best)
	}
}

// merge takes over what is better, and satisfies all levels.
func (f *filling) merge(table, best []entry) {
	for at := range table {
		used, taken := &f.used[at/(f.most+1)], at%(f.most+1)
		if table[at].worth <= best[taken].worth || taken == 0 {
			continue
		}
		ok := true
		for i := range f.chain {
			ok = ok && (f.caps[i] == 0 && f.sat[i] || int(used[i]) >= f.chain[i].low)
		}
		if ok {
			best[taken] = table[at]
		}
	}
}

func (f *filling) fill() []entry {
	table := f.empty()
	for g := range f.chain[0].groups {
		table = f.add(table, f.items(0, int32(g)))
	}
	return table
}

func (f *filling) empty() []entry {
	table := make([]entry, f.sizes)
	for i := range table {
		table[i] = entry{none, -1}
	}
	table[0].worth = 0
	return table
}

// items returns what a group of a level can give.
func (f *filling) items(i int, g int32) []item {
	if i == len(f.chain)-1 {
		return f.leaf(i, g)
	}
	table := f.empty()
	for _, child := range f.chain[i].children[g] {
		table = f.add(table, f.items(i+1, child))
	}
	var items []item
	for at := range table {
		taken := at % (f.most + 1)
		if table[at].worth <= none || taken < max(1, f.from[i]) || taken > f.upTo[i] {
			continue
		}
		used := f.used[at/(f.most+1)]
		used[i] = 1
		items = append(items, item{used, int32(taken), table[at].worth, node{group: -1, inner: table[at].node}})
	}
	slices.SortStableFunc(items, func(a, b item) int { return int(a.taken - b.taken) })
	return items
}

func (f *filling) leaf(i int, g int32) []item {
	members := f.tops.of(g)
	n := min(len(members), f.upTo[i])
	if n < f.from[i] {
		return nil
	}
	items := make([]item, 0, n-f.from[i]+1)
	var used [mostLevels]int32
	used[i] = 1
	var sum int64
	for k := 1; k <= n; k++ {
		sum += f.fitting[members[k-1]].worth
		if k >= f.from[i] {
			items = append(items, item{used, int32(k), sum, node{group: g, took: int32(k)}})
		}
	}
	return items
}

// add adds a group, which gives one of the items or nothing.
func (f *filling) add(table []entry, items []item) []entry {
	if len(items) == 0 {
		return table
	}
	next := slices.Clone(table)
	for i := range f.with {
		f.with[i] = -1
	}
	width := f.most + 1
	for at := range table {
		if table[at].worth <= none {
			continue
		}
		used, taken := &f.used[at/width], at%width
		for e := range items {
			it := &items[e]
			if taken+int(it.taken) > f.most {
				break // sorted by taken
			}
			to, ok := f.state(used, &it.used)
			if !ok {
				continue
			}
			to = to*width + taken + int(it.taken)
			if worth := table[at].worth + it.worth; worth > next[to].worth {
				next[to].worth, f.from1[to], f.with[to] = worth, int32(at), int32(e)
			}
		}
	}
	for to := range next {
		if e := f.with[to]; e >= 0 {
			n := items[e].node
			n.before = table[f.from1[to]].node
			next[to].node = int32(len(f.arena))
			f.arena = append(f.arena, n)
		}
	}
	return next
}

// state returns the place of the sum of two numbers of used groups; false if
// there are too many.
func (f *filling) state(a, b *[mostLevels]int32) (int, bool) {
	at := 0
	for i := range f.chain {
		u := a[i] + b[i]
		if u > f.caps[i] {
			if !f.sat[i] {
				return 0, false
			}
			u = f.caps[i]
		}
		at = at*int(f.caps[i]+1) + int(u)
	}
	return at, true
}
