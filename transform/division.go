package transform

// Division says which part of a whole falls to a cluster.
type Division struct {
	// Shares of all the clusters that divide the whole, in an order that is
	// the same on each of them: by name.
	Shares []int64
	// Own is the index of this cluster's share.
	Own int
}

// most bounds a whole and the sum of shares, so that twice their product is within
// 63 bits.
const most = 1 << 30

// Of returns this cluster's part of a whole, by the method of Sainte-Laguë, by which
// replicas are divided, too. The parts of all clusters sum to the whole, and a
// greater whole gives nobody less: no part of a maximum is less than that of the
// minimum. It is zero where the shares make no sense; a whole beyond 2^30 counts as
// so many, and shares that sum to more are as exact as 30 bits are.
func (d *Division) Of(whole int64) int64 {
	shares, sum := d.shares()
	if sum == 0 || whole <= 0 || d.Own < 0 || d.Own >= len(shares) {
		return 0
	}
	whole = min(whole, most)
	parts := make([]int64, len(shares))
	left := whole
	for i, s := range shares {
		parts[i] = (2*whole*s + sum) / (2 * sum) // what is due, rounded
		left -= parts[i]
	}
	for ; left > 0; left-- {
		parts[next(shares, parts)]++
	}
	for ; left < 0; left++ {
		parts[last(shares, parts)]--
	}
	return parts[d.Own]
}

// shares returns the shares, in proportion, and their sum; zero if one is none.
func (d *Division) shares() (shares []int64, sum int64) {
	shares = d.Shares
	for {
		sum = 0
		for _, s := range shares {
			if s < 0 {
				return nil, 0
			}
			if sum += min(s, most+1); sum > most {
				break
			}
		}
		if sum <= most {
			return shares, sum
		}
		halves := make([]int64, len(shares))
		for i, s := range shares {
			halves[i] = s / 2
		}
		shares = halves
	}
}

// next returns to whom one more is due, the first among equals.
func next(shares, parts []int64) int {
	best := 0
	for i, s := range shares {
		if s*(2*parts[best]+1) > shares[best]*(2*parts[i]+1) {
			best = i
		}
	}
	return best
}

// last returns who got the last one, the last among equals.
func last(shares, parts []int64) int {
	best := -1
	for i, s := range shares {
		if parts[i] > 0 && (best < 0 || s*(2*parts[best]-1) <= shares[best]*(2*parts[i]-1)) {
			best = i
		}
	}
	return best
}
