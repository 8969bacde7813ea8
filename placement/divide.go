package placement

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Divide divides the replicas of one object over targets in proportion to their
// shares, by the method of Sainte-Laguë (Webster), with which one replica more
// changes the number on exactly one target, and by one. The parts sum to the
// replicas. Shares that sum to the replicas are returned as they are.
//
// It returns nil, for "all replicas on every target", if no target has a share.
// If some have one, those without get no replicas. If all shares are zero, they
// count as equal. Negative replicas count as none. Leaving targets are not
// special: pass those that are meant.
func Divide(replicas int32, targets []v1alpha1.Target) map[string]int32 {
	seats := make([]seat, 0, len(targets))
	divided, zero := false, true
	for _, t := range targets {
		var share uint64
		if t.Share != nil {
			divided = true
			share = uint64(max(0, *t.Share))
		}
		zero = zero && share == 0
		seats = append(seats, seat{cluster: t.Cluster, share: share})
	}
	if !divided {
		return nil
	}
	if zero {
		for i := range seats {
			seats[i].share = 1
		}
	}
	slices.SortFunc(seats, func(a, b seat) int { return cmp.Compare(a.cluster, b.cluster) })
	apportion(uint64(max(0, replicas)), seats)
	parts := make(map[string]int32, len(seats))
	for _, s := range seats {
		parts[s.cluster] += int32(s.n)
	}
	return parts
}

type seat struct {
	cluster string
	share   uint64
	n       uint64
}

// apportion gives total to the seats. It starts a little below what each is due
// for certain, and gives the rest one by one.
func apportion(total uint64, seats []seat) {
	var sum uint64
	for _, s := range seats {
		var carry uint64
		if sum, carry = bits.Add64(sum, s.share, 0); carry != 0 {
			for i := range seats { // shares beyond all reason: keep their proportion
				seats[i].share >>= 16
			}
			apportion(total, seats)
			return
		}
	}
	if sum == 0 || total == 0 {
		return
	}
	given := uint64(0)
	for i := range seats {
		hi, lo := bits.Mul64(total, seats[i].share)
		quota, _ := bits.Div64(hi, lo, sum) // at most total, so it fits
		// Sainte-Laguë may stray from the quota, by less than half of the
		// number of seats.
		seats[i].n = quota - min(quota, uint64(len(seats)/2+1))
		if sum == total {
			seats[i].n = quota // exact
		}
		given += seats[i].n
	}
	for ; given < total; given++ {
		best := -1
		for i := range seats {
			if seats[i].share > 0 && (best < 0 || due(seats[i], seats[best])) {
				best = i
			}
		}
		seats[best].n++
	}
}

// due says whether a is due the next seat before b: share/(2n+1) is greater.
func due(a, b seat) bool {
	ahi, alo := bits.Mul64(a.share, 2*b.n+1)
	bhi, blo := bits.Mul64(b.share, 2*a.n+1)
	return ahi > bhi || ahi == bhi && alo > blo
}
