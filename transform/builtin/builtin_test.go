package builtin_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

func kindsOf(kinds ...string) []schema.GroupKind {
	list := make([]schema.GroupKind, 0, len(kinds))
	for _, k := range kinds {
		list = append(list, schema.GroupKind{Kind: k})
	}
	return list
}

func equal(a, b *unstructured.Unstructured) bool { return reflect.DeepEqual(a.Object, b.Object) }

func TestRefusedRules(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		make   func() (transform.Transformer, error)
	}{
		"digest that is none": {"a pin must pin", func() (transform.Transformer, error) {
			return builtin.Digests(map[string]string{"a": "latest"})
		}},
		"digest twice": {"an image has one digest", func() (transform.Transformer, error) {
			return builtin.Digests(map[string]string{"a@sha256:1": "sha256:2"})
		}},
		"our label": {"marks are ours", func() (transform.Transformer, error) {
			return builtin.Metadata(builtin.MetadataRules{SetLabels: map[string]string{"tmc-sdk.dev/installation": "x"}})
		}},
		"a label of ours": {"and all below our domain", func() (transform.Transformer, error) {
			return builtin.Metadata(builtin.MetadataRules{SetAnnotations: map[string]string{"a.tmc-sdk.dev/b": "x"}})
		}},
		"unknown value": {"a slip is found when the pipeline is built", func() (transform.Transformer, error) {
			return builtin.Metadata(builtin.MetadataRules{SetLabels: map[string]string{"a": "${cluster.regoin}"}})
		}},
		"open value": {"", func() (transform.Transformer, error) {
			return builtin.Env(builtin.EnvVar{Name: "A", Value: "${cluster.name"})
		}},
		"nameless": {"", func() (transform.Transformer, error) { return builtin.Env(builtin.EnvVar{Value: "x"}) }},
		"bad path": {"", func() (transform.Transformer, error) { return builtin.Substitute("a..b") }},
		"bad bound": {"", func() (transform.Transformer, error) {
			return builtin.Resources(builtin.ResourceRules{Min: map[string]string{"cpu": "lots"}})
		}},
		"bad factor": {"", func() (transform.Transformer, error) {
			return builtin.Resources(builtin.ResourceRules{Scale: map[string]float64{"cpu": -1}})
		}},
		"crossed bound": {"", func() (transform.Transformer, error) {
			return builtin.Resources(builtin.ResourceRules{Min: map[string]string{"cpu": "2"}, Max: map[string]string{"cpu": "1"}})
		}},
		"no domain":     {"", func() (transform.Transformer, error) { return builtin.Hosts(map[string]string{"": "x"}) }},
		"bad domain":    {"", func() (transform.Transformer, error) { return builtin.Hosts(map[string]string{"a": "${x}"}) }},
		"no patch":      {"", func() (transform.Transformer, error) { return builtin.JSONPatch(nil) }},
		"patch of kind": {"a transformer keeps the identity", func() (transform.Transformer, error) { return builtin.MergePatch([]byte(`{"kind": "Secret"}`)) }},
		"patch of name": {"", func() (transform.Transformer, error) {
			return builtin.JSONPatch([]byte(`[{"op": "replace", "path": "/metadata/name", "value": "x"}]`))
		}},
		"reference to nothing": {"", func() (transform.Transformer, error) {
			return builtin.References(builtin.ReferenceRules{More: []builtin.Reference{{}}})
		}},
		"merge without a scheme": {"", func() (transform.Transformer, error) { return builtin.StrategicMerge(nil, []byte(`{}`)) }},
		"merge of nothing": {"", func() (transform.Transformer, error) {
			return builtin.StrategicMerge(runtime.NewScheme(), []byte(`null`))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tc.make()
			require.Error(t, err, tc.reason)
			require.Panics(t, func() { builtin.Must(tc.make()) })
		})
	}
}

