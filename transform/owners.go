package transform

import (
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Owner is what became, on a target's cluster, of an original that others name as
// their owner.
type Owner struct {
	// Original is the UID of the owner in the workspace.
	Original types.UID
	// Kind, Name and UID of its copy. The UID is the cluster's, and another on
	// each.
	Kind schema.GroupVersionKind
	Name string
	UID  types.UID
}

// WithOwnerReferences has copies name the copies of their owners: an owner
// reference whose owner is among Target.Owners goes down with the kind, the name
// and the UID of the owner's copy; all others are dropped, as all are by default.
// Whether the owner is the controller goes along; that its deletion is to wait for
// the dependent does not, for that the loop sees to.
//
// A cluster deletes what names an owner that is not there. So a reference may name
// nothing but what is there to stay, and has to go before the owner's copy does:
// who fills Target.Owners answers for both. Package sync does, and docs/concepts.md
// says what it costs.
func WithOwnerReferences() Option {
	return func(p *Pipeline) { p.owners = true }
}

// MapsOwners says whether the pipeline was built WithOwnerReferences, and Render
// reads Target.Owners.
func (p *Pipeline) MapsOwners() bool { return p.owners }

// ownersFor returns the owner references of a copy, nil for none. Each owner is
// named once.
func (p *Pipeline) ownersFor(t *Target, original *unstructured.Unstructured) []any {
	if !p.owners || len(t.Owners) == 0 {
		return nil
	}
	metadata, _ := original.Object["metadata"].(map[string]any)
	list, _ := metadata["ownerReferences"].([]any)
	var references []any
	named := map[types.UID]bool{}
	for _, item := range list {
		above, _ := item.(map[string]any)
		uid, _ := above["uid"].(string)
		i := slices.IndexFunc(t.Owners, func(o Owner) bool { return uid != "" && string(o.Original) == uid })
		if i < 0 || named[t.Owners[i].UID] {
			continue
		}
		owner := t.Owners[i]
		named[owner.UID] = true
		version, kind := owner.Kind.ToAPIVersionAndKind()
		reference := map[string]any{"apiVersion": version, "kind": kind, "name": owner.Name, "uid": string(owner.UID)}
		if controls, _ := above["controller"].(bool); controls {
			reference["controller"] = true
		}
		references = append(references, reference)
	}
	return references
}

// nameOwners writes the owner references of a copy; nobody may change them after.
func (p *Pipeline) nameOwners(t *Target, original, obj *unstructured.Unstructured, want *identity) {
	references := p.ownersFor(t, original)
	if len(references) == 0 {
		return
	}
	want.owners = references
	if metadata, ok := obj.Object["metadata"].(map[string]any); ok {
		list := make([]any, 0, len(references))
		for _, reference := range references {
			if fields, ok := reference.(map[string]any); ok {
				list = append(list, maps.Clone(fields))
			}
		}
		metadata["ownerReferences"] = list
	}
}

// checkOwners finds owner references that are not those that were written.
func (i *identity) checkOwners(transformer string, metadata map[string]any) error {
	if got := metadata["ownerReferences"]; i.owners != nil && !reflect.DeepEqual(got, i.owners) {
		return &IdentityError{Transformer: transformer, Field: "metadata.ownerReferences", Want: show(i.owners), Got: show(got)}
	}
	return nil
}
