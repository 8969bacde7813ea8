package placement

import (
	"math"
	"math/bits"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// demand is what a request asks of capacity: of the workloads that are divided,
// replicas; and with them, on every target, those that are not.
type demand struct {
	// total replicas of all workloads.
	total int64
	// whole is what every target holds besides replicas.
	whole facts.Resources
	// parts are the workloads with replicas.
	parts []workloadPart
	// least and most replicas that a chosen cluster gets.
	least, most int64
	// reserve is the percentage of what is allocatable that stays free.
	reserve int64
	// own is what current targets hold of each part, where it is not their
	// share; by part, then by the place of the target in the request.
	own [][]int64
}

// workloadPart is a workload with replicas.
type workloadPart struct {
	replicas int64
	unit     facts.Resources
	at       int // in the request
}

// unbounded is the number of slots of a cluster whose capacity is not known, or
// that the request asks nothing of.
const unbounded = 1 << 40

// demandOf reckons the demand; reserve is what the platform keeps free at least.
func demandOf(r *Request, reserve int) demand {
	if r.Spec != nil && r.Spec.ReservePercent != nil {
		reserve = max(reserve, int(*r.Spec.ReservePercent))
	}
	d := demand{most: unbounded, reserve: int64(max(0, min(100, reserve)))}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		if w.Replicas == nil {
			d.whole = plus(d.whole, unit(w))
			continue
		}
		if n := int64(max(0, *w.Replicas)); n > 0 {
			if d.parts == nil {
				d.parts = make([]workloadPart, 0, len(r.Workloads))
			}
			d.parts = append(d.parts, workloadPart{n, unit(w), i})
			d.total += n
		}
	}
	d.total = min(d.total, unbounded)
	d.least = leastOf(r, d.total)
	if division(r) != v1alpha1.DivisionDuplicated {
		if m := r.Spec.Division.MaxPerCluster; m != nil {
			d.most = max(0, int64(*m))
		}
	}
	d.reckonOwn(r)
	return d
}

// leastOf returns the least of so many replicas that a chosen cluster gets.
func leastOf(r *Request, total int64) int64 {
	if division(r) == v1alpha1.DivisionDuplicated {
		return total
	}
	least := int64(1)
	if m := r.Spec.Division.MinPerCluster; m != nil {
		least = max(least, int64(*m))
	}
	return min(total, least)
}

// unit is what one replica of a workload requests, or the workload itself.
func unit(w *Workload) facts.Resources {
	u := w.Requests
	for i := range w.Templates {
		u = plus(u, times(w.Templates[i].Requests, w.Templates[i].Count))
	}
	return u
}

// reckonOwn finds what the current targets hold, where their shares do not say
// it: with several workloads, and after they were scaled.
func (d *demand) reckonOwn(r *Request) {
	asked := len(d.parts) > 1
	for i := range r.Workloads {
		asked = asked || r.Workloads[i].Placed != nil
	}
	if !asked || len(r.Current) == 0 {
		return
	}
	var shares int64
	seats := make([]seat, len(r.Current))
	for i := range r.Current {
		t := &r.Current[i]
		seats[i].cluster = t.Cluster
		if !t.Leaving && t.Share != nil {
			seats[i].share = uint64(max(0, *t.Share))
			shares += min(max(0, *t.Share), unbounded)
		}
	}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		if w.Replicas == nil || *w.Replicas <= 0 {
			continue
		}
		placed := int64(*w.Replicas)
		if shares > 0 && d.total > 0 {
			placed = (placed*min(shares, math.MaxInt32) + d.total/2) / d.total
		}
		if w.Placed != nil {
			placed = int64(max(0, *w.Placed))
		}
		own := make([]int64, len(seats))
		for j := range seats {
			seats[j].n = 0
		}
		if shares > 0 {
			apportion(uint64(placed), seats)
		}
		for j := range own {
			own[j] = int64(seats[j].n)
			if r.Current[j].Share == nil {
				own[j] = placed // duplicated
			}
		}
		d.own = append(d.own, own)
	}
}

// total is the number of replicas of all workloads of the request.
func total(r *Request) int64 {
	var n int64
	for i := range r.Workloads {
		if replicas := r.Workloads[i].Replicas; replicas != nil {
			n += int64(max(0, *replicas))
		}
	}
	return min(n, unbounded)
}

// need returns what a cluster needs for n of the replicas: of each workload its
// part of them, rounded up.
func (d *demand) need(n int64) facts.Resources {
	if len(d.parts) == 1 {
		return plus(d.whole, times(d.parts[0].unit, n))
	}
	sum := d.whole
	for i := range d.parts {
		sum = plus(sum, times(d.parts[i].unit, d.partOf(i, n)))
	}
	return sum
}

