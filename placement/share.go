package placement

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// share divides the replicas over the chosen clusters. Shares by capacity stay
// as they are while they fit; those that must change move as little as they
// can.
func share(r *Request, chosen []*candidate) *Reason {
	kind := division(r)
	if kind == v1alpha1.DivisionDuplicated || len(chosen) == 0 {
		return nil
	}
	least, most := int64(0), int64(unbounded)
	if m := r.Spec.Division.MinPerCluster; m != nil {
		least = int64(*m)
	}
	if m := r.Spec.Division.MaxPerCluster; m != nil {
		most = int64(*m)
	}
	want := total(r)
	if want == 0 {
		return proportions(r, chosen)
	}
	if kind == v1alpha1.DivisionCapacity && want >= int64(len(chosen)) {
		least = max(least, 1) // a cluster is chosen to be used
	}
	parts := make([]*part, 0, len(chosen))
	for _, c := range chosen {
		p := &part{
			candidate: c, least: least, most: min(most, c.slots), weight: weigh(r, c),
			sticky: kind == v1alpha1.DivisionCapacity || kind == v1alpha1.DivisionPacked,
		}
		if p.sticky && c.current != nil && c.current.Share != nil {
			p.n = max(0, min(*c.current.Share, p.most))
		}
		parts = append(parts, p)
	}
	if keeps(parts, want) {
		for _, p := range parts {
			p.share = p.current.Share
		}
		return nil
	}
	return settle(parts, want, kind == v1alpha1.DivisionPacked)
}

// dropEmpty gives up clusters that packing left without a replica, as far as
// the request can do without them.
func dropEmpty(r *Request, chosen []*candidate) []*candidate {
	if division(r) != v1alpha1.DivisionPacked || len(r.Spec.Spread) > 0 || total(r) == 0 {
		return chosen
	}
	least, _ := bounds(r, len(chosen))
	excess := len(chosen) - least
	return slices.DeleteFunc(chosen, func(c *candidate) bool {
		if c.share == nil || *c.share > 0 || excess <= 0 {
			return false
		}
		excess--
		return true
	})
}

// part is what one cluster gets.
type part struct {
	*candidate
	least, most, weight, n int64
	// sticky parts stay as they are while they fit.
	sticky bool
}

// keeps says whether the shares that were decided before still divide the
// replicas so that every part fits: then nothing need be written, whatever they
// sum to.
func keeps(parts []*part, want int64) bool {
	targets := make([]v1alpha1.Target, 0, len(parts))
	for _, p := range parts {
		if !p.sticky || p.current == nil || p.current.Share == nil {
			return false
		}
		targets = append(targets, *p.current)
	}
	divided := Divide(int32(min(want, math.MaxInt32)), targets)
	for _, p := range parts {
		if n := int64(divided[p.state.Name]); n < p.least || n > p.most {
			return false
		}
	}
	return true
}

// settle brings the parts to the sum that is wanted.
func settle(parts []*part, want int64, packed bool) *Reason {
	slices.SortFunc(parts, func(a, b *part) int {
		return cmp.Or(cmp.Compare(b.worth(), a.worth()), cmp.Compare(a.state.Name, b.state.Name))
	})
	sum := int64(0)
	for _, p := range parts {
		p.n = max(p.n, min(p.least, p.most))
		sum += p.n
	}
	if packed {
		sum = pack(parts, want, sum)
	} else {
		sum = spreadOut(parts, want, sum)
	}
	for _, p := range parts {
		p.share = new(p.n)
	}
	if sum != want {
		return &Reason{v1alpha1.ReasonInsufficientCapacity, fmt.Sprintf("the chosen clusters take %d of %d replicas within their capacity and spec.division; add capacity or clusters", sum, want)}
	}
	return nil
}

