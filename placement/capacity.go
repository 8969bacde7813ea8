package placement

import (
	"math"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// unbounded is the number of slots of a cluster whose capacity is not known, or
// that the request asks nothing of.
const unbounded = math.MaxInt32

// total is the number of replicas of all workloads of the request.
func total(r *Request) int64 {
	var n int64
	for i := range r.Workloads {
		if replicas := r.Workloads[i].Replicas; replicas != nil {
			n += int64(max(0, *replicas))
		}
	}
	return n
}

// unit is what one replica requests; with several workloads the most that any
// requests of each resource.
func unit(r *Request) cluster.Resources {
	var u cluster.Resources
	for i := range r.Workloads {
		q := r.Workloads[i].Requests
		u.MilliCPU, u.Memory = max(u.MilliCPU, q.MilliCPU), max(u.Memory, q.Memory)
		u.EphemeralStorage, u.Pods = max(u.EphemeralStorage, q.EphemeralStorage), max(u.Pods, q.Pods)
		for name, v := range q.Extended {
			if u.Extended == nil {
				u = u.Add(cluster.Resources{Extended: q.Extended})
			}
			u.Extended[name] = max(u.Extended[name], v)
		}
	}
	return u
}

// slots returns how many replicas fit on a cluster, those of the request that
// are there counted in.
func slots(r *Request, c *cluster.State) int64 {
	if !c.CapacityKnown {
		return unbounded
	}
	u, free := unit(r), c.Free()
	n := fits(u, free)
	for i := range r.Current {
		if t := &r.Current[i]; t.Cluster == c.Name {
			own := total(r)
			if t.Share != nil {
				own = *t.Share
			}
			n += max(0, own)
		}
	}
	return min(n, unbounded)
}

// fits returns how often u fits into free.
func fits(u, free cluster.Resources) int64 {
	n := int64(unbounded)
	for _, p := range [][2]int64{
		{u.MilliCPU, free.MilliCPU}, {u.Memory, free.Memory}, {u.EphemeralStorage, free.EphemeralStorage}, {u.Pods, free.Pods},
	} {
		if p[0] > 0 {
			n = min(n, p[1]/p[0])
		}
	}
	for name, v := range u.Extended {
		if v > 0 {
			n = min(n, free.Extended[name]/v)
		}
	}
	return max(0, n)
}

func division(r *Request) v1alpha1.DivisionType {
	if r.Spec.Division == nil || r.Spec.Division.Type == "" {
		return v1alpha1.DivisionDuplicated
	}
	return r.Spec.Division.Type
}
