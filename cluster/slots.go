package cluster

import (
	"slices"
)

// mostSlots bounds the free slots that are kept of a cluster. The nodes of a
// cluster are mostly alike, and few have more of one thing and less of another.
const mostSlots = 16

// freeSlotsLocked returns what is free on single nodes, without those that have
// no more of anything than another; more says that some are left out. It costs
// time in proportion to the nodes, once for all changes since it was last asked.
func (u *usage) freeSlotsLocked() (slots []Resources, more bool) {
	if u.slotsFresh {
		return u.slots, u.moreSlots
	}
	rooms := u.roomsLocked()
	for i := range rooms {
		free := rooms[i].Each
		if slices.ContainsFunc(slots, func(s Resources) bool { return dominates(&s, &free) }) {
			continue
		}
		slots = slices.DeleteFunc(slots, func(s Resources) bool { return dominates(&free, &s) })
		if len(slots) == mostSlots {
			more = true
			continue
		}
		slots = append(slots, free)
	}
	if more {
		// Which are left out depends on the order: rather none than some.
		slots = nil
	}
	slices.SortFunc(slots, compareResources)
	if u.rooms, u.lots = nil, nil; u.nodesRead && u.podsRead {
		u.rooms, u.lots = fewer(rooms, false), u.podLotsLocked()
	}
	u.slots, u.moreSlots, u.slotsFresh = slots, more, true
	return slots, more
}

// dominates says whether a slot has at least as much of everything.
func dominates(a, b *Resources) bool {
	if a.MilliCPU < b.MilliCPU || a.Memory < b.Memory || a.EphemeralStorage < b.EphemeralStorage || a.Pods < b.Pods {
		return false
	}
	for name, v := range b.Extended {
		if a.Extended[name] < v {
			return false
		}
	}
	return true
}

// compareResources orders slots, so that equal sets are equal lists.
func compareResources(a, b Resources) int {
	for _, d := range []int64{b.MilliCPU - a.MilliCPU, b.Memory - a.Memory, b.EphemeralStorage - a.EphemeralStorage, b.Pods - a.Pods} {
		switch {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
	}
	return 0
}
