package facts

import (
	"slices"
)

// Fits says whether some node of the cluster has room for a pod with the given
// requests. Where that is not known for sure it says so: a cluster should not be
// refused for what is not known.
func (s *State) Fits(requests Resources) bool {
	if !s.CapacityKnown || s.MoreSlots {
		return true
	}
	return slices.ContainsFunc(s.FreeSlots, func(slot Resources) bool { return covers(&slot, &requests) })
}

// covers says whether an amount is at least another, resource by resource. A pod
// takes a pod's place, whatever else it requests.
func covers(have, want *Resources) bool {
	if have.MilliCPU < want.MilliCPU || have.Memory < want.Memory || have.EphemeralStorage < want.EphemeralStorage || have.Pods < max(1, want.Pods) {
		return false
	}
	for name, v := range want.Extended {
		if have.Extended[name] < v {
			return false
		}
	}
	return true
}

// Slots are columns over what is free on single nodes of the clusters of a Chunk.
// They are shared and must not be changed.
type Slots struct {
	// Known clusters say what is free on their nodes. Of the others nothing is
	// known, and the columns are zero; they are nil if there are only such.
	Known Mask
	// MilliCPU, Memory, EphemeralStorage and Pods are free on one node of each:
	// that with the most cpu. Another may have more of something else.
	MilliCPU, Memory, EphemeralStorage, Pods []int64
	// Least is the least of each of them among the known clusters, and the
	// greatest number there is if there are none.
	Least Resources
}

// Slots returns the columns of what is free on single nodes.
func (c *Chunk) Slots() *Slots {
	if s := c.slots.Load(); s != nil {
		return s
	}
	s := c.computeSlots()
	c.slots.Store(s) // whoever computes it computes the same
	return s
}

func (c *Chunk) computeSlots() *Slots {
	s := &Slots{Least: mostResources}
	for i, state := range c.states {
		if !state.CapacityKnown || state.MoreSlots || len(state.FreeSlots) == 0 {
			continue
		}
		if s.MilliCPU == nil {
			n := len(c.states)
			numbers := make([]int64, 4*n)
			s.MilliCPU, s.Memory, s.EphemeralStorage, s.Pods = numbers[:n:n], numbers[n:2*n:2*n], numbers[2*n:3*n:3*n], numbers[3*n:]
		}
		s.Known.Set(i)
		most := &state.FreeSlots[0]
		for j := range state.FreeSlots[1:] {
			if other := &state.FreeSlots[j+1]; other.MilliCPU > most.MilliCPU {
				most = other
			}
		}
		s.MilliCPU[i], s.Memory[i], s.EphemeralStorage[i], s.Pods[i] = most.MilliCPU, most.Memory, most.EphemeralStorage, most.Pods
		s.Least.lower(most.MilliCPU, most.Memory, most.EphemeralStorage, most.Pods)
	}
	return s
}