// shape is a case in which a transformer must do the right thing with what it
// is given.
func TestShapes(t *testing.T) {
	for name, tc := range map[string]struct {
		reason   string
		step     transform.Transformer
		in, want string
		fails    string
	}{
		"values that clusters lack": {
			reason: "half a host name is worse than none",
			step:   builtin.Must(builtin.Substitute("data.host")),
			in:     `{kind: ConfigMap, apiVersion: v1, data: {host: "x.${cluster.labels.absent}"}}`,
			fails:  "cluster eu-1 has no cluster.labels.absent",
		},
		"a value that never ends": {
			step: builtin.Must(builtin.Substitute("data.host")), in: `{kind: ConfigMap, apiVersion: v1, data: {host: "${cluster.name"}}`, fails: "not closed",
		},
		"escaped values": {
			reason: "a dollar may be meant",
			step:   builtin.Must(builtin.Substitute("data.host")),
			in:     `{kind: ConfigMap, apiVersion: v1, data: {host: "$${cluster.name} ${cluster.name} $ {"}}`,
			want:   `{kind: ConfigMap, apiVersion: v1, data: {host: "${cluster.name} eu-1 $ {"}}`,
		},
		"values of the origin": {
			step: builtin.Must(builtin.Substitute("data.host")),
			in:   `{kind: ConfigMap, apiVersion: v1, data: {host: "${origin.workspace}/${origin.namespace}/${origin.name}/${cluster.provider}/${cluster.version}/${cluster.zone}/${cluster.labels.tier}"}}`,
			want: `{kind: ConfigMap, apiVersion: v1, data: {host: "2x9a/shop/web/metal/v1.36.3/eu-a/prod"}}`,
		},
		"labels that are ours": {
			reason: "not even a wildcard removes marks",
			step:   builtin.Must(builtin.Metadata(builtin.MetadataRules{RemoveLabels: []string{"*", "tmc-sdk.dev/a"}})),
			in:     `{kind: Pod, apiVersion: v1, metadata: {labels: {tmc-sdk.dev/a: b, x: z}}}`,
			want:   `{kind: Pod, apiVersion: v1, metadata: {labels: {tmc-sdk.dev/a: b}}}`,
		},
		"a path of the host": {
			step: builtin.SecurityFloor(), in: `{kind: Pod, apiVersion: v1, spec: {volumes: [{name: root, hostPath: {path: /}}]}}`,
			fails: `volume "root" mounts a path of the host`,
		},
		"requests without a bound": {
			reason: "what no rule is for stays as it is written",
			step:   builtin.Must(builtin.Resources(builtin.ResourceRules{Scale: map[string]float64{"cpu": 2}})),
			in:     `{kind: Pod, apiVersion: v1, spec: {containers: [{resources: {requests: {cpu: 100m, memory: 1024Mi}}}, {name: b}]}}`,
			want:   `{kind: Pod, apiVersion: v1, spec: {containers: [{resources: {requests: {cpu: 200m, memory: 1024Mi}}}, {name: b}]}}`,
		},
		"requests that are none": {
			step: builtin.Must(builtin.Resources(builtin.ResourceRules{Max: map[string]string{"cpu": "1"}})),
			in:   `{kind: Pod, apiVersion: v1, spec: {containers: [{resources: {requests: {cpu: lots}}}]}}`, fails: "requests of cpu",
		},
		"a limit alone": {
			reason: "the server makes it the request",
			step:   builtin.Must(builtin.Resources(builtin.ResourceRules{Min: map[string]string{"cpu": "1"}})),
			in:     `{kind: Pod, apiVersion: v1, spec: {containers: [{resources: {limits: {cpu: 500m}}}]}}`,
			want:   `{kind: Pod, apiVersion: v1, spec: {containers: [{resources: {limits: {cpu: "1"}, requests: {}}}]}}`,
		},
		"node ports by choice": {
			step: builtin.Services(builtin.ServiceRules{KeepNodePorts: true, KeepExternalIPs: true}),
			in:   `{kind: Service, apiVersion: v1, spec: {externalIPs: [192.0.2.1], ports: [{nodePort: 30000}]}}`,
			want: `{kind: Service, apiVersion: v1, spec: {externalIPs: [192.0.2.1], ports: [{nodePort: 30000}]}}`,
		},
		"another group's Ingress": {
			reason: "a kind is a kind of a group",
			step:   builtin.IngressClasses(builtin.Classes{Default: "edge"}),
			in:     `{kind: Ingress, apiVersion: other.io/v1, spec: {}}`,
			want:   `{kind: Ingress, apiVersion: other.io/v1, spec: {}}`,
		},
		"hosts in another's domain": {
			reason: "notexample.com is not in example.com",
			step:   builtin.Must(builtin.Hosts(map[string]string{"example.com": "example.net"})),
			in:     `{kind: Ingress, apiVersion: networking.k8s.io/v1, spec: {rules: [{host: notexample.com}, {host: example.com}]}}`,
			want:   `{kind: Ingress, apiVersion: networking.k8s.io/v1, spec: {rules: [{host: notexample.com}, {host: example.net}]}}`,
		},
		"hosts into a subdomain of their own": {
			reason: "twice is once",
			step:   builtin.Must(builtin.Hosts(map[string]string{"example.com": "eu.example.com"})),
			in:     `{kind: Ingress, apiVersion: networking.k8s.io/v1, spec: {rules: [{host: a.example.com}, {host: a.eu.example.com}]}}`,
			want:   `{kind: Ingress, apiVersion: networking.k8s.io/v1, spec: {rules: [{host: a.eu.example.com}, {host: a.eu.example.com}]}}`,
		},
		"a type that is unknown": {
			step: builtin.Must(builtin.StrategicMerge(runtime.NewScheme(), []byte(`{}`))), in: `{kind: Pod, apiVersion: v1}`, fails: "find the type",
		},
		"references to what is synced": {
			reason: "others are to what every cluster has",
			step: builtin.Must(builtin.References(builtin.ReferenceRules{
				Naming: prefixed{}, Synced: []schema.GroupKind{{Kind: "Secret"}, {Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}},
				More: []builtin.Reference{{In: schema.GroupKind{Group: "x.io", Kind: "App"}, Holder: transform.MustPath("spec.auth"), Field: "secret", To: schema.GroupKind{Kind: "Secret"}}},
			})),
			in:   `{kind: App, apiVersion: x.io/v1, spec: {auth: {secret: a}, other: {secret: a}}}`,
			want: `{kind: App, apiVersion: x.io/v1, spec: {auth: {secret: a-2x9a}, other: {secret: a}}}`,
		},
		"references of a binding": {
			reason: "a tenant binds its own roles, to its own accounts",
			step: builtin.Must(builtin.References(builtin.ReferenceRules{
				Naming: prefixed{}, Synced: []schema.GroupKind{{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}},
			})),
			in: `{kind: RoleBinding, apiVersion: rbac.authorization.k8s.io/v1, roleRef: {kind: ClusterRole, name: cluster-admin},
subjects: [{kind: ServiceAccount, name: a, namespace: kube-system}, {kind: Group, name: g}]}`,
			want: `{kind: RoleBinding, apiVersion: rbac.authorization.k8s.io/v1, roleRef: {kind: ClusterRole, name: cluster-admin-2x9a},
subjects: [{kind: ServiceAccount, name: a, namespace: kube-system-2x9a}, {kind: Group, name: g}]}`,
		},
		"an indexed job": {
			step: builtin.JobParts(), in: `{kind: Job, apiVersion: batch/v1, spec: {completions: 4, completionMode: Indexed}}`, fails: "can't be divided",
		},
		"a small scaler": {
			reason: "the API wants at least one",
			step:   builtin.Autoscalers(),
			in:     `{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, spec: {minReplicas: 1, maxReplicas: 5}}`,
			want:   `{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, spec: {minReplicas: 1, maxReplicas: 3}}`,
		},
		"references of a pod": {
			step: builtin.Must(builtin.References(builtin.ReferenceRules{Naming: prefixed{}, Synced: []schema.GroupKind{{Kind: "Secret"}, {Kind: "ConfigMap"}, {Kind: "ServiceAccount"}, {Kind: "PersistentVolumeClaim"}, {Group: "scheduling.k8s.io", Kind: "PriorityClass"}}})),
			in: `{kind: CronJob, apiVersion: batch/v1, spec: {jobTemplate: {spec: {template: {spec: {serviceAccountName: a, priorityClassName: p, runtimeClassName: r,
imagePullSecrets: [{name: s}], volumes: [{secret: {secretName: s}}, {configMap: {name: c}}, {persistentVolumeClaim: {claimName: v}}, {projected: {sources: [{secret: {name: s}}]}}],
containers: [{envFrom: [{secretRef: {name: s}}], env: [{valueFrom: {configMapKeyRef: {name: c}}}, {value: s}]}],
affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{namespaces: [ns, 1]}]}}}}}}}}`,
			want: `{kind: CronJob, apiVersion: batch/v1, spec: {jobTemplate: {spec: {template: {spec: {serviceAccountName: a-2x9a, priorityClassName: p-2x9a, runtimeClassName: r,
imagePullSecrets: [{name: s-2x9a}], volumes: [{secret: {secretName: s-2x9a}}, {configMap: {name: c-2x9a}}, {persistentVolumeClaim: {claimName: v-2x9a}}, {projected: {sources: [{secret: {name: s-2x9a}}]}}],
containers: [{envFrom: [{secretRef: {name: s-2x9a}}], env: [{valueFrom: {configMapKeyRef: {name: c-2x9a}}}, {value: s}]}],
affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{namespaces: [ns-2x9a, 1]}]}}}}}}}}`,
		},
		"a token by a volume": {
			reason: "that automount is off keeps no projected token away",
			step:   builtin.ServiceAccountTokens(builtin.TokenRules{}),
			in:     `{kind: Pod, apiVersion: v1, spec: {volumes: [1, {emptyDir: {}}, {projected: {sources: [2, {secret: {name: s}}, {serviceAccountToken: {path: token}}]}}]}}`,
			fails:  "take serviceAccountToken out of the volume",
		},
		"a token for a mesh": {
			reason: "the API server takes no token for another",
			step:   builtin.ServiceAccountTokens(builtin.TokenRules{Audiences: []string{"mesh"}}),
			in:     `{kind: Pod, apiVersion: v1, spec: {volumes: [{projected: {sources: [{serviceAccountToken: {path: token, audience: mesh}}]}}]}}`,
			want:   `{kind: Pod, apiVersion: v1, spec: {automountServiceAccountToken: false, volumes: [{projected: {sources: [{serviceAccountToken: {path: token, audience: mesh}}]}}]}}`,
		},
		"a token for no audience": {
			reason: "that is the API server's",
			step:   builtin.ServiceAccountTokens(builtin.TokenRules{Audiences: []string{"", "mesh"}}),
			in:     `{kind: Pod, apiVersion: v1, spec: {volumes: [{projected: {sources: [{serviceAccountToken: {path: token}}]}}]}}`,
			fails:  "ask the platform to allow its audience",
		},
		"a token that is asked for": {
			step: builtin.ServiceAccountTokens(builtin.TokenRules{AllowMount: true}),
			in:   `{kind: Pod, apiVersion: v1, spec: {automountServiceAccountToken: true}}`,
			want: `{kind: Pod, apiVersion: v1, spec: {automountServiceAccountToken: true}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			obj := parse(tc.in)
			err := tc.step.Transform(t.Context(), europe, obj)
			if tc.fails != "" {
				require.ErrorContains(t, err, tc.fails, tc.reason)
				return
			}
			require.NoError(t, err, tc.reason)
			if diff := cmp.Diff(parse(tc.want).Object, obj.Object); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestExpandIsBounded(t *testing.T) {
	long := &transform.Target{Cluster: strings.Repeat("x", 1<<10)}
	_, err := builtin.Expand(long, strings.Repeat("${cluster.name}", 1<<10))
	require.ErrorContains(t, err, "longer than")
}

// What a transformer was given may be changed afterwards.
func TestRulesAreCopied(t *testing.T) {
	labels := map[string]string{"pool": "a"}
	step := builtin.NodeSelector(labels)
	labels["pool"] = "b"
	obj := pod(`containers: []`)
	require.NoError(t, step.Transform(t.Context(), europe, obj))
	got, _, _ := unstructured.NestedString(obj.Object, "spec", "nodeSelector", "pool")
	require.Equal(t, "a", got)

	affinity := builtin.Must(builtin.Affinity(corev1.Affinity{PodAffinity: &corev1.PodAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{TopologyKey: "zone"}},
	}}))
	first, second := pod(`containers: []`), pod(`containers: []`)
	require.NoError(t, affinity.Transform(t.Context(), europe, first))
	require.NoError(t, unstructured.SetNestedField(first.Object, "changed", "spec", "affinity", "podAffinity"))
	require.NoError(t, affinity.Transform(t.Context(), europe, second))
	_, is, _ := unstructured.NestedMap(second.Object, "spec", "affinity", "podAffinity")
	require.True(t, is, "objects share nothing")
}