// partOf returns the part of a workload in n replicas of all, rounded up.
func (d *demand) partOf(i int, n int64) int64 {
	hi, lo := bits.Mul64(uint64(d.parts[i].replicas), uint64(max(0, n)))
	lo, carry := bits.Add64(lo, uint64(d.total-1), 0)
	if hi+carry >= uint64(d.total) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi+carry, lo, uint64(d.total))
	return int64(min(q, math.MaxInt64))
}

// free returns what is free on a cluster for the request: its own work there
// counts as free, the reserve does not.
func (d *demand) free(r *Request, c *facts.State) facts.Resources {
	have := c.Free()
	if d.reserve > 0 {
		have = share(c.Allocatable, 100-d.reserve).Sub(c.Allocated)
	}
	if at := r.targetAt(c.Name); at >= 0 {
		have = plus(have, d.ownOn(r, at))
	}
	return have
}

// ownOn returns what the work on a current target uses.
func (d *demand) ownOn(r *Request, at int) facts.Resources {
	sum := d.whole
	for i := range d.parts {
		sum = plus(sum, times(d.parts[i].unit, d.ownPart(r, i, at)))
	}
	return sum
}

// replicasOn returns how many replicas are on a current target.
func (d *demand) replicasOn(r *Request, at int) (n int64) {
	if d.own == nil && len(d.parts) > 0 {
		return d.ownPart(r, 0, at) // its share is of all of them
	}
	for i := range d.parts {
		n = sum(n, d.ownPart(r, i, at))
	}
	return n
}

func (d *demand) ownPart(r *Request, part, at int) int64 {
	switch t := &r.Current[at]; {
	case d.own != nil:
		return d.own[part][at]
	case t.Share == nil:
		return d.total
	default:
		return min(max(0, *t.Share), unbounded)
	}
}

// fits says whether a cluster has room for the least that it could get.
func (d *demand) fits(r *Request, c *facts.State) bool {
	if !c.CapacityKnown {
		return true
	}
	have := d.free(r, c)
	need := d.need(d.least)
	return holds(&have, &need)
}

// slots returns how many replicas fit on a cluster, those of the request that
// are there counted in: by the sums, and on its nodes where it is known what is
// free on each.
func (d *demand) slots(r *Request, c *facts.State) int64 {
	if !c.CapacityKnown {
		return unbounded
	}
	n := d.slotsIn(d.free(r, c))
	if c.NodeRoom == nil || n == 0 {
		return n
	}
	at := r.targetAt(c.Name)
	for i := range d.parts {
		own := int64(0)
		if at >= 0 {
			own = d.ownPart(r, i, at)
		}
		if most := sum(own, onNodesOf(&r.Workloads[d.parts[i].at], c, d.partOf(i, n))); most < d.partOf(i, n) {
			n = min(n, product(most, d.total)/d.parts[i].replicas)
		}
	}
	return n
}

// onNodesOf returns how many more replicas of a workload have room on the nodes of a
// cluster, and stops counting at most. Where replicas consist of several kinds of
// pods each is looked at by itself.
func onNodesOf(w *Workload, c *facts.State, most int64) int64 {
	fit := func(requests *facts.Resources, count int64) {
		if isNothing(requests) || count <= 0 || most <= 0 {
			return
		}
		pod, each := onePodOf(*requests), product(max(1, requests.Pods), count)
		if room, ok := c.Room(&pod, product(most, each)); ok {
			most = min(most, room/each)
		}
	}
	fit(&w.Requests, 1)
	for i := range w.Templates {
		fit(&w.Templates[i].Requests, w.Templates[i].Count)
	}
	return most
}

func (d *demand) slotsIn(have facts.Resources) int64 {
	if !isNothing(&d.whole) {
		if !holds(&have, &d.whole) {
			return 0
		}
		have = have.Sub(d.whole)
	}
	switch len(d.parts) {
	case 0:
		return unbounded
	case 1:
		return facts.HowOften(&have, &d.parts[0].unit, unbounded)
	}
	var all facts.Resources
	for i := range d.parts {
		all = plus(all, times(d.parts[i].unit, d.parts[i].replicas))
	}
	sets := facts.HowOften(&have, &all, unbounded)
	if sets >= unbounded/d.total {
		return unbounded
	}
	have = plus(have, d.whole)
	low, high := sets*d.total, (sets+1)*d.total // the first fits, the last does not
	for high-low > 1 {
		n := low + (high-low)/2
		if need := d.need(n); holds(&have, &need) {
			low = n
		} else {
			high = n
		}
	}
	return low
}

func division(r *Request) v1alpha1.DivisionType {
	if r.Spec == nil || r.Spec.Division == nil || r.Spec.Division.Type == "" {
		return v1alpha1.DivisionDuplicated
	}
	return r.Spec.Division.Type
}
