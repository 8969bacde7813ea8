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
	pod := *requests
	pod.Pods = max(1, pod.Pods)
	return HowOften(free, &pod, math.MaxInt32)
}

// HowOften returns how often an amount fits into what is free, at most so often.
// Resources of which the amount has none do not count.
func HowOften(free, amount *Resources, most int64) int64 {
	n := most
	fit := func(have, one int64) {
		if one > 0 {
			n = min(n, max(0, have)/one)
		}
	}
	fit(free.MilliCPU, amount.MilliCPU)
	fit(free.Memory, amount.Memory)
	fit(free.EphemeralStorage, amount.EphemeralStorage)
	fit(free.Pods, amount.Pods)
	for name, one := range amount.Extended {
		fit(free.Extended[name], one)
	}
	return n
}
