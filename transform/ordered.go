package transform

import (
	"slices"
	"strings"
)

// ordered is a sorted list. To insert and to remove costs a search and a move
// of memory, which for a thousand items is less than a microsecond.
type ordered[T any] struct {
	compare func(a, b T) int
	items   []T
}

func (o *ordered[T]) insert(item T) {
	i, _ := slices.BinarySearchFunc(o.items, item, o.compare)
	o.items = slices.Insert(o.items, i, item)
}

// remove removes the item that compares as equal, if there is one.
func (o *ordered[T]) remove(item T) {
	if i, ok := slices.BinarySearchFunc(o.items, item, o.compare); ok {
		o.items = slices.Delete(o.items, i, i+1)
	}
}

func byCluster(a, b Observed) int { return strings.Compare(a.Cluster, b.Cluster) }
