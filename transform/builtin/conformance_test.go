package builtin_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
	"github.com/tmc-sdk/tmc/transform/transformtest"
)

// prefixed is a naming whose names tell where they are from.
type prefixed struct{}

func (prefixed) Locate(_ schema.GroupVersionKind, o transform.Origin) (namespace, name string) {
	mark := func(name string) string {
		if name == "" {
			return ""
		}
		return name + "-" + o.LogicalCluster
	}
	return mark(o.Namespace), mark(o.Name)
}

// all are the transformers of the package, each set up to do as much as it can.
func all() []transform.Transformer {
	scheme := runtime.NewScheme()
	_ = corev1.AddToScheme(scheme)
	classes := builtin.Classes{Map: map[string]string{"fast": "local", "local": "slow", "x": "x"}, Default: "slow", Clear: true}
	return []transform.Transformer{
		builtin.Must(builtin.Digests(map[string]string{"app:1": "sha256:0d1e4c8f2b7a6953e0d1c4b8a7f6e5d4c3b2a1908f7e6d5c4b3a29180f7e6d5c"})),
		builtin.Must(builtin.Metadata(builtin.MetadataRules{
			SetLabels: map[string]string{"example.com/zone": "${cluster.zone}"}, SetAnnotations: map[string]string{"a": "b"},
			RemoveLabels: []string{"ci/*", "team"}, RemoveAnnotations: []string{"*"},
		})),
		builtin.Must(builtin.Substitute("data.host", "spec.rules[*].host")),
		builtin.PullSecrets("mirror", "hub"),
		builtin.Must(builtin.Env(builtin.EnvVar{Name: "REGION", Value: "${cluster.region}"}, builtin.EnvVar{Name: "A", Value: "b", Force: true})),
		builtin.Must(builtin.Resources(builtin.ResourceRules{Min: map[string]string{"memory": "64Mi", "cpu": "10m"}, Max: map[string]string{"cpu": "2"}})),
		builtin.NodeSelector(map[string]string{"pool": "tenants"}),
		builtin.Must(builtin.Tolerations(corev1.Toleration{Key: "tenants", Operator: corev1.TolerationOpExists})),
		builtin.Must(builtin.Affinity(corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}})),
		builtin.Must(builtin.TopologySpread(corev1.TopologySpreadConstraint{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway})),
		builtin.RuntimeClasses(classes),
		builtin.PriorityClasses(classes),
		builtin.StorageClasses(classes),
		builtin.IngressClasses(classes),
		builtin.GatewayClasses(classes),
		builtin.SecurityFloor(),
		builtin.ServiceAccountTokens(builtin.TokenRules{AllowMount: true, ClearAccount: true}),
		builtin.Must(builtin.DNS(corev1.DNSNone, corev1.PodDNSConfig{Nameservers: []string{"192.0.2.53"}})),
		builtin.Must(builtin.Inject(builtin.Injection{
			InitContainers: []corev1.Container{{Name: "setup", Image: "setup:1"}},
			Containers:     []corev1.Container{{Name: "logs", Image: "logs:1"}},
			Volumes:        []corev1.Volume{{Name: "ca"}},
			Mounts:         []corev1.VolumeMount{{Name: "ca", MountPath: "/etc/ca"}},
		})),
		builtin.Services(builtin.ServiceRules{LoadBalancers: classes}),
		builtin.Must(builtin.Hosts(map[string]string{"example.com": "${cluster.properties.domain}"})),
		builtin.Claims(),
		builtin.Must(builtin.References(builtin.ReferenceRules{Naming: prefixed{}, Synced: []schema.GroupKind{
			{Kind: "ConfigMap"}, {Kind: "Secret"}, {Kind: "ServiceAccount"}, {Group: "storage.k8s.io", Kind: "StorageClass"},
		}})),
		builtin.Must(builtin.MergePatch([]byte(`{"spec": {"paused": true}}`))),
		builtin.Must(builtin.JSONPatch([]byte(`[{"op": "add", "path": "/extra", "value": {"a": 1}}]`))),
		transform.Match(builtin.Must(builtin.StrategicMerge(scheme, []byte(`{"spec": {"containers": [{"name": "web", "tty": true}]}}`))),
			transform.Rule{Kinds: kindsOf("Pod")}),
	}
}

// objects have a shape that each of them changes.
func objects() []*unstructured.Unstructured {
	podSpec := `{hostNetwork: true, runtimeClassName: fast, priorityClassName: other, serviceAccountName: builder,
    imagePullSecrets: [{name: own}], nodeSelector: {pool: system}, securityContext: {runAsUser: 0, seccompProfile: {type: Unconfined}},
    initContainers: [{name: init, image: "app:1"}],
    containers: [{name: web, image: "app:1", env: [{name: A, value: own}], ports: [{containerPort: 80, hostPort: 80}],
      resources: {requests: {cpu: "4", memory: 1Mi}}, securityContext: {privileged: true, runAsUser: 0, capabilities: {add: [SYS_ADMIN]}}}]}`
	return []*unstructured.Unstructured{
		parse(`{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop, labels: {team: a, ci/x: run}}, spec: ` + podSpec + `}`),
		parse(`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s, namespace: shop}, spec: {template: {spec: ` + podSpec + `},
  volumeClaimTemplates: [{metadata: {name: d}, spec: {storageClassName: fast, volumeName: pv}}]}}`),
		parse(`{apiVersion: batch/v1, kind: CronJob, metadata: {name: c, namespace: shop}, spec: {jobTemplate: {spec: {template: {spec: ` + podSpec + `}}}}}`),
		parse(`{apiVersion: v1, kind: Service, metadata: {name: s, namespace: shop}, spec: {type: LoadBalancer, clusterIP: 10.0.0.1, ports: [{port: 1, nodePort: 30000}]}}`),
		parse(`{apiVersion: v1, kind: Service, metadata: {name: h, namespace: shop}, spec: {clusterIP: None}}`),
		parse(`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, namespace: shop}, spec: {ingressClassName: fast, rules: [{host: a.example.com}], tls: [{hosts: [example.com, other.org]}]}}`),
		parse(`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, namespace: shop}, spec: {listeners: [{hostname: example.com}]}}`),
		parse(`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: shop}, spec: {storageClassName: fast, volumeName: pv}}`),
		parse(`{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {name: r, namespace: shop}, spec: {hostnames: [a.example.com], rules: [{filters: [{requestMirror: {backendRef: {name: b, namespace: other}}}]}]}}`),
		parse(`{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop}, data: {host: "${cluster.name}"}}`),
	}
}

func TestConformance(t *testing.T) {
	for _, step := range all() {
		t.Run(step.Name(), func(t *testing.T) { transformtest.TestTransformer(t, step, europe, objects()...) })
	}
}

// A pipeline of all of them keeps the contract, too.
func TestAllTogether(t *testing.T) {
	p, err := transform.NewPipeline("main", transform.With(all()...))
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range objects() {
		before := obj.DeepCopy()
		if _, err := p.Render(t.Context(), europe, obj, europe.Origin); err != nil {
			t.Error(err)
		}
		if !equal(before, obj) {
			t.Errorf("%s was changed", obj.GetKind())
		}
	}
}
