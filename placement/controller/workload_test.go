package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
)

func TestWorkloadOf(t *testing.T) {
	const pod = `{containers: [{resources: {requests: {cpu: 1}}}]}`
	one := cluster.Resources{MilliCPU: 1000, Pods: 1}
	tests := map[string]struct {
		reason string
		object string
		want   placement.Workload
	}{
		"deployment": {
			reason: "its template, times its replicas",
			object: `{spec: {replicas: 3, template: {spec: ` + pod + `}}}`,
			want:   placement.Workload{Replicas: new(int32(3)), Requests: one},
		},
		"no replicas": {
			reason: "the sync loop divides what is said, no more",
			object: `{spec: {template: {spec: ` + pod + `}}}`,
			want:   placement.Workload{Requests: one},
		},
		"cron job": {
			reason: "a template's template",
			object: `{spec: {jobTemplate: {spec: {template: {spec: ` + pod + `}}}}}`,
			want:   placement.Workload{Requests: one},
		},
		"job": {
			reason: "as many pods as run at once",
			object: `{spec: {parallelism: 5, template: {spec: ` + pod + `}}}`,
			want:   placement.Workload{Requests: cluster.Resources{MilliCPU: 5000, Pods: 5}},
		},
		"job set": {
			reason: "jobs of pods of several kinds, as one set",
			object: `{spec: {replicatedJobs: [{name: driver, template: {spec: {template: {spec: ` + pod + `}}}}, {name: worker, replicas: 2, template: {spec: {parallelism: 4, template: {spec: ` + pod + `}}}}]}}`,
			want: placement.Workload{Templates: []placement.PodTemplate{
				{Name: "replicatedJobs[0].template.spec.template", Count: 1, Requests: one}, {Name: "replicatedJobs[1].template.spec.template", Count: 8, Requests: one},
			}},
		},
		"training job": {
			reason: "roles",
			object: `{spec: {pytorchReplicaSpecs: {Master: {replicas: 1, template: {spec: ` + pod + `}}, Worker: {replicas: 3, template: {spec: ` + pod + `}}}}}`,
			want: placement.Workload{Templates: []placement.PodTemplate{
				{Name: "pytorchReplicaSpecs.Master.template", Count: 1, Requests: one}, {Name: "pytorchReplicaSpecs.Worker.template", Count: 3, Requests: one},
			}},
		},
		"replicas of sets": {
			reason: "the workload's own replicas are divided and don't count in a set",
			object: `{spec: {replicas: 2, leaderWorkerTemplate: {leaderTemplate: {spec: ` + pod + `}, workerTemplate: {spec: ` + pod + `}}}}`,
			want: placement.Workload{Replicas: new(int32(2)), Templates: []placement.PodTemplate{
				{Name: "leaderWorkerTemplate.leaderTemplate", Count: 1, Requests: one}, {Name: "leaderWorkerTemplate.workerTemplate", Count: 1, Requests: one},
			}},
		},
		"groups of a size": {
			reason: "the leader is one of the group",
			object: `{spec: {replicas: 2, leaderWorkerTemplate: {size: 4, leaderTemplate: {spec: ` + pod + `}, workerTemplate: {spec: ` + pod + `}}}}`,
			want: placement.Workload{Replicas: new(int32(2)), Templates: []placement.PodTemplate{
				{Name: "leaderWorkerTemplate.leaderTemplate", Count: 1, Requests: one}, {Name: "leaderWorkerTemplate.workerTemplate", Count: 3, Requests: one},
			}},
		},
		"groups of equals": {
			reason: "without a template of its own, the leader is as its workers",
			object: `{spec: {replicas: 2, leaderWorkerTemplate: {size: 4, workerTemplate: {spec: ` + pod + `}}}}`,
			want: placement.Workload{Replicas: new(int32(2)), Templates: []placement.PodTemplate{
				{Name: "leaderWorkerTemplate.workerTemplate", Count: 4, Requests: one},
			}},
		},
		"nested beyond reason": {
			reason: "it is searched so far and no further",
			object: `{spec: {a: {b: {c: {d: {e: {f: {template: {spec: ` + pod + `}}}}}}}}}`,
		},
		"pod": {
			reason: "itself",
			object: `{spec: ` + pod + `}`,
			want:   placement.Workload{Requests: one},
		},
		"config": {
			reason: "it asks for nothing but a place",
			object: `{data: {a: b}}`,
		},
		"nonsense": {
			reason: "the schema upstream may be loose",
			object: `{spec: {replicas: many, template: 7}}`,
		},
		"numbers beyond reason": {
			reason: "they are cut off",
			object: `{spec: {replicas: 99999999999}}`,
			want:   placement.Workload{Replicas: new(int32(1<<31 - 1))},
		},
		"less than nothing": {
			reason: "it is nothing",
			object: `{spec: {replicas: -1}}`,
			want:   placement.Workload{Replicas: new(int32(0))},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{}
			require.NoError(t, yaml.Unmarshal([]byte(tc.object), &obj.Object))
			kind := schema.GroupVersionKind{Group: "g", Version: "v", Kind: "K"}
			obj.SetGroupVersionKind(kind)
			obj.SetName("x")
			tc.want.Kind, tc.want.Name = kind, "x"
			got, err := workloadOf(obj)
			require.NoError(t, err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
