package facts

import (
	"iter"
	"slices"
	"strings"
)

// Snapshot is the fleet at one moment: an immutable list of States, sorted by
// name. Any number of readers may use it at once, for as long as they like.
//
// It is a list of chunks. A snapshot made from another by With or Without
// shares all chunks but those that changed, and with them the columns that have
// been computed: replacing one cluster of a million copies one chunk and the
// list of chunks.
type Snapshot struct {
	chunks []*Chunk
	starts []int // position of the first cluster of each chunk
	len    int
}

// NewSnapshot returns a snapshot of the given states. The last of several
// with one name wins; nil states are left out.
func NewSnapshot(states ...*State) *Snapshot {
	return snapshotOf(appendChunks(nil, normalize(states)))
}

func snapshotOf(chunks []*Chunk) *Snapshot {
	s := &Snapshot{chunks: chunks, starts: make([]int, len(chunks))}
	for i, c := range chunks {
		s.starts[i] = s.len
		s.len += len(c.states)
	}
	return s
}

// normalize returns a sorted copy in which each name occurs once.
func normalize(states []*State) []*State {
	sorted := slices.Clone(states)
	if slices.Contains(sorted, nil) {
		sorted = slices.DeleteFunc(sorted, func(s *State) bool { return s == nil })
	}
	if !slices.IsSortedFunc(sorted, byName) {
		slices.SortStableFunc(sorted, byName)
	}
	out := sorted[:0]
	for i, s := range sorted {
		if i+1 < len(sorted) && sorted[i+1].Name == s.Name {
			continue
		}
		out = append(out, s)
	}
	return out
}

func byName(a, b *State) int { return strings.Compare(a.Name, b.Name) }

func compareName(s *State, name string) int { return strings.Compare(s.Name, name) }

// Len returns the number of clusters.
func (s *Snapshot) Len() int { return s.len }

// At returns the i-th cluster by name; it panics if i is out of range, as a
// slice does.
func (s *Snapshot) At(i int) *State {
	at, exact := slices.BinarySearch(s.starts, i)
	if !exact {
		at--
	}
	return s.chunks[at].states[i-s.starts[at]]
}

// Lookup returns the state of a cluster.
func (s *Snapshot) Lookup(name string) (*State, bool) {
	i, ok := s.Index(name)
	if !ok {
		return nil, false
	}
	return s.At(i), true
}

// Index returns the position of a cluster, or where it would be.
func (s *Snapshot) Index(name string) (int, bool) {
	if len(s.chunks) == 0 {
		return 0, false
	}
	at := s.chunkFor(name)
	i, ok := slices.BinarySearchFunc(s.chunks[at].states, name, compareName)
	return s.starts[at] + i, ok
}

// chunkFor returns the chunk in which a name is, or belongs.
func (s *Snapshot) chunkFor(name string) int {
	at, exact := slices.BinarySearchFunc(s.chunks, name, func(c *Chunk, name string) int {
		return strings.Compare(c.states[0].Name, name)
	})
	if exact || at == 0 {
		return at
	}
	return at - 1
}

// All iterates over the clusters by name.
func (s *Snapshot) All() iter.Seq[*State] {
	return func(yield func(*State) bool) {
		for _, c := range s.chunks {
			for _, state := range c.states {
				if !yield(state) {
					return
				}
			}
		}
	}
}

// Chunks iterates over the chunks in order, each with the position of its
// first cluster.
func (s *Snapshot) Chunks() iter.Seq2[int, *Chunk] {
	return func(yield func(int, *Chunk) bool) {
		for i, c := range s.chunks {
			if !yield(s.starts[i], c) {
				return
			}
		}
	}
}

// With returns a snapshot in which the given states replace those of the same
// names or are added.
func (s *Snapshot) With(states ...*State) *Snapshot {
	states = normalize(states)
	if s.len == 0 {
		return snapshotOf(appendChunks(nil, states))
	}
	chunks := make([]*Chunk, 0, len(s.chunks)+1+len(states)/ChunkSize)
	for at := 0; len(states) > 0; {
		next := s.chunkFor(states[0].Name)
		chunks = append(chunks, s.chunks[at:next]...)
		n := len(states)
		if next+1 < len(s.chunks) {
			n, _ = slices.BinarySearchFunc(states, s.chunks[next+1].states[0].Name, compareName)
		}
		chunks = appendChunks(chunks, mergeStates(s.chunks[next].states, states[:n]))
		states, at = states[n:], next+1
		if len(states) == 0 {
			chunks = append(chunks, s.chunks[at:]...)
		}
	}
	if len(chunks) == 0 {
		return s // nothing given
	}
	return snapshotOf(chunks)
}

// mergeStates merges two sorted lists; of two states with one name, b's wins.
func mergeStates(a, b []*State) []*State {
	out := make([]*State, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := byName(a[0], b[0]); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c == 0:
			a = a[1:]
		default:
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// Without returns a snapshot without the named clusters.
func (s *Snapshot) Without(names ...string) *Snapshot {
	drop := make(map[int][]int, len(names)) // by chunk
	for _, name := range names {
		if i, ok := s.Index(name); ok {
			at := s.chunkFor(name)
			drop[at] = append(drop[at], i-s.starts[at])
		}
	}
	if len(drop) == 0 {
		return s
	}
	chunks := make([]*Chunk, 0, len(s.chunks))
	for at, c := range s.chunks {
		gone, hit := drop[at]
		if !hit {
			chunks = append(chunks, c)
			continue
		}
		left := make([]*State, 0, len(c.states))
		for i, state := range c.states {
			if !slices.Contains(gone, i) {
				left = append(left, state)
			}
		}
		if last := len(chunks) - 1; last >= 0 && len(left)+len(chunks[last].states) <= ChunkSize/2 {
			left = append(slices.Clone(chunks[last].states), left...)
			chunks = chunks[:last]
		}
		if len(left) > 0 {
			chunks = append(chunks, &Chunk{states: left})
		}
	}
	return snapshotOf(chunks)
}
