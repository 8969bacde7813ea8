package facts

import "math"

// Lot is a number of equal things: nodes with as much free, pods that request as
// much.
type Lot struct {
	// Each of them.
	Each Resources
	// Count of them.
	Count int64
}

// Room says how many pods with the given requests have room on the nodes of the
// cluster, node by node, and stops counting at most. It looks at resources alone,
// as Fits does. ok is false if nobody says what is free on each node.
func (s *State) Room(requests *Resources, most int64) (pods int64, ok bool) {
	if !s.CapacityKnown || s.NodeRoom == nil {
		return 0, false
	}
	for i := range s.NodeRoom {
		lot := &s.NodeRoom[i]
		n := Times(&lot.Each, requests)
		if n > 0 && lot.Count > (most-pods)/n {
			return most, true
		}
		if pods += n * lot.Count; pods >= most {
			return most, true
		}
	}
	return pods, true
}

// Times returns how many pods with the given requests fit into what is free on one
// node. Each takes a pod's place, whatever else it requests.
func Times(free, requests *Resources) int64 {
	n := max(0, free.Pods) / max(1, requests.Pods)
	fit := func(have, want int64) {
		if want > 0 {
			n = min(n, max(0, have)/want)
		}
	}
	fit(free.MilliCPU, requests.MilliCPU)
	fit(free.Memory, requests.Memory)
	fit(free.EphemeralStorage, requests.EphemeralStorage)
	for name, want := range requests.Extended {
		fit(free.Extended[name], want)
	}
	return min(n, math.MaxInt32)
}
