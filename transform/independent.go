package transform

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
