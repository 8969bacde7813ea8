package transform

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
