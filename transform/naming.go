package transform

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Naming says where the copy of an original stands. It must be a pure function
// without collisions: two originals of one kind never give one place. It may
// not depend on the UID.
type Naming interface {
	// Locate returns the namespace and name of the copy; the namespace is empty
	// for a cluster-scoped original.
	Locate(kind schema.GroupVersionKind, o Origin) (namespace, name string)
}

// HashedNaming is the default Naming. A namespaced copy keeps its name, in a
// namespace that is called after the original's and a hash of that and the
// logical cluster; a cluster-scoped copy gets a name made likewise. The copy of
// a Namespace is the one that the copies of its objects are in.
type HashedNaming struct{}

var _ Naming = HashedNaming{}

// Locate implements Naming.
func (HashedNaming) Locate(kind schema.GroupVersionKind, o Origin) (namespace, name string) {
	if kind.Group == "" && kind.Kind == "Namespace" {
		return "", hashed(o.Name, 63, o.LogicalCluster, o.Name)
	}
	if o.Namespace == "" {
		return "", hashed(o.Name, 253, o.LogicalCluster, "", o.Name)
	}
	return hashed(o.Namespace, 63, o.LogicalCluster, o.Namespace), o.Name
}

// hashLength in characters of five bits each: 80 bits, so that a collision
// needs about 10^12 names, by chance, and 2^80 tries to make one for a name
// that exists.
const (
	hashLength = 16
	hashBytes  = hashLength * 5 / 8
)

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// hashed appends to a name, cut so that the whole is at most limit long, a hash
// of the parts, which tell apart what the cut name does not.
func hashed(name string, limit int, parts ...string) string {
	var room [256]byte // enough for most names, without an allocation
	text := room[:0]
	for _, p := range parts {
		text = append(append(text, p...), 0) // no name contains it
	}
	sum := sha256.Sum256(text)
	var out [hashLength + 1]byte
	out[0] = '-'
	lowerBase32.Encode(out[1:], sum[:hashBytes])
	if most := limit - len(out); len(name) > most {
		name = strings.TrimRight(name[:most], "-.")
	}
	return name + string(out[:])
}

// SameNaming puts every copy where its original stands: same namespace, same
// name. It is for one logical cluster alone, as that of an agent, whose originals
// are copies that have names already: of two, copies would meet.
type SameNaming struct{}

var _ Naming = SameNaming{}

// Locate implements Naming.
func (SameNaming) Locate(kind schema.GroupVersionKind, o Origin) (namespace, name string) {
	switch {
	case kind == (schema.GroupVersionKind{}): // the namespace itself: see Pipeline.Namespace
		return o.Namespace, ""
	case kind.Group == "" && kind.Kind == "Namespace":
		return "", o.Name
	}
	return o.Namespace, o.Name
}
