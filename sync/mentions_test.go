package syncer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
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
    {name: e, persistentVolumeClaim: {claimName: claim}}, {name: d, csi: {driver: x, nodePublishSecretRef: {name: csi-secret}}}],
  initContainers: [{name: i, envFrom: [{configMapRef: {name: init-cm}}]}],
  containers: [{name: c,
    env: [{name: A, valueFrom: {secretKeyRef: {name: env-secret, key: k}}}, {name: B, valueFrom: {configMapKeyRef: {name: env-cm, key: k}}}],
    envFrom: [{secretRef: {name: from-secret}}]}],
  serviceAccountName: account, imagePullSecrets: [{name: pull}]}}}`,
			want: []mention{
				{"ConfigMap", "env-cm"},
				{"ConfigMap", "init-cm"},
				{"ConfigMap", "p-cm"},
				{"ConfigMap", "v-cm"},
				{"PersistentVolumeClaim", "claim"},
				{"Secret", "csi-secret"},
				{"Secret", "env-secret"},
				{"Secret", "from-secret"},
				{"Secret", "p-secret"},
				{"Secret", "pull"},
				{"Secret", "v-secret"},
				{"ServiceAccount", "account"},
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
		"the account of everyone": {reason: "each cluster makes its own", obj: `{kind: Pod, spec: {serviceAccountName: default}}`},
		"no pods":                 {reason: "a Service mentions nothing", obj: `{kind: Service, spec: {volumes: [{secret: {secretName: a}}]}}`},
		"hostile":                 {reason: "shapes that no schema allows do no harm", obj: `{kind: Pod, spec: {volumes: {a: b}, containers: [1, {env: x, envFrom: [{secretRef: [y]}]}]}}`},
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

func TestWhatACRDMentionsIsWhatThePlatformDeclared(t *testing.T) {
	kind := schema.GroupKind{Group: "ml.example", Kind: "TrainingJob"}
	pipeline, err := transform.NewPipeline("test", transform.WithPodSpecs(kind, transform.MustPath("spec.workers[*].pod")))
	require.NoError(t, err)
	l := &Loop{pipeline: pipeline}
	Mention(kind, "Secret", transform.MustPath("spec.registry.secret"))(&l.opts)
	Mention(kind, "ConfigMap", transform.MustPath("spec.data[*].name"))(&l.opts)
	obj := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte(`{apiVersion: ml.example/v1, kind: TrainingJob, spec: {
  registry: {secret: login}, data: [{name: set}, {name: ""}, {name: 7}],
  workers: [{pod: {containers: [{envFrom: [{secretRef: {name: token}}, {secretRef: {name: login}}]}]}}, {pod: 3}]}}`), &obj))
	u := &unstructured.Unstructured{Object: obj}
	before := u.DeepCopy()
	require.Equal(t, []mention{{"ConfigMap", "set"}, {"Secret", "login"}, {"Secret", "token"}}, l.mentionsOf(u))
	require.Equal(t, before, u, "it is shared")
	require.True(t, l.mayMention(kind.WithVersion("v1")))
	require.False(t, l.mayMention(schema.GroupVersionKind{Group: "ml.example", Version: "v1", Kind: "Model"}))
	u.SetKind("Model")
	require.Empty(t, l.mentionsOf(u))
}
