package transform_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

func TestHealth(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, obj string
		want        transform.HealthStatus
	}{
		"config map":  {"what needs no work is done", `{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}`, transform.Healthy},
		"new":         {"its controller has not seen it", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, generation: 2}, spec: {replicas: 1}, status: {observedGeneration: 1}}`, transform.HealthProgressing},
		"rolled out":  {"all there", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, generation: 1}, spec: {replicas: 1}, status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: "True"}, {type: Progressing, status: "True"}]}}`, transform.Healthy},
		"stuck":       {"the cluster gave up", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, generation: 1}, spec: {replicas: 1}, status: {observedGeneration: 1, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`, transform.HealthDegraded},
		"failed job":  {"the cluster gave up", `{apiVersion: batch/v1, kind: Job, metadata: {name: x}, status: {startTime: "2026-01-01T00:00:00Z", conditions: [{type: Failed, status: "True", message: m}]}}`, transform.HealthDegraded},
		"CRD":         {"by its conditions", `{apiVersion: x.example/v1, kind: X, metadata: {name: x}, status: {conditions: [{type: Ready, status: "False", message: m}]}}`, transform.HealthProgressing},
		"going":       {"work in progress", `{apiVersion: v1, kind: ConfigMap, metadata: {name: x, deletionTimestamp: "2026-01-01T00:00:00Z"}}`, transform.HealthProgressing},
		"nonsense":    {"nothing panics", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: x, status: [1]}`, transform.HealthUnknown},
		"odd numbers": {"nothing panics", `{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, generation: 1}, spec: {replicas: many}, status: {observedGeneration: x, replicas: {}}}`, transform.HealthUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			obj := object(t, tc.obj)
			before := obj.DeepCopy()
			got, message := transform.Health(obj)
			require.Equal(t, tc.want, got, "%s: %s", tc.reason, message)
			require.Equal(t, before, obj)
		})
	}
	for name, obj := range map[string]*unstructured.Unstructured{"nil": nil, "Go": {Object: map[string]any{"kind": 3, "status": struct{}{}}}} {
		t.Run(name, func(t *testing.T) {
			got, _ := transform.Health(obj)
			require.Equal(t, transform.HealthUnknown, got)
		})
	}
}
