package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/cluster"
)

func TestPodRequests(t *testing.T) {
	tests := map[string]struct {
		reason string
		spec   string
		want   cluster.Resources
	}{
		"nothing asked": {
			reason: "requests are optional",
			spec:   `{containers: [{name: a}]}`,
		},
		"containers": {
			reason: "they run at once",
			spec:   `{containers: [{resources: {requests: {cpu: 500m, memory: 1Gi}}}, {resources: {requests: {cpu: 1, nvidia.com/gpu: 2}}}]}`,
			want:   cluster.Resources{MilliCPU: 1500, Memory: 1 << 30, Extended: gpus(2)},
		},
		"limits stand in": {
			reason: "no API server defaulted requests upstream",
			spec:   `{containers: [{resources: {limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 1}}}]}`,
			want:   cluster.Resources{MilliCPU: 1000, Memory: 1 << 30},
		},
		"init containers": {
			reason: "they run one after the other, before the containers",
			spec:   `{initContainers: [{resources: {requests: {cpu: 3}}}, {resources: {requests: {cpu: 2}}}], containers: [{resources: {requests: {cpu: 1}}}]}`,
			want:   cluster.Resources{MilliCPU: 3000},
		},
		"sidecars": {
			reason: "they run on with the containers",
			spec:   `{initContainers: [{restartPolicy: Always, resources: {requests: {cpu: 1}}}], containers: [{resources: {requests: {cpu: 1}}}]}`,
			want:   cluster.Resources{MilliCPU: 2000},
		},
		"init after sidecar": {
			reason: "an init container runs beside the sidecars before it",
			spec:   `{initContainers: [{restartPolicy: Always, resources: {requests: {cpu: 1}}}, {resources: {requests: {cpu: 4}}}], containers: [{resources: {requests: {cpu: 1}}}]}`,
			want:   cluster.Resources{MilliCPU: 5000},
		},
		"pod level": {
			reason: "what the pod asks for as a whole holds instead",
			spec:   `{resources: {requests: {cpu: 250m}}, containers: [{resources: {requests: {cpu: 1, memory: 1Gi}}}]}`,
			want:   cluster.Resources{MilliCPU: 250, Memory: 1 << 30},
		},
		"overhead": {
			reason: "the runtime's own needs come on top",
			spec:   `{overhead: {cpu: 100m, memory: 64Mi}, containers: [{resources: {requests: {cpu: 1}}}]}`,
			want:   cluster.Resources{MilliCPU: 1100, Memory: 64 << 20},
		},
		"nonsense": {
			reason: "the cluster's API server says so better",
			spec:   `{containers: [{resources: {requests: {cpu: lots}}}, {resources: 7}, 8]}`,
		},
		"less than nothing": {
			reason: "a crafted pod gives no capacity back",
			spec:   `{overhead: {cpu: -1}, containers: [{resources: {requests: {cpu: 1, memory: -5Gi, pods: -3}}}]}`,
			want:   cluster.Resources{MilliCPU: 1000},
		},
		"numbers": {
			reason: "JSON numbers are quantities too",
			spec:   `{containers: [{resources: {requests: {cpu: 1.5, memory: 1024}}}]}`,
			want:   cluster.Resources{MilliCPU: 1500, Memory: 1024},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spec := map[string]any{}
			require.NoError(t, yaml.Unmarshal([]byte(tc.spec), &spec))
			if name != "nonsense" {
				tc.want.Pods = 1
			}
			require.Equal(t, tc.want.List(), podRequests(spec).List(), tc.reason)
		})
	}
}

func gpus(n int64) map[corev1.ResourceName]int64 {
	return map[corev1.ResourceName]int64{"nvidia.com/gpu": n}
}
