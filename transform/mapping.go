package transform

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// KindMapping says what originals of a kind are on clusters: another kind, other
// versions, or both. What the fields of a copy are stays as the original has
// them: declare a mapping where the two agree on them, or add a transformer that
// changes what they do not agree on. Status comes back likewise.
type KindMapping struct {
	// From is the kind in workspaces.
	From schema.GroupKind
	// To is the kind on clusters. Default: From. No two kinds may have one To.
	To schema.GroupKind
	// Versions to write copies in, in order of preference: the first that a
	// cluster serves is taken there. Default: that of the original.
	Versions []string
}

// WithKindMappings declares what kinds are on clusters where they are not the
// same as in workspaces. Transformers see a copy in the kind that it has on its
// cluster, and can't change it. A copy of another kind than its original bears
// the original's kind as a mark.
//
// To take a mapping back, or to change where it leads, leaves the copies that it
// made behind, as a change of the Naming does.
func WithKindMappings(mappings ...KindMapping) Option {
	return func(p *Pipeline) { p.mappings = append(p.mappings, mappings...) }
}

func (p *Pipeline) checkMappings() error {
	from, to := map[schema.GroupKind]bool{}, map[schema.GroupKind]bool{}
	for i := range p.mappings {
		m := &p.mappings[i]
		if m.To.Empty() {
			m.To = m.From
		}
		switch {
		case m.From.Kind == "" || m.To.Kind == "":
			return fmt.Errorf("transform: mapping of kind %q to %q: From and To need a kind", m.From, m.To)
		case from[m.From]:
			return fmt.Errorf("transform: kind %s is mapped twice", m.From)
		case to[m.To]:
			return fmt.Errorf("transform: two kinds are mapped to %s: copies of one would stand where those of the other do", m.To)
		case slices.Contains(m.Versions, ""):
			return fmt.Errorf("transform: mapping of kind %s: a version is empty", m.From)
		case m.To.Kind == "Namespace" && m.To.Group == "":
			return fmt.Errorf("transform: kind %s can't be mapped to Namespace: namespaces follow what is in them", m.From)
		}
		if err := refuse(m.To); err != nil {
			return err
		}
		from[m.From], to[m.To] = true, true
	}
	return nil
}

// KindsOn returns what an original of a kind may be on a cluster, in order of
// preference: all of one group and kind. Without a mapping it is what it is.
func (p *Pipeline) KindsOn(kind schema.GroupVersionKind) []schema.GroupVersionKind {
	for i := range p.mappings {
		m := &p.mappings[i]
		if m.From != kind.GroupKind() {
			continue
		}
		if len(m.Versions) == 0 {
			return []schema.GroupVersionKind{m.To.WithVersion(kind.Version)}
		}
		kinds := make([]schema.GroupVersionKind, 0, len(m.Versions))
		for _, version := range m.Versions {
			kinds = append(kinds, m.To.WithVersion(version))
		}
		return kinds
	}
	return []schema.GroupVersionKind{kind}
}

// kindFor returns what an original is on a target.
func (p *Pipeline) kindFor(t *Target, original *unstructured.Unstructured) (schema.GroupVersionKind, error) {
	if len(p.mappings) == 0 && t.Kind.Empty() {
		return schema.GroupVersionKind{}, nil // as it is, without a look
	}
	kinds := p.KindsOn(original.GroupVersionKind())
	if t.Kind.Empty() {
		return kinds[0], nil
	}
	if !slices.Contains(kinds, t.Kind) {
		return t.Kind, fmt.Errorf("transform: a %s is no %s on a cluster: declare a KindMapping", original.GroupVersionKind(), t.Kind)
	}
	return t.Kind, nil
}
