package syncer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

func TestMentionsOf(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		obj    string
		want   []mention
	}{
		"everything a pod can mention": {
			reason: "a pod without one of these would not start",
			obj: `
kind: Deployment
spec: {template: {spec: {
  volumes: [
    {name: a, configMap: {name: v-cm}}, {name: b, secret: {secretName: v-secret}},
    {name: c, projected: {sources: [{configMap: {name: p-cm}}, {secret: {name: p-secret}}]}},
    {name: d, csi: {driver: x, nodePublishSecretRef: {name: csi-secret}}}],
  initContainers: [{name: i, envFrom: [{configMapRef: {name: init-cm}}]}],
  containers: [{name: c,
    env: [{name: A, valueFrom: {secretKeyRef: {name: env-secret, key: k}}}, {name: B, valueFrom: {configMapKeyRef: {name: env-cm, key: k}}}],
    envFrom: [{secretRef: {name: from-secret}}]}],
  imagePullSecrets: [{name: pull}]}}}`,
			want: []mention{
				{"ConfigMap", "env-cm"},
				{"ConfigMap", "init-cm"},
				{"ConfigMap", "p-cm"},
				{"ConfigMap", "v-cm"},
				{"Secret", "csi-secret"},
				{"Secret", "env-secret"},
				{"Secret", "from-secret"},
				{"Secret", "p-secret"},
				{"Secret", "pull"},
				{"Secret", "v-secret"},
			},
		},
		"a cron job": {
			reason: "its pods stand deeper",
			obj:    `{kind: CronJob, spec: {jobTemplate: {spec: {template: {spec: {imagePullSecrets: [{name: a}]}}}}}}`,
			want:   []mention{{"Secret", "a"}},
		},
		"twice": {
			reason: "a mention counts once",
			obj:    `{kind: Pod, spec: {imagePullSecrets: [{name: a}, {name: a}]}}`,
			want:   []mention{{"Secret", "a"}},
		},
		"no pods": {reason: "a Service mentions nothing", obj: `{kind: Service, spec: {volumes: [{secret: {secretName: a}}]}}`},
		"hostile": {reason: "shapes that no schema allows do no harm", obj: `{kind: Pod, spec: {volumes: {a: b}, containers: [1, {env: x, envFrom: [{secretRef: [y]}]}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			obj := map[string]any{}
			require.NoError(t, yaml.Unmarshal([]byte(tc.obj), &obj))
			got := mentionsOf(&unstructured.Unstructured{Object: obj})
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(mention{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMentionsOfNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := rapid.MapOf(rapid.SampledFrom([]string{"volumes", "containers", "imagePullSecrets"}), value(4)).Draw(t, "spec")
		mentionsOf(&unstructured.Unstructured{Object: map[string]any{"kind": "Pod", "spec": spec}})
	})
}
