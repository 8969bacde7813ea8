package placement

import (
	"cmp"
	"container/heap"
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
	divided := false
	for _, t := range targets {
		var share uint64
		if t.Share != nil {
			divided = true
			share = uint64(max(0, *t.Share))
		}
		seats = append(seats, seat{cluster: t.Cluster, share: share})
	}
	if !divided {
		return nil
	}
	if !anyShare(seats) {
		for i := range seats {
			seats[i].share = 1
		}
	}
	slices.SortFunc(seats, bySeat)
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

func bySeat(a, b seat) int { return cmp.Compare(a.cluster, b.cluster) }

func anyShare(seats []seat) bool {
	return slices.ContainsFunc(seats, func(s seat) bool { return s.share > 0 })
}

// apportion gives total to the seats: first what each is due, rounded, which
// apportions a number near the total; then one by one, to whom the next is due
// or from whom the last was.
func apportion(total uint64, seats []seat) {
	var sum uint64
	for _, s := range seats {
		if s.share>>62 != 0 || sum>>62 != 0 {
			for i := range seats { // shares beyond all reason: keep their proportion
				seats[i].share >>= 16
			}
			apportion(total, seats)
			return
		}
		sum += s.share
	}
	if sum == 0 || total == 0 {
		return
	}
	given := uint64(0)
	for i := range seats {
		hi, lo := bits.Mul64(2*total, seats[i].share)
		lo, carry := bits.Add64(lo, sum, 0)
		seats[i].n, _ = bits.Div64(hi+carry, lo, 2*sum) // at most total and a half, so it fits
		given += seats[i].n
	}
	if given == total {
		return
	}
	q := &line{seats: make([]*seat, 0, len(seats)), grow: given < total}
	for i := range seats {
		if seats[i].share > 0 {
			q.seats = append(q.seats, &seats[i])
		}
	}
	heap.Init(q)
	for ; given != total; heap.Fix(q, 0) {
		if q.grow {
			q.seats[0].n, given = q.seats[0].n+1, given+1
		} else {
			q.seats[0].n, given = q.seats[0].n-1, given-1
		}
	}
}

// line has first the seat that is due the next replica or, shrinking, that got
// the last. Ties go by name.
type line struct {
	seats []*seat
	grow  bool
}

func (q *line) Len() int      { return len(q.seats) }
func (q *line) Swap(i, j int) { q.seats[i], q.seats[j] = q.seats[j], q.seats[i] }
func (q *line) Push(any)      {}
func (q *line) Pop() any      { return nil }

func (q *line) Less(i, j int) bool {
	a, b := q.seats[i], q.seats[j]
	if q.grow {
		c := compareDue(a.share, 2*a.n+1, b.share, 2*b.n+1)
		return c > 0 || c == 0 && a.cluster < b.cluster
	}
	if a.n == 0 || b.n == 0 {
		return a.n > b.n
	}
	c := compareDue(a.share, 2*a.n-1, b.share, 2*b.n-1)
	return c < 0 || c == 0 && a.cluster > b.cluster
}

// compareDue compares a/x with b/y.
func compareDue(a, x, b, y uint64) int {
	ahi, alo := bits.Mul64(a, y)
	bhi, blo := bits.Mul64(b, x)
	return cmp.Or(cmp.Compare(ahi, bhi), cmp.Compare(alo, blo))
}
