package placement

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Capacity refuses clusters without room for the least that they could get: all
// replicas where they are duplicated, else one or minPerCluster. What the
// request's own work uses there counts as free. Reason: InsufficientCapacity.
type Capacity struct{}

var _ RequestFilter = Capacity{}

// Name implements Filter.
func (Capacity) Name() string { return "Capacity" }

// Filter implements Filter.
func (f Capacity) Filter(r *Request, c *cluster.State) *Reason {
	return f.ForRequest(r, nil).Filter(r, c)
}

// ForRequest implements RequestFilter.
func (Capacity) ForRequest(r *Request, _ *cluster.Snapshot) Filter {
	d := demandOf(r)
	return &fitting{d: d, one: scale(d.unit, d.least)}
}

// fitting is Capacity for one request.
type fitting struct {
	Capacity
	d   demand
	one cluster.Resources // what a cluster needs to have free at least
}

var _ BatchFilter = (*fitting)(nil)

// Filter implements Filter.
func (f *fitting) Filter(r *Request, c *cluster.State) *Reason {
	if have := f.d.slots(r, c); have < f.d.least {
		return &Reason{"InsufficientCapacity", fmt.Sprintf("the cluster has room for %d of the %d replicas that it would get at least", have, f.d.least)}
	}
	return nil
}

// FilterChunk implements BatchFilter.
func (f *fitting) FilterChunk(_ *Request, c *cluster.Chunk, clusters cluster.Mask, refuse func(string, cluster.Mask)) {
	if f.d.least == 0 {
		return
	}
	facts := c.Facts()
	refused := clusters.And(facts.CapacityKnown)
	for i, ok := refused.Next(0); ok; i, ok = refused.Next(i + 1) {
		if facts.MilliCPU[i] >= f.one.MilliCPU && facts.Memory[i] >= f.one.Memory &&
			facts.EphemeralStorage[i] >= f.one.EphemeralStorage && facts.Pods[i] >= f.one.Pods &&
			(len(f.one.Extended) == 0 || fits(f.d.unit, c.At(i).Free()) >= f.d.least) {
			refused.Clear(i)
		}
	}
	refuse("InsufficientCapacity", refused)
}

// demand is what a request asks of capacity.
type demand struct {
	// total replicas of all workloads.
	total int64
	// unit is what one replica requests; with several workloads the most that
	// any requests of each resource.
	unit cluster.Resources
	// least and most replicas that a chosen cluster gets.
	least, most int64
}

func demandOf(r *Request) demand {
	d := demand{total: total(r), unit: unit(r), most: unbounded}
	d.least = d.total
	if kind := division(r); kind != v1alpha1.DivisionDuplicated {
		least := int64(1)
		if m := r.Spec.Division.MinPerCluster; m != nil {
			least = max(least, int64(*m))
		}
		if m := r.Spec.Division.MaxPerCluster; m != nil {
			d.most = max(0, int64(*m))
		}
		d.least = min(d.total, least)
	}
	return d
}

// unbounded is the number of slots of a cluster whose capacity is not known, or
// that the request asks nothing of.
const unbounded = 1 << 40

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

func unit(r *Request) cluster.Resources {
	var u cluster.Resources
	for i := range r.Workloads {
		q := r.Workloads[i].Requests
		u.MilliCPU, u.Memory = max(u.MilliCPU, q.MilliCPU), max(u.Memory, q.Memory)
		u.EphemeralStorage, u.Pods = max(u.EphemeralStorage, q.EphemeralStorage), max(u.Pods, q.Pods)
		if len(q.Extended) > 0 && u.Extended == nil {
			u = u.Add(cluster.Resources{Extended: q.Extended}) // a map of its own
			continue
		}
		for name, v := range q.Extended {
			u.Extended[name] = max(u.Extended[name], v)
		}
	}
	return u
}

// scale multiplies what n replicas request; amounts beyond all reason stay the
// greatest there is. Extended resources are taken as they are.
func scale(u cluster.Resources, n int64) cluster.Resources {
	times := func(v int64) int64 {
		hi, lo := bits.Mul64(uint64(max(0, v)), uint64(max(0, n)))
		if hi != 0 || lo > math.MaxInt64 {
			return math.MaxInt64
		}
		return int64(lo)
	}
	u.MilliCPU, u.Memory = times(u.MilliCPU), times(u.Memory)
	u.EphemeralStorage, u.Pods = times(u.EphemeralStorage), times(u.Pods)
	return u
}

// slots returns how many replicas fit on a cluster, those of the request that
// are there counted in.
func (d *demand) slots(r *Request, c *cluster.State) int64 {
	if !c.CapacityKnown {
		return unbounded
	}
	n := fits(d.unit, c.Free())
	if t := r.target(c.Name); t != nil {
		own := d.total
		if t.Share != nil {
			own = *t.Share
		}
		n += min(max(0, own), unbounded)
	}
	return min(n, unbounded)
}

// fits returns how often u fits into free.
func fits(u, free cluster.Resources) int64 {
	n := int64(unbounded)
	fit := func(one, have int64) {
		if one > 0 {
			n = min(n, max(0, have)/one)
		}
	}
	fit(u.MilliCPU, free.MilliCPU)
	fit(u.Memory, free.Memory)
	fit(u.EphemeralStorage, free.EphemeralStorage)
	fit(u.Pods, free.Pods)
	for name, one := range u.Extended {
		fit(one, free.Extended[name])
	}
	return n
}

func division(r *Request) v1alpha1.DivisionType {
	if r.Spec == nil || r.Spec.Division == nil || r.Spec.Division.Type == "" {
		return v1alpha1.DivisionDuplicated
	}
	return r.Spec.Division.Type
}
