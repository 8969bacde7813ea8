package facts

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// ChunkSize is the greatest number of clusters in a Chunk.
const ChunkSize = 256

// Chunk is a run of consecutive clusters of a Snapshot, immutable and shared
// by the snapshots that have it in common. It computes columns over its
// clusters when they are first asked for, and keeps them: what looks at one
// fact of every cluster reads a dense array instead of a State each.
type Chunk struct {
	states  []*State
	facts   atomic.Pointer[Facts]
	slots   atomic.Pointer[Slots]
	columns atomic.Pointer[[]keyedColumn]
	numbers atomic.Pointer[[]keyedNumbers]
}

// appendChunks appends chunks of the states, of about equal size.
func appendChunks(chunks []*Chunk, states []*State) []*Chunk {
	if len(states) == 0 {
		return chunks
	}
	n := (len(states) + ChunkSize - 1) / ChunkSize
	for i := range n {
		part := states[i*len(states)/n : (i+1)*len(states)/n]
		chunks = append(chunks, &Chunk{states: slices.Clip(part)})
	}
	return chunks
}

// Len returns the number of clusters in the chunk.
func (c *Chunk) Len() int { return len(c.states) }

// At returns the i-th cluster of the chunk.
func (c *Chunk) At(i int) *State { return c.states[i] }

// Mask is a set of clusters of a Chunk, by their place in it.
type Mask [ChunkSize / 64]uint64

// FullMask returns the set of the first n.
func FullMask(n int) (m Mask) {
	for i := range m {
		switch left := n - i*64; {
		case left >= 64:
			m[i] = ^uint64(0)
		case left > 0:
			m[i] = 1<<left - 1
		}
	}
	return m
}

// Has says whether i is in the set.
func (m *Mask) Has(i int) bool { return m[i/64]&(1<<(i%64)) != 0 }

// Set adds i.
func (m *Mask) Set(i int) { m[i/64] |= 1 << (i % 64) }

// Clear removes i.
func (m *Mask) Clear(i int) { m[i/64] &^= 1 << (i % 64) }

// And returns what is in both sets.
func (m Mask) And(o Mask) Mask {
	for i := range m {
		m[i] &= o[i]
	}
	return m
}

// Or returns what is in either set.
func (m Mask) Or(o Mask) Mask {
	for i := range m {
		m[i] |= o[i]
	}
	return m
}

// AndNot returns what is in m and not in o.
func (m Mask) AndNot(o Mask) Mask {
	for i := range m {
		m[i] &^= o[i]
	}
	return m
}

// Count returns the size of the set.
func (m *Mask) Count() (n int) {
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// Next returns the first element at or after i; false if there is none.
func (m *Mask) Next(i int) (int, bool) {
	for w := i / 64; w < len(m); w++ {
		word := m[w]
		if w == i/64 {
			word &= ^uint64(0) << (i % 64)
		}
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word), true
		}
	}
	return 0, false
}
