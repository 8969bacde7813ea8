package facts

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Property is one typed fact about a cluster.
type Property struct {
	// Text is the value as it was given.
	Text string
	// Number is the value as a number, where Numeric.
	Number float64
	// Numeric says that Text is a Kubernetes quantity.
	Numeric bool
	// ObservedAt is when the value was learned; zero for what was declared.
	ObservedAt time.Time
}

// ParseProperty types a value: one that is a Kubernetes quantity ("0.35",
// "12Gi") is also a number.
func ParseProperty(text string, observedAt time.Time) Property {
	p := Property{Text: text, ObservedAt: observedAt}
	if q, err := resource.ParseQuantity(text); err == nil {
		p.Number, p.Numeric = q.AsApproximateFloat64(), true
	}
	return p
}
