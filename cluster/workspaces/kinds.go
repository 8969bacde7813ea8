package workspaces

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kinds is a set of kinds that may change while it is used: *ExportedKinds, or a
// set of a platform's own. It must be safe for concurrent use.
type Kinds interface {
	// Kinds returns the set as it is known now, each kind in one version.
	Kinds() []schema.GroupVersionKind
	// Subscribe calls fn after every change of the set, one call at a time,
	// until cancel is called. It does not call fn for the set as it is.
	Subscribe(fn func()) (cancel func())
}

// StaticKinds is a set that never changes.
type StaticKinds []schema.GroupVersionKind

var _ Kinds = StaticKinds(nil)

// Kinds implements Kinds.
func (k StaticKinds) Kinds() []schema.GroupVersionKind { return slices.Clone(k) }

// Subscribe implements Kinds: there is nothing to tell.
func (StaticKinds) Subscribe(func()) (cancel func()) { return func() {} }

// ChangedKinds returns what came to a set of kinds and what left it, sorted.
func ChangedKinds(before, now []schema.GroupVersionKind) (came, left []schema.GroupVersionKind) {
	lacks := func(set []schema.GroupVersionKind) func(schema.GroupVersionKind) bool {
		return func(kind schema.GroupVersionKind) bool { return !slices.Contains(set, kind) }
	}
	for _, kind := range now {
		if lacks(before)(kind) {
			came = append(came, kind)
		}
	}
	for _, kind := range before {
		if lacks(now)(kind) {
			left = append(left, kind)
		}
	}
	sortKinds(came)
	sortKinds(left)
	return came, left
}

func sortKinds(kinds []schema.GroupVersionKind) {
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
}
