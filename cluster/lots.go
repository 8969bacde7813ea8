package cluster

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// mostLots bounds the lots that are kept of a cluster. Of more, those that are
// nearly alike become one.
const mostLots = 256

// fineness is into how many steps of cpu and memory, from nothing to the most
// there is, what differs is rounded where there are more than mostLots: at first,
// and then, if that is not enough.
var fineness = []int64{64, 32, 15}

// lotKey compares amounts without extended resources.
type lotKey struct{ cpu, memory, storage, pods int64 }

// roomsLocked returns what is free on the nodes that take pods, like ones
// together, in no order.
func (u *usage) roomsLocked() []Lot {
	g := gatherer{last: -1, all: []Lot{}}
	for _, n := range u.nodes {
		if !n.counted {
			continue
		}
		free := n.allocatable.Sub(n.allocated)
		if free.Pods < 1 {
			continue
		}
		if len(free.Extended) > 0 {
			free.Extended = settled(free).Extended
			g.all = append(g.all, Lot{Each: free, Count: 1})
			continue
		}
		g.add(&free)
	}
	return g.all
}

// podLotsLocked returns what pods request, like ones together; those with extended
// resources are left out.
func (u *usage) podLotsLocked() []Lot {
	all := make([]Lot, 0, len(u.shapes))
	for _, s := range u.shapes {
		all = append(all, Lot{Each: s.requests, Count: int64(s.pods)})
	}
	return fewer(all, true)
}

// gatherer puts like amounts together.
type gatherer struct {
	all  []Lot
	at   map[lotKey]int
	last int // most nodes are like the one before
}

// add counts an amount without extended resources.
func (g *gatherer) add(each *Resources) {
	k := lotKey{each.MilliCPU, each.Memory, each.EphemeralStorage, each.Pods}
	if g.last >= 0 && keyOfLot(&g.all[g.last]) == k {
		g.all[g.last].Count++
		return
	}
	i, ok := g.at[k]
	if !ok {
		if i = len(g.all); g.at == nil {
			g.at = map[lotKey]int{}
		}
		g.at[k] = i
		g.all = append(g.all, Lot{Each: *each})
	}
	g.all[i].Count++
	g.last = i
}

func keyOfLot(l *Lot) lotKey {
	return lotKey{l.Each.MilliCPU, l.Each.Memory, l.Each.EphemeralStorage, l.Each.Pods}
}

// fewer sorts lots, and makes fewer of too many: each becomes the least of what is
// nearly alike, or with up the greatest.
func fewer(all []Lot, up bool) []Lot {
	for _, steps := range fineness {
		if len(all) <= mostLots {
			break
		}
		all = rounded(all, steps, up)
	}
	slices.SortFunc(all, compareLots)
	return all
}

// rounded puts together what is alike when cpu and memory are rounded to so many
// steps.
func rounded(all []Lot, steps int64, up bool) []Lot {
	var most Resources
	for i := range all {
		most.MilliCPU, most.Memory = max(most.MilliCPU, all[i].Each.MilliCPU), max(most.Memory, all[i].Each.Memory)
	}
	step := func(v, most int64) int64 { return v / max(1, most/steps+1) }
	at := map[lotKey]int{}
	var less []Lot
	for i := range all {
		each := &all[i].Each
		k := lotKey{cpu: step(each.MilliCPU, most.MilliCPU), memory: step(each.Memory, most.Memory)}
		j, ok := at[k]
		if !ok {
			at[k] = len(less)
			less = append(less, all[i])
			continue
		}
		less[j].Count += all[i].Count
		less[j].Each = extreme(&less[j].Each, each, up)
	}
	return less
}

// extreme returns the least of two amounts, resource by resource, or with up the
// greatest.
func extreme(a, b *Resources, up bool) Resources {
	of := func(x, y int64) int64 { return min(x, y) }
	if up {
		of = func(x, y int64) int64 { return max(x, y) }
	}
	r := Resources{
		MilliCPU: of(a.MilliCPU, b.MilliCPU), Memory: of(a.Memory, b.Memory),
		EphemeralStorage: of(a.EphemeralStorage, b.EphemeralStorage), Pods: of(a.Pods, b.Pods),
	}
	for name, v := range a.Extended { // of nodes alone
		if other := b.Extended[name]; other > 0 {
			if r.Extended == nil {
				r.Extended = map[corev1.ResourceName]int64{}
			}
			r.Extended[name] = of(v, other)
		}
	}
	return r
}

// compareLots orders lots, so that equal sets are equal lists.
func compareLots(a, b Lot) int {
	return cmp.Or(compareResources(a.Each, b.Each), cmp.Compare(a.Count, b.Count))
}

func sameLot(a, b Lot) bool { return a.Count == b.Count && equalResources(&a.Each, &b.Each) }
