package placement

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// part is what one cluster gets.
type part struct {
	least, most, weight, n int64
}

// mostShare bounds the weight of a cluster by its free capacity.
const mostShare = math.MaxInt32

// priceBits are the bits of a price behind the point. With weights of no more
// bits a step of the price changes what a part is due by one at most.
const priceBits = 20

// fill gives to, or takes from, whom the weights make due, by the rule of
// Sainte-Laguë, until the parts have the sum that is wanted, within their
// bounds. It returns the sum. Among equals the first gets more.
//
// What each is due at a price, in replicas per weight, is known at once; the
// highest price at which not too many are given is found by bisection, and the
// few that are left go to those next in line.
func fill(parts []part, want, sum int64) int64 {
	if sum == want {
		return sum
	}
	for i := range parts { // from here on, bounds of the new n
		p := &parts[i]
		switch {
		case sum > want:
			p.least, p.most = min(p.least, p.n), p.n
		case p.weight <= 0:
			p.least, p.most = p.n, p.n
		default:
			p.least, p.most = p.n, max(p.n, p.most)
		}
	}
	trim(parts)
	low, high := uint64(0), uint64(math.MaxUint64)
	for high-low > 1 {
		if price := low + (high-low)/2; sumAt(parts, price) <= want {
			low = price
		} else {
			high = price
		}
	}
	var next []*part // in line: those who get one more at the next price
	sum = 0
	for i := range parts {
		p := &parts[i]
		p.n = p.at(low)
		sum += p.n
		if p.at(low+1) > p.n {
			next = append(next, p)
		}
	}
	slices.SortStableFunc(next, func(a, b *part) int { return cmp.Compare(b.weight*(2*a.n+1), a.weight*(2*b.n+1)) })
	for _, p := range next[:min(int64(len(next)), max(0, want-sum))] {
		p.n++
		sum++
	}
	return sum
}

// trim brings the weights to no more than priceBits bits.
func trim(parts []part) {
	most := int64(0)
	for i := range parts {
		most = max(most, parts[i].weight)
	}
	for shift := bits.Len64(uint64(most)) - priceBits; shift > 0; shift = 0 {
		for i := range parts {
			if w := &parts[i].weight; *w > 0 {
				*w = max(1, *w>>shift)
			}
		}
	}
}

func sumAt(parts []part, price uint64) (sum int64) {
	for i := range parts {
		sum += parts[i].at(price)
	}
	return sum
}

// at returns what a part is due at a price, within its bounds.
func (p *part) at(price uint64) int64 {
	hi, lo := bits.Mul64(uint64(max(0, p.weight)), price)
	lo, carry := bits.Add64(lo, 1<<(priceBits-1), 0)
	hi += carry
	due := uint64(math.MaxInt64)
	if hi < 1<<(priceBits-1) {
		due = hi<<(64-priceBits) | lo>>priceBits
	}
	return max(p.least, int64(min(due, uint64(p.most))))
}
