package expression

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// Health returns a rule for transform.HealthBy. The expression sees copy, and
// gives a map with health, one of Healthy, Progressing, Degraded and Unknown, and
// a message for people:
//
//	{"health": copy.status.phase == "Ready" ? "Healthy" : "Progressing", "message": copy.status.?reason.orValue("")}
//
// A copy on which it fails has the health Unknown.
func Health(name, expression string, opts ...Option) (transform.HealthFunc, error) {
	program, err := optionsOf(opts).compile(judging, expression, cel.MapType(cel.StringType, cel.DynType))
	if err != nil {
		return nil, fmt.Errorf("expression: %s: %w", name, err)
	}
	return func(copied *unstructured.Unstructured) (transform.HealthStatus, string) {
		value, _, err := program.Eval(map[string]any{"copy": copied.Object})
		if err != nil {
			return transform.HealthUnknown, name + ": " + err.Error()
		}
		result, err := native(value, 0)
		if err != nil {
			return transform.HealthUnknown, name + ": " + err.Error()
		}
		fields, _ := result.(map[string]any)
		health, _ := fields["health"].(string)
		message, _ := fields["message"].(string)
		return transform.HealthStatus(health), message
	}, nil
}
