package placement

import "math/bits"

// chooseRoomy chooses where the best choice by score may not hold the replicas,
// or as few clusters as can be are wanted. Whether a choice holds them is exact:
// for every number of clusters, the one with the most room is known. Among those
// that hold them, the score is the best on the convex hull of (room, score): a
// bound on what is lost is the worth of one cluster.
func (s *screened) chooseRoomy(b *bounds, v *solver, best *selection, want int64, packed bool) *selection {
	for i := range s.fitting {
		s.fitting[i].worth = min(want, s.roomOf(&s.fitting[i]))
	}
	answers := v.solve()
	n, roomiest := s.roomiest(b, answers, want, packed)
	if n == 0 {
		return best
	}
	members := answers.members(n)
	if roomiest < want {
		if len(best.members) == n || s.room(best.members) >= roomiest {
			return best // nothing holds them: as before
		}
		return &selection{members: members}
	}
	return &selection{members: s.tighten(v, members, want, n), holds: true}
}

// roomiest returns the number of clusters to choose, and the room of the choice
// with the most: the greatest number that holds the replicas; packed, the
// smallest that does and keeps all targets that may stay; if none holds them,
// the one with the most room.
func (s *screened) roomiest(b *bounds, answers *answers, want int64, packed bool) (n int, room int64) {
	room = -1
	consider := func(k int) bool {
		if !answers.feasible(k) {
			return false
		}
		if r := answers.worth(k); r > room {
			n, room = k, r
		}
		return room >= want
	}
	if !packed {
		for k := b.most; k >= b.least && !consider(k); k-- {
		}
		return n, room
	}
	for k := max(b.least, min(b.most, s.staying())); k <= b.most; k++ {
		if consider(k) {
			return n, room
		}
	}
	for k := b.least; k <= b.most; k++ { // those that stay can't all
		if consider(k) {
			break
		}
	}
	return n, room
}

// staying counts the targets that may stay. Replicas that fit on them are not
// packed anew; what comes to hold none of them is given up.
func (s *screened) staying() (n int) {
	for i := range s.fitting {
		if s.fitting[i].current {
			n++
		}
	}
	return n
}

// tighten returns the best choice of n clusters by worth that holds the
// replicas, among those that some price of room makes best. members holds them.
func (s *screened) tighten(v *solver, members []int32, want int64, n int) []int32 {
	best, bestWorth := members, s.worthOf(members)
	room := make([]int64, len(s.fitting))
	for i := range room {
		room[i] = min(want, s.roomOf(&s.fitting[i]))
	}
	// The price of one replica's room, in 1/256 of a score; beyond high, the
	// sums would overflow.
	high := int64(1)<<62/(want*int64(n)+1) + 1
	shift := max(0, bits.Len64(uint64(stay)*256*uint64(n))-61)
	for low := int64(-1); high-low > 1; {
		price := low + (high-low)/2
		if low < 1<<20 { // small prices matter most: first by order of magnitude
			price = max(low+1, min(price, max(0, low)*16+1))
		}
		for i := range s.fitting {
			s.fitting[i].worth = s.fitting[i].keepWorth()*256>>shift + price*room[i]
		}
		answers := v.solve()
		if !answers.feasible(n) { // the search was cut
			break
		}
		found := answers.members(n)
		if s.room(found) < want {
			low = price
			continue
		}
		high = price
		if w := s.worthOf(found); w > bestWorth {
			best, bestWorth = found, w
		}
	}
	return best
}

func (s *screened) worthOf(members []int32) (sum int64) {
	for _, m := range members {
		sum += s.fitting[m].keepWorth()
	}
	return sum
}
