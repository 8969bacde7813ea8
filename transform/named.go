package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Named gives a transformer another name, so that a pipeline may hold two of a
// kind.
func Named(name string, step Transformer) Transformer {
	return named{Transformer: step, name: name}
}

type named struct {
	Transformer

	name string
}

var (
	_ Transformer       = named{}
	_ Matcher           = named{}
	_ TargetIndependent = named{}
	_ JSONOnly          = named{}
	_ Validator         = named{}
)

// Name implements Transformer.
func (n named) Name() string { return n.name }

// Matches implements Matcher.
func (n named) Matches(t *Target, obj *unstructured.Unstructured) bool {
	m, ok := n.Transformer.(Matcher)
	return !ok || m.Matches(t, obj)
}

// TargetIndependent implements TargetIndependent.
func (n named) TargetIndependent() bool { return independent(n.Transformer) }

// JSONOnly implements JSONOnly.
func (n named) JSONOnly() bool { return jsonOnly(n.Transformer) }
