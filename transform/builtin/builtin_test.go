package builtin_test

import (
	"math"
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

// A slip is found when the pipeline is built, and told by the name of the transformer,
// the field and what to do: where the constructor does not refuse, NewPipeline does.
func TestRefusedRules(t *testing.T) {
	type made = func() (transform.Transformer, error)
	metadata := func(r builtin.MetadataRules) made {
		return func() (transform.Transformer, error) { return builtin.Metadata(r) }
	}
	resources := func(r builtin.ResourceRules) made {
		return func() (transform.Transformer, error) { return builtin.Resources(r) }
	}
	inject := func(i builtin.Injection) made {
		return func() (transform.Transformer, error) { return builtin.Inject(i) }
	}
	digests := func(image, digest string) made {
		return func() (transform.Transformer, error) { return builtin.Digests(map[string]string{image: digest}) }
	}
	hosts := func(from, to string) made {
		return func() (transform.Transformer, error) { return builtin.Hosts(map[string]string{from: to}) }
	}
	tolerate := func(t corev1.Toleration) made {
		return func() (transform.Transformer, error) { return builtin.Tolerations(t) }
	}
	spread := func(c corev1.TopologySpreadConstraint) made {
		return func() (transform.Transformer, error) { return builtin.TopologySpread(c) }
	}
	env := func(v builtin.EnvVar) made { return func() (transform.Transformer, error) { return builtin.Env(v) } }
	plain := func(step transform.Transformer) made {
		return func() (transform.Transformer, error) { return step, nil }
	}
	strategic := func(scheme *runtime.Scheme, patch string) made {
		return func() (transform.Transformer, error) { return builtin.StrategicMerge(scheme, []byte(patch)) }
	}
	for name, tc := range map[string]struct {
		reason string
		make   made
		want   string
	}{
		"digest that is none":  {"a pin must pin", digests("a", "latest"), `Digests: ["a"]="latest": it is no digest`},
		"digest cut short":     {"as one that was copied by hand", digests("a", "sha256:0d1e"), "64 hexadecimal digits"},
		"digest twice":         {"an image has one digest", digests("a@sha256:1", "sha256:"+strings.Repeat("0", 64)), "pinned already"},
		"our label":            {"marks are ours", metadata(builtin.MetadataRules{SetLabels: map[string]string{"tmc-sdk.dev/installation": "x"}}), "keys of tmc-sdk.dev"},
		"a label of ours":      {"and all below our domain", metadata(builtin.MetadataRules{SetAnnotations: map[string]string{"a.tmc-sdk.dev/b": "x"}}), `SetAnnotations["a.tmc-sdk.dev/b"]`},
		"kcp's label":          {"the guard would refuse it", metadata(builtin.MetadataRules{SetLabels: map[string]string{"kcp.io/x": "x"}}), "keys of kcp.io"},
		"label that is none":   {"", metadata(builtin.MetadataRules{SetLabels: map[string]string{"a b": "x"}}), `Metadata: SetLabels["a b"]="x"`},
		"value that is none":   {"", metadata(builtin.MetadataRules{SetLabels: map[string]string{"a": "x y"}}), `SetLabels["a"]="x y"`},
		"star amid":            {"it would remove nothing", metadata(builtin.MetadataRules{RemoveLabels: []string{"a*b"}}), `RemoveLabels[0] "a*b"`},
		"remove nothing":       {"", metadata(builtin.MetadataRules{RemoveAnnotations: []string{"x", ""}}), "RemoveAnnotations[1]"},
		"unknown value":        {"", metadata(builtin.MetadataRules{SetLabels: map[string]string{"a": "${cluster.regoin}"}}), "there are cluster.name, cluster.region"},
		"no key":               {"", metadata(builtin.MetadataRules{SetLabels: map[string]string{"a": "${cluster.labels.}"}}), "there is no value ${cluster.labels.}"},
		"open value":           {"", env(builtin.EnvVar{Name: "A", Value: "${cluster.name"}), "Env: A: ${cluster.name is not closed"},
		"nameless":             {"", env(builtin.EnvVar{Value: "x"}), `Env: vars[0].Name ""`},
		"name with a value":    {"", env(builtin.EnvVar{Name: "A=b"}), `vars[0].Name "A=b"`},
		"bad path":             {"", func() (transform.Transformer, error) { return builtin.Substitute("a", "a..b") }, "Substitute: paths[1]"},
		"bad bound":            {"", resources(builtin.ResourceRules{Min: map[string]string{"cpu": "lots"}}), `Resources: Min["cpu"]="lots"`},
		"negative bound":       {"", resources(builtin.ResourceRules{Max: map[string]string{"cpu": "-1"}}), `Max["cpu"]="-1"`},
		"bad factor":           {"", resources(builtin.ResourceRules{Scale: map[string]float64{"cpu": -1}}), `Scale["cpu"]=-1`},
		"no factor":            {"", resources(builtin.ResourceRules{Scale: map[string]float64{"cpu": math.NaN()}}), `Scale["cpu"]=NaN`},
		"crossed bound":        {"", resources(builtin.ResourceRules{Min: map[string]string{"cpu": "2"}, Max: map[string]string{"cpu": "1"}}), "raise Max or lower Min"},
		"no domain":            {"", hosts("", "x"), `Hosts: [""]`},
		"bad domain":           {"", hosts("a", "${x}"), "there is no value ${x}"},
		"domain with a scheme": {"", hosts("a.b", "https://x"), `Hosts: ["a.b"]="https://x"`},
		"no patch":             {"", func() (transform.Transformer, error) { return builtin.JSONPatch(nil) }, "JSONPatch: "},
		"patch of kind":        {"a transformer keeps the identity", func() (transform.Transformer, error) { return builtin.MergePatch([]byte(`{"kind": "Secret"}`)) }, "MergePatch: kind may not"},
		"patch of name": {"", func() (transform.Transformer, error) {
			return builtin.JSONPatch([]byte(`[{"op": "replace", "path": "/metadata/name", "value": "x"}]`))
		}, "jsonPatch[0]"},
		"reference to nothing": {"", func() (transform.Transformer, error) {
			return builtin.References(builtin.ReferenceRules{More: []builtin.Reference{{}}})
		}, "References: More[0]"},
		"merge without a scheme": {"", strategic(nil, `{}`), "StrategicMerge: scheme"},
		"merge of nothing":       {"", strategic(runtime.NewScheme(), `null`), "is no object"},
		"merge of a name":        {"it is the guard's to refuse, and told before", strategic(runtime.NewScheme(), `{"metadata": {"name": "x"}}`), "metadata.name"},
		"operator":               {"", tolerate(corev1.Toleration{Key: "a", Operator: "Maybe"}), `Tolerations: tolerations[0]: operator: "Maybe" is not known`},
		"effect":                 {"", tolerate(corev1.Toleration{Key: "a", Effect: "NoSheet"}), "effect"},
		"every taint":            {"", tolerate(corev1.Toleration{}), "must be Exists"},
		"a value too much":       {"", tolerate(corev1.Toleration{Key: "a", Operator: corev1.TolerationOpExists, Value: "b"}), "takes no value"},
		"a key of a taint":       {"", tolerate(corev1.Toleration{Key: "a b"}), "tolerations[0]"},
		"no skew":                {"", spread(corev1.TopologySpreadConstraint{TopologyKey: "zone", WhenUnsatisfiable: corev1.DoNotSchedule}), "TopologySpread: constraints[0]: maxSkew"},
		"no topology":            {"", spread(corev1.TopologySpreadConstraint{MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule}), "topologyKey"},
		"no consequence":         {"", spread(corev1.TopologySpreadConstraint{MaxSkew: 1, TopologyKey: "zone"}), "whenUnsatisfiable"},
		"no name server":         {"", func() (transform.Transformer, error) { return builtin.DNS(corev1.DNSNone, corev1.PodDNSConfig{}) }, "DNS: config.nameservers"},
		"no DNS policy":          {"", func() (transform.Transformer, error) { return builtin.DNS("Maybe", corev1.PodDNSConfig{}) }, "DNS: policy"},
		"nameless container":     {"", inject(builtin.Injection{Containers: []corev1.Container{{Image: "x"}}}), "Inject: Containers[0].name"},
		"no image":               {"", inject(builtin.Injection{InitContainers: []corev1.Container{{Name: "x"}}}), "InitContainers[0].image"},
		"nameless volume":        {"", inject(builtin.Injection{Volumes: []corev1.Volume{{}}}), "Volumes[0].name"},
		"mount of nothing":       {"", inject(builtin.Injection{Mounts: []corev1.VolumeMount{{Name: "a", MountPath: "etc"}}}), "Mounts[0]"},
		"selector":               {"", plain(builtin.NodeSelector(map[string]string{"pool": "a b"})), `NodeSelector: labels["pool"]="a b"`},
		"secret":                 {"", plain(builtin.PullSecrets("a", "B_c")), `PullSecrets: names[1] "B_c"`},
		"class of no name":       {"", plain(builtin.IngressClasses(builtin.Classes{Map: map[string]string{"a": ""}})), `IngressClasses: Map["a"]=""`},
		"no class":               {"", plain(builtin.RuntimeClasses(builtin.Classes{Map: map[string]string{"": "a"}})), `RuntimeClasses: Map[""]="a"`},
		"no priority":            {"", plain(builtin.PriorityClasses(builtin.Classes{Map: map[string]string{"": "a"}})), "PriorityClasses: Map"},
		"wrapped":                {"whatever is around it", plain(transform.Named("x", transform.Within(transform.Match(builtin.PullSecrets(""), transform.Rule{})))), `names[0] ""`},
	} {
		t.Run(name, func(t *testing.T) {
			step, err := tc.make()
			if err == nil {
				_, err = transform.NewPipeline("main", transform.With(step))
				require.ErrorContains(t, step.Transform(t.Context(), europe, parse(`{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {}}`)), "builtin: ", "nobody runs it, either")
			} else {
				require.Panics(t, func() { builtin.Must(tc.make()) })
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
			require.ErrorContains(t, err, "builtin: ", tc.reason)
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
		"classes of ephemeral volumes": {
			reason: "a claim is a claim",
			step:   builtin.StorageClasses(builtin.Classes{Map: map[string]string{"fast": "local"}}),
			in:     `{kind: Deployment, apiVersion: apps/v1, spec: {template: {spec: {volumes: [1, {ephemeral: {volumeClaimTemplate: {spec: {storageClassName: fast}}}}, {ephemeral: []}]}}}}`,
			want:   `{kind: Deployment, apiVersion: apps/v1, spec: {template: {spec: {volumes: [1, {ephemeral: {volumeClaimTemplate: {spec: {storageClassName: local}}}}, {ephemeral: []}]}}}}`,
		},
		"a claim of another group": {
			step: builtin.Claims(), in: `{kind: PersistentVolumeClaim, apiVersion: x.io/v1, spec: {volumeName: a}}`, want: `{kind: PersistentVolumeClaim, apiVersion: x.io/v1, spec: {volumeName: a}}`,
		},
		"digests of volumes": {
			step: builtin.Must(builtin.Digests(map[string]string{"m:1": "sha256:" + strings.Repeat("0", 64)})),
			in:   `{kind: Pod, apiVersion: v1, spec: {volumes: [{image: {reference: "m:1"}}, {image: {reference: "m:2"}}, {image: []}]}}`,
			want: `{kind: Pod, apiVersion: v1, spec: {volumes: [{image: {reference: "m:1@sha256:` + strings.Repeat("0", 64) + `"}}, {image: {reference: "m:2"}}, {image: []}]}}`,
		},
		"hosts of routes": {
			reason: "a host is a host by whatever protocol",
			step:   builtin.Must(builtin.Hosts(map[string]string{"example.com": "example.net"})),
			in:     `{kind: TLSRoute, apiVersion: gateway.networking.k8s.io/v1alpha2, spec: {hostnames: [a.example.com, "*.example.com"]}}`,
			want:   `{kind: TLSRoute, apiVersion: gateway.networking.k8s.io/v1alpha2, spec: {hostnames: [a.example.net, "*.example.net"]}}`,
		},
		"a volume that is not local": {
			reason: "the Restricted profile has no NFS", step: builtin.SecurityFloor(),
			in: `{kind: Pod, apiVersion: v1, spec: {volumes: [{name: a, emptyDir: {}}, {name: b, nfs: {server: x}}]}}`, fails: `volume "b" is of the sort nfs`,
		},
		"another host's health": {
			reason: "the kubelet asks from the node", step: builtin.SecurityFloor(),
			in:   `{kind: Pod, apiVersion: v1, spec: {securityContext: {runAsNonRoot: true, seLinuxOptions: {type: spc_t, level: s0, user: u}, seccompProfile: {type: RuntimeDefault}}, containers: [{livenessProbe: {httpGet: {host: 169.254.169.254, path: /}}, lifecycle: {preStop: {tcpSocket: {host: x, port: 1}}}, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}`,
			want: `{kind: Pod, apiVersion: v1, spec: {securityContext: {runAsNonRoot: true, seLinuxOptions: {level: s0}, seccompProfile: {type: RuntimeDefault}}, containers: [{livenessProbe: {httpGet: {path: /}}, lifecycle: {preStop: {tcpSocket: {port: 1}}}, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}`,
		},
		"a budget of few": {
			reason: "or no node of the cluster could be drained", step: builtin.DisruptionBudgets(),
			in:   `{kind: PodDisruptionBudget, apiVersion: policy/v1, spec: {minAvailable: 1, maxUnavailable: 1}}`,
			want: `{kind: PodDisruptionBudget, apiVersion: policy/v1, spec: {minAvailable: 1, maxUnavailable: 1}}`,
		},
		"a budget in percent": {
			step: builtin.DisruptionBudgets(), in: `{kind: PodDisruptionBudget, apiVersion: policy/v1, spec: {minAvailable: 50%}}`, want: `{kind: PodDisruptionBudget, apiVersion: policy/v1, spec: {minAvailable: 50%}}`,
		},
		"a scaler's bounds in their order": {
			reason: "by the largest remainder the maximum was less than the minimum", step: builtin.Autoscalers(),
			in:   `{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, spec: {minReplicas: 4, maxReplicas: 5}}`,
			want: `{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, spec: {minReplicas: 2, maxReplicas: 3}}`,
		},
		"references of selectors": {
			reason: "a namespace is named by its label, too",
			step:   builtin.Must(builtin.References(builtin.ReferenceRules{Naming: prefixed{}})),
			in: `{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, spec: {ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a, x: b},
matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [a, b, 1, [c]]}, {key: x, operator: In, values: [a]}]}}]}]}}`,
			want: `{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, spec: {ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a-2x9a, x: b},
matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [a-2x9a, b-2x9a, 1, [c]]}, {key: x, operator: In, values: [a]}]}}]}]}}`,
		},
		"references of a mirror": {
			reason: "requests are copied to nobody else's service",
			step:   builtin.Must(builtin.References(builtin.ReferenceRules{Naming: prefixed{}})),
			in:     `{kind: HTTPRoute, apiVersion: gateway.networking.k8s.io/v1, spec: {rules: [{filters: [{requestMirror: {backendRef: {name: b, namespace: other}}}]}]}}`,
			want:   `{kind: HTTPRoute, apiVersion: gateway.networking.k8s.io/v1, spec: {rules: [{filters: [{requestMirror: {backendRef: {name: b, namespace: other-2x9a}}}]}]}}`,
		},
		"references of a scaler": {
			step: builtin.Must(builtin.References(builtin.ReferenceRules{Naming: prefixed{}, Synced: []schema.GroupKind{{Kind: "Service"}, {Group: "apps", Kind: "Deployment"}}})),
			in:   `{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, spec: {scaleTargetRef: {kind: Deployment, name: web}, metrics: [{object: {describedObject: {kind: Service, name: web}}}, {object: {describedObject: {kind: Other, name: web}}}]}}`,
			want: `{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, spec: {scaleTargetRef: {kind: Deployment, name: web-2x9a}, metrics: [{object: {describedObject: {kind: Service, name: web-2x9a}}}, {object: {describedObject: {kind: Other, name: web}}}]}}`,
		},
		"a label that becomes none": {
			reason: "the API server would refuse the copy, and say less",
			step:   builtin.Must(builtin.Metadata(builtin.MetadataRules{SetLabels: map[string]string{"a": "${cluster.name}/x"}})),
			in:     `{kind: Pod, apiVersion: v1, metadata: {}}`, fails: "labels[a]",
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
