package transform

// Division says which part of a whole falls to a cluster.
type Division struct {
	// Shares of all the clusters that divide the whole, in an order that is
	// the same on each of them: by name.
	Shares []int64
	// Own is the index of this cluster's share.
	Own int
}

// maxShare keeps products of a share and a whole within 63 bits.
const maxShare = 1 << 31

// Of returns this cluster's part of a whole. The parts of all clusters sum to
// the whole: each gets what its share is worth, rounded down, and what is left
// goes one by one to the largest remainders, the first among equals. It is zero
// where the shares make no sense.
func (d *Division) Of(whole int64) int64 {
	var sum int64
	for _, s := range d.Shares {
		if s < 0 || s > maxShare {
			return 0
		}
		sum += s
	}
	if sum == 0 || whole <= 0 || whole > maxShare || d.Own < 0 || d.Own >= len(d.Shares) {
		return 0
	}
	left := whole
	for _, s := range d.Shares {
		left -= whole * s / sum
	}
	own := whole * d.Shares[d.Own] / sum
	remainder, ahead := whole*d.Shares[d.Own]%sum, int64(0)
	for i, s := range d.Shares {
		if r := whole * s % sum; r > remainder || r == remainder && i < d.Own {
			ahead++
		}
	}
	if ahead < left {
		own++
	}
	return own
}
