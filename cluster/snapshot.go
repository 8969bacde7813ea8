package cluster

import (
	"iter"
	"slices"
	"strings"
)

// Snapshot is the fleet at one moment: an immutable list of States, sorted by
// name. Any number of readers may use it at once, for as long as they like.
type Snapshot struct {
	states []*State
}

// NewSnapshot returns a snapshot of the given states. The last of several
// with one name wins.
func NewSnapshot(states ...*State) *Snapshot {
	sorted := slices.Clone(states)
	slices.SortStableFunc(sorted, func(a, b *State) int { return strings.Compare(a.Name, b.Name) })
	out := sorted[:0]
	for i, s := range sorted {
		if i+1 < len(sorted) && sorted[i+1].Name == s.Name {
			continue
		}
		out = append(out, s)
	}
	return &Snapshot{states: out}
}

// Len returns the number of clusters.
func (s *Snapshot) Len() int { return len(s.states) }

// At returns the i-th cluster by name; it panics if i is out of range, as a
// slice does.
func (s *Snapshot) At(i int) *State { return s.states[i] }

// Lookup returns the state of a cluster.
func (s *Snapshot) Lookup(name string) (*State, bool) {
	i, ok := slices.BinarySearchFunc(s.states, name, func(st *State, n string) int {
		return strings.Compare(st.Name, n)
	})
	if !ok {
		return nil, false
	}
	return s.states[i], true
}

// All iterates over the clusters by name.
func (s *Snapshot) All() iter.Seq[*State] { return slices.Values(s.states) }

// With returns a snapshot in which the given states replace those of the same
// names or are added.
func (s *Snapshot) With(states ...*State) *Snapshot {
	return NewSnapshot(append(slices.Clone(s.states), states...)...)
}

// Without returns a snapshot without the named clusters.
func (s *Snapshot) Without(names ...string) *Snapshot {
	return &Snapshot{states: slices.DeleteFunc(slices.Clone(s.states), func(st *State) bool {
		return slices.Contains(names, st.Name)
	})}
}
