package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// AgreedStatus aggregates the status of kinds that nothing is known of: with
// one copy its status as it is; with several the fields on which all clusters
// agree, and the conditions merged by type, where one that is bad on any
// cluster is bad. It never invents a value.
type AgreedStatus struct{}

var (
	_ Aggregator  = AgreedStatus{}
	_ Incremental = AgreedStatus{}
)

// Name implements Aggregator.
func (AgreedStatus) Name() string { return "Agreed" }

// Aggregate implements Aggregator.
func (a AgreedStatus) Aggregate(original *unstructured.Unstructured, copies []Observed) (map[string]any, error) {
	return assemble(a.Tally(), original, copies)
}

// Tally implements Incremental.
func (AgreedStatus) Tally() Tally {
	t := newTally(nil, nil)
	t.rest = map[string]*agreement{}
	return t
}
