package syncer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestHealthIsToldOfWhenItsReasonChanges(t *testing.T) {
	status := func(reason, message string) map[string]any {
		return map[string]any{"conditions": []any{
			map[string]any{"type": "Available", "reason": "Other"},
			map[string]any{"type": ConditionHealthy, "reason": reason, "message": message},
		}}
	}
	for name, tt := range map[string]struct {
		reason        string
		before, after map[string]any
		want          []HealthChange
	}{
		"first":   {"nothing was told before", nil, status(ReasonProgressing, "1 of 2"), []HealthChange{{After: ReasonProgressing, Message: "1 of 2"}}},
		"changed": {"", status(ReasonProgressing, "1 of 2"), status(ReasonHealthy, ""), []HealthChange{{Before: ReasonProgressing, After: ReasonHealthy}}},
		"same":    {"another number is no other health", status(ReasonProgressing, "1 of 3"), status(ReasonProgressing, "2 of 3"), nil},
		"none":    {"a kind without conditions", map[string]any{}, map[string]any{"phase": "Active"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []HealthChange
			o := defaults()
			OnHealth(func(_ context.Context, c HealthChange) { got = append(got, c) })(&o)
			(&Loop{opts: o}).tellHealth(t.Context(), Key{}, &unstructured.Unstructured{}, tt.before, tt.after)
			require.Equal(t, tt.want, got, tt.reason)
		})
	}
}
