package transform

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// HealthStatus says how a copy does.
type HealthStatus string

// Health of a copy. The rules are those of kstatus
// (https://pkg.go.dev/github.com/fluxcd/cli-utils/pkg/kstatus/status).
const (
	// Healthy: the cluster has done what the copy asks for.
	Healthy HealthStatus = "Healthy"
	// HealthProgressing: the cluster is at work on it.
	HealthProgressing HealthStatus = "Progressing"
	// HealthDegraded: the cluster has given up on it.
	HealthDegraded HealthStatus = "Degraded"
	// HealthUnknown: it can't be told.
	HealthUnknown HealthStatus = "Unknown"
)

// Health says how a copy does, and why, for people. It changes nothing and
// never panics.
func Health(copied *unstructured.Unstructured) (health HealthStatus, message string) {
	defer func() {
		if r := recover(); r != nil {
			health, message = HealthUnknown, fmt.Sprintf("its status makes no sense: %v", r)
		}
	}()
	result, err := status.Compute(copied)
	if err != nil {
		return HealthUnknown, err.Error()
	}
	switch result.Status {
	case status.CurrentStatus:
		return Healthy, result.Message
	case status.InProgressStatus, status.TerminatingStatus:
		return HealthProgressing, result.Message
	case status.FailedStatus:
		return HealthDegraded, result.Message
	case status.NotFoundStatus, status.UnknownStatus:
	}
	return HealthUnknown, result.Message
}

// HealthFunc says how a copy does, and why, for people. It is pure, changes
// nothing and is safe for concurrent use.
type HealthFunc func(copied *unstructured.Unstructured) (health HealthStatus, message string)

// HealthBy has the health of a kind told by fn, in the place of kstatus:
//
//	transform.HealthBy(schema.GroupKind{Group: "db.example", Kind: "Cluster"},
//		func(c *unstructured.Unstructured) (transform.HealthStatus, string) { ... })
func HealthBy(kind schema.GroupKind, fn HealthFunc) StatusOption {
	return func(r *StatusRules) { r.health[kind] = fn }
}

// Health says how a copy does: by the rule for its kind or, where there is none,
// by the function Health. A rule that panics, or gives no health that there is,
// gives HealthUnknown.
func (r *StatusRules) Health(copied *unstructured.Unstructured) (health HealthStatus, message string) {
	fn := r.health[groupKind(copied)]
	if fn == nil {
		return Health(copied)
	}
	defer func() {
		if p := recover(); p != nil {
			health, message = HealthUnknown, fmt.Sprintf("the rule for its health panicked: %v", p)
		}
	}()
	health, message = fn(copied)
	switch health {
	case Healthy, HealthProgressing, HealthDegraded, HealthUnknown:
		return health, message
	}
	return HealthUnknown, fmt.Sprintf("the rule for its health gives %q, which is none", string(health))
}
