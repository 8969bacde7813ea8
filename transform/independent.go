package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TargetIndependent is an optional interface of transformers: those that say
// true do the same for every target, so that what they made for one may serve
// another. Without it, a transformer counts as dependent.
type TargetIndependent interface {
	// TargetIndependent says whether Transform reads nothing of its target but
	// the origin.
	TargetIndependent() bool
}

func independent(step Transformer) bool {
	i, ok := step.(TargetIndependent)
	return ok && i.TargetIndependent()
}

// TargetIndependent says whether all transformers of the pipeline are: then two
// targets without overrides and with the same replicas get the same.
func (p *Pipeline) TargetIndependent() bool {
	for _, step := range p.transformers {
		if !independent(step) {
			return false
		}
	}
	return true
}

// Independent declares that a transformer is TargetIndependent, as one made by Func
// or For can't do by itself: a Cache then renders once for all clusters. The
// conformance kit looks whether it is so.
func Independent(step Transformer) Transformer { return declared{step} }

type declared struct{ Transformer }

var (
	_ Transformer       = declared{}
	_ Matcher           = declared{}
	_ TargetIndependent = declared{}
	_ JSONOnly          = declared{}
	_ Validator         = declared{}
)

// Matches implements Matcher.
func (d declared) Matches(t *Target, obj *unstructured.Unstructured) bool {
	m, ok := d.Transformer.(Matcher)
	return !ok || m.Matches(t, obj)
}

// TargetIndependent implements TargetIndependent.
func (declared) TargetIndependent() bool { return true }

// JSONOnly implements JSONOnly.
func (d declared) JSONOnly() bool { return jsonOnly(d.Transformer) }

// Validate implements Validator.
func (d declared) Validate() error { return validate(d.Transformer) }