// pack fills the best cluster first and empties the worst first.
func pack(parts []*part, want, sum int64) int64 {
	for _, p := range parts {
		if d := min(want-sum, p.most-p.n); d > 0 {
			p.n, sum = p.n+d, sum+d
		}
	}
	for _, p := range slices.Backward(parts) {
		if d := min(sum-want, p.n-p.least); d > 0 {
			p.n, sum = p.n-d, sum-d
		}
	}
	return sum
}

// spreadOut gives to, or takes from, whom the weights make due, by the rule of
// Sainte-Laguë. What all are due for certain is given at once.
func spreadOut(parts []*part, want, sum int64) int64 {
	if sum == 0 || allZero(parts) {
		var weights uint64
		for _, p := range parts {
			weights += uint64(p.weight)
		}
		for _, p := range parts {
			if weights == 0 {
				break
			}
			hi, lo := bits.Mul64(uint64(want), uint64(p.weight))
			quota, _ := bits.Div64(hi, lo, weights)
			d := min(int64(quota)-int64(len(parts)/2+1), p.most-p.n)
			if d > 0 {
				p.n, sum = p.n+d, sum+d
			}
		}
	}
	q := &queue{parts: slices.Clone(parts), grow: sum < want}
	heap.Init(q)
	for sum != want && len(q.parts) > 0 {
		p := q.parts[0]
		switch {
		case q.grow && p.n < p.most && p.weight > 0:
			p.n, sum = p.n+1, sum+1
		case !q.grow && p.n > p.least:
			p.n, sum = p.n-1, sum-1
		default:
			heap.Pop(q)
			continue
		}
		heap.Fix(q, 0)
	}
	return sum
}

func allZero(parts []*part) bool {
	return !slices.ContainsFunc(parts, func(p *part) bool { return p.n > 0 })
}

// queue has first who is due the next replica or, shrinking, who can spare one.
type queue struct {
	parts []*part
	grow  bool
}

func (q *queue) Len() int      { return len(q.parts) }
func (q *queue) Swap(i, j int) { q.parts[i], q.parts[j] = q.parts[j], q.parts[i] }
func (q *queue) Push(x any)    { q.parts = append(q.parts, x.(*part)) }

func (q *queue) Pop() any {
	last := q.parts[len(q.parts)-1]
	q.parts = q.parts[:len(q.parts)-1]
	return last
}

func (q *queue) Less(i, j int) bool {
	a, b := q.parts[i], q.parts[j]
	x, y := uint64(2*a.n+1), uint64(2*b.n+1)
	if !q.grow {
		x, y = uint64(max(0, 2*a.n-1)), uint64(max(0, 2*b.n-1))
	}
	ahi, alo := bits.Mul64(uint64(a.weight), y)
	bhi, blo := bits.Mul64(uint64(b.weight), x)
	if ahi == bhi && alo == blo {
		if q.grow {
			return a.state.Name < b.state.Name
		}
		return a.state.Name > b.state.Name
	}
	greater := ahi > bhi || ahi == bhi && alo > blo
	return greater == q.grow
}

// weigh returns the weight of a cluster in the division.
func weigh(r *Request, c *candidate) int64 {
	switch division(r) {
	case v1alpha1.DivisionWeighted:
		for i := range r.Spec.Division.Weights {
			w := &r.Spec.Division.Weights[i]
			if ok, err := Matches(&w.Clusters, c.state); ok && err == nil {
				return int64(max(0, w.Weight))
			}
		}
	case v1alpha1.DivisionCapacity, v1alpha1.DivisionPacked:
		return c.slots
	case v1alpha1.DivisionDuplicated, v1alpha1.DivisionEven:
	}
	return 1
}

// proportions gives shares where there is no number of replicas to divide.
func proportions(r *Request, chosen []*candidate) *Reason {
	for _, c := range chosen {
		c.share = new(max(1, weigh(r, c)))
		if c.current != nil && c.current.Share != nil && division(r) != v1alpha1.DivisionWeighted {
			c.share = c.current.Share
		}
	}
	return nil
}
