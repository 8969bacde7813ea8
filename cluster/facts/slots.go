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
