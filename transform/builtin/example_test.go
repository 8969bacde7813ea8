package builtin_test

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

func ExampleDigests() {
	show(builtin.Must(builtin.Digests(map[string]string{
		"nginx:1.29": "sha256:0d1e4c8f2b7a6953e0d1c4b8a7f6e5d4c3b2a1908f7e6d5c4b3a29180f7e6d5c",
	})), pod(`containers: [{name: web, image: "nginx:1.29"}]`))
	// Output:
	// --- on eu-1:
	//  spec:
	//    containers:
	// -  - image: nginx:1.29
	// +  - image: nginx:1.29@sha256:0d1e4c8f2b7a6953e0d1c4b8a7f6e5d4c3b2a1908f7e6d5c4b3a29180f7e6d5c
	//      name: web
}

func ExampleMetadata() {
	show(builtin.Must(builtin.Metadata(builtin.MetadataRules{
		SetLabels:         map[string]string{"example.com/region": "${cluster.region}"},
		RemoveAnnotations: []string{"ci.example.com/*"},
	})), parse(`{apiVersion: v1, kind: ConfigMap, metadata: {name: site, annotations: {ci.example.com/build: "7", owner: a}}}`))
	// Output:
	// --- on eu-1:
	//  metadata:
	//    annotations:
	// -    ci.example.com/build: "7"
	//      owner: a
	// +  labels:
	// +    example.com/region: eu
	//    name: site
}

func ExampleSubstitute() {
	show(builtin.Must(builtin.Substitute("data.host")),
		parse(`{apiVersion: v1, kind: ConfigMap, data: {host: "shop.${cluster.properties.domain}", other: "${untouched}"}}`))
	// Output:
	// --- on eu-1:
	//  apiVersion: v1
	//  data:
	// -  host: shop.${cluster.properties.domain}
	// +  host: shop.eu.example.net
	//    other: ${untouched}
	//  kind: ConfigMap
}

func ExamplePullSecrets() {
	show(builtin.PullSecrets("mirror"), pod(`imagePullSecrets: [{name: own}]`))
	// Output:
	// --- on eu-1:
	//    imagePullSecrets:
	//    - name: own
	// +  - name: mirror
}

func ExampleDisruptionBudgets() {
	show(builtin.DisruptionBudgets(), parse(`{apiVersion: policy/v1, kind: PodDisruptionBudget, spec: {minAvailable: 5}}`))
	// Output:
	// --- on eu-1:
	//  kind: PodDisruptionBudget
	//  spec:
	// -  minAvailable: 5
	// +  minAvailable: 3
}

func ExampleEnv() {
	show(builtin.Must(builtin.Env(
		builtin.EnvVar{Name: "REGION", Value: "${cluster.region}"},
		builtin.EnvVar{Name: "MODE", Value: "platform"},
	)), pod(`containers: [{name: web, env: [{name: MODE, value: own}]}]`))
	// Output:
	// --- on eu-1:
	//      - name: MODE
	//        value: own
	// +    - name: REGION
	// +      value: eu
	//      name: web
}

func ExampleResources() {
	show(builtin.Must(builtin.Resources(builtin.ResourceRules{
		Scale: map[string]float64{"cpu": 0.5},
		Min:   map[string]string{"memory": "64Mi"},
		Max:   map[string]string{"memory": "4Gi"},
	})), pod(`containers: [{name: web, resources: {requests: {cpu: "1", memory: 16Mi}, limits: {memory: 8Gi}}}]`))
	// Output:
	// --- on eu-1:
	//      resources:
	//        limits:
	// -        memory: 8Gi
	// +        memory: 4Gi
	//        requests:
	// -        cpu: "1"
	// -        memory: 16Mi
	// +        cpu: 500m
	// +        memory: 64Mi
}

func ExampleNodeSelector() {
	show(builtin.NodeSelector(map[string]string{"pool": "tenants"}), pod(`nodeSelector: {pool: system, arch: arm64}`))
	// Output:
	// --- on eu-1:
	//    nodeSelector:
	//      arch: arm64
	// -    pool: system
	// +    pool: tenants
}

func ExampleTolerations() {
	show(builtin.Must(builtin.Tolerations(corev1.Toleration{Key: "tenants", Operator: corev1.TolerationOpExists})),
		pod(`containers: [{name: web}]`))
	// Output:
	// --- on eu-1:
	//    containers:
	//    - name: web
	// +  tolerations:
	// +  - key: tenants
	// +    operator: Exists
}

func ExampleAffinity() {
	show(builtin.Must(builtin.Affinity(corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
			Weight: 1, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: "kubernetes.io/hostname"},
		}},
	}})), pod(`containers: [{name: web}]`))
	// Output:
	// --- on eu-1:
	//    name: web
	//  spec:
	// +  affinity:
	// +    podAntiAffinity:
	// +      preferredDuringSchedulingIgnoredDuringExecution:
	// +      - podAffinityTerm:
	// +          topologyKey: kubernetes.io/hostname
	// +        weight: 1
	//    containers:
	//    - name: web
}

func ExampleTopologySpread() {
	show(builtin.Must(builtin.TopologySpread(corev1.TopologySpreadConstraint{
		MaxSkew: 1, TopologyKey: "topology.kubernetes.io/zone", WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
	})), pod(`containers: [{name: web}]`))
	// Output:
	// --- on eu-1:
	//    containers:
	//    - name: web
	// +  topologySpreadConstraints:
	// +  - labelSelector:
	// +      matchLabels:
	// +        app: web
	// +    maxSkew: 1
	// +    topologyKey: topology.kubernetes.io/zone
	// +    whenUnsatisfiable: ScheduleAnyway
}

func ExampleRuntimeClasses() {
	show(builtin.RuntimeClasses(builtin.Classes{Map: map[string]string{"sandbox": "gvisor"}, Default: "gvisor"}),
		pod(`runtimeClassName: sandbox`))
	// Output:
	// --- on eu-1:
	//    name: web
	//  spec:
	// -  runtimeClassName: sandbox
	// +  runtimeClassName: gvisor
}

func ExamplePriorityClasses() {
	show(builtin.PriorityClasses(builtin.Classes{Map: map[string]string{"high": "tenant-high"}, Clear: true}),
		pod("priorityClassName: system-node-critical\npriority: 2000001000"))
	// Output:
	// --- on eu-1:
	//  metadata:
	//    name: web
	// -spec:
	// -  priority: 2000001000
	// -  priorityClassName: system-node-critical
	// +spec: {}
}

func ExampleSecurityFloor() {
	show(builtin.SecurityFloor(), pod(`
hostNetwork: true
containers: [{name: web, securityContext: {privileged: true, capabilities: {add: [SYS_ADMIN, NET_BIND_SERVICE]}}}]`))
	// Output:
	// --- on eu-1:
	//    - name: web
	//      securityContext:
	// +      allowPrivilegeEscalation: false
	//        capabilities:
	//          add:
	// -        - SYS_ADMIN
	//          - NET_BIND_SERVICE
	// -      privileged: true
	// -  hostNetwork: true
	// +        drop:
	// +        - ALL
	// +  securityContext:
	// +    runAsNonRoot: true
	// +    seccompProfile:
	// +      type: RuntimeDefault
}

func ExampleServiceAccountTokens() {
	show(builtin.ServiceAccountTokens(builtin.TokenRules{ClearAccount: true}), pod(`serviceAccountName: builder`))
	// Output:
	// --- on eu-1:
	//    name: web
	//  spec:
	// -  serviceAccountName: builder
	// +  automountServiceAccountToken: false
}

func ExampleDNS() {
	show(builtin.Must(builtin.DNS(corev1.DNSNone, corev1.PodDNSConfig{Nameservers: []string{"192.0.2.53"}})),
		pod(`dnsPolicy: ClusterFirst`))
	// Output:
	// --- on eu-1:
	//    name: web
	//  spec:
	// -  dnsPolicy: ClusterFirst
	// +  dnsConfig:
	// +    nameservers:
	// +    - 192.0.2.53
	// +  dnsPolicy: None
}

func ExampleInject() {
	show(builtin.Must(builtin.Inject(builtin.Injection{
		Containers: []corev1.Container{{Name: "logs", Image: "registry.example/logs:1"}},
		Volumes:    []corev1.Volume{{Name: "ca", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "ca"}}}}},
		Mounts:     []corev1.VolumeMount{{Name: "ca", MountPath: "/etc/ca", ReadOnly: true}},
	})), pod(`containers: [{name: web}]`))
	// Output:
	// --- on eu-1:
	//    containers:
	//    - name: web
	// +    volumeMounts:
	// +    - mountPath: /etc/ca
	// +      name: ca
	// +      readOnly: true
	// +  - image: registry.example/logs:1
	// +    name: logs
	// +  volumes:
	// +  - configMap:
	// +      name: ca
	// +    name: ca
}

func ExampleServices() {
	show(builtin.Services(builtin.ServiceRules{LoadBalancers: builtin.Classes{Default: "metal.example/l2"}}), parse(`
apiVersion: v1
kind: Service
spec:
  type: LoadBalancer
  clusterIP: 10.0.0.7
  clusterIPs: [10.0.0.7]
  externalIPs: [192.0.2.1]
  ports: [{port: 443, nodePort: 30443}]`))
	// Output:
	// --- on eu-1:
	//  kind: Service
	//  spec:
	// -  clusterIP: 10.0.0.7
	// -  clusterIPs:
	// -  - 10.0.0.7
	// -  externalIPs:
	// -  - 192.0.2.1
	// +  loadBalancerClass: metal.example/l2
	//    ports:
	// -  - nodePort: 30443
	// -    port: 443
	// +  - port: 443
	//    type: LoadBalancer
}

func ExampleHosts() {
	show(builtin.Must(builtin.Hosts(map[string]string{"example.com": "${cluster.properties.domain}"})), parse(`
apiVersion: networking.k8s.io/v1
kind: Ingress
spec:
  rules: [{host: www.example.com}, {host: elsewhere.org}]
  tls: [{hosts: [www.example.com]}]`))
	// Output:
	// --- on eu-1:
	//  spec:
	//    rules:
	// -  - host: www.example.com
	// +  - host: www.eu.example.net
	//    - host: elsewhere.org
	//    tls:
	//    - hosts:
	// -    - www.example.com
	// +    - www.eu.example.net
}

func ExampleIngressClasses() {
	show(builtin.IngressClasses(builtin.Classes{Map: map[string]string{"public": "edge"}}),
		parse(`{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {ingressClassName: public}}`))
	// Output:
	// --- on eu-1:
	//  kind: Ingress
	//  spec:
	// -  ingressClassName: public
	// +  ingressClassName: edge
}

func ExampleGatewayClasses() {
	show(builtin.GatewayClasses(builtin.Classes{Default: "edge"}),
		parse(`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, spec: {listeners: []}}`))
	// Output:
	// --- on eu-1:
	//  kind: Gateway
	//  spec:
	// +  gatewayClassName: edge
	//    listeners: []
}

func ExampleStorageClasses() {
	show(builtin.StorageClasses(builtin.Classes{Map: map[string]string{"fast": "local-nvme"}}), parse(`
apiVersion: apps/v1
kind: StatefulSet
spec:
  volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: fast}}]`))
	// Output:
	// --- on eu-1:
	//        name: data
	//      spec:
	// -      storageClassName: fast
	// +      storageClassName: local-nvme
}

func ExampleClaims() {
	show(builtin.Claims(), parse(`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {storageClassName: fast, volumeName: pvc-7f}}`))
	// Output:
	// --- on eu-1:
	//  spec:
	//    storageClassName: fast
	// -  volumeName: pvc-7f
}

func ExampleReferences() {
	show(builtin.Must(builtin.References(builtin.ReferenceRules{SharedNamespaces: []string{"gateways"}})), parse(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
spec:
  parentRefs: [{name: public, namespace: gateways}, {name: private, namespace: kube-system}]`))
	// Output:
	// --- on eu-1:
	//      namespace: gateways
	//    - name: private
	// -    namespace: kube-system
	// +    namespace: kube-system-pe6vcmus4gbbtf4p
}

func ExampleAutoscalers() {
	show(builtin.Autoscalers(), parse(`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {minReplicas: 3, maxReplicas: 30}}`))
	// Output:
	// --- on eu-1:
	//  kind: HorizontalPodAutoscaler
	//  spec:
	// -  maxReplicas: 30
	// -  minReplicas: 3
	// +  maxReplicas: 18
	// +  minReplicas: 2
}

func ExampleJobParts() {
	show(builtin.JobParts(), parse(`{apiVersion: batch/v1, kind: Job, spec: {completions: 100, parallelism: 10}}`))
	// Output:
	// --- on eu-1:
	//  kind: Job
	//  spec:
	// -  completions: 100
	// -  parallelism: 10
	// +  completions: 60
	// +  parallelism: 6
}

func ExampleJSONPatch() {
	show(builtin.Must(builtin.JSONPatch([]byte(`[{"op": "replace", "path": "/spec/dnsPolicy", "value": "Default"}]`))),
		pod(`dnsPolicy: ClusterFirst`))
	// Output:
	// --- on eu-1:
	//    name: web
	//  spec:
	// -  dnsPolicy: ClusterFirst
	// +  dnsPolicy: Default
}

func ExampleMergePatch() {
	show(builtin.Must(builtin.MergePatch([]byte(`{"spec": {"dnsPolicy": null, "hostname": "web"}}`))),
		pod(`dnsPolicy: ClusterFirst`))
	// Output:
	// --- on eu-1:
	//    name: web
	//  spec:
	// -  dnsPolicy: ClusterFirst
	// +  hostname: web
}

func ExampleStrategicMerge() {
	scheme := runtime.NewScheme()
	_ = corev1.AddToScheme(scheme)
	show(builtin.Must(builtin.StrategicMerge(scheme, []byte(`{"spec": {"containers": [{"name": "web", "tty": true}]}}`))),
		pod(`containers: [{name: web, image: nginx}, {name: side, image: side}]`))
	// Output:
	// --- on eu-1:
	//    - image: nginx
	//      name: web
	// +    tty: true
	//    - image: side
	//      name: side
}

// A transformer is narrowed by transform.Match, and named where a pipeline has
// two of a kind.
func ExampleMust() {
	merge := builtin.Must(builtin.MergePatch([]byte(`{"spec": {"hostname": "eu"}}`)))
	europeOnly := transform.Named("europe", transform.Match(merge, transform.Rule{Clusters: []string{"eu-1"}}))
	show(europeOnly, pod(`dnsPolicy: ClusterFirst`))
	// Output:
	// --- on eu-1:
	//  spec:
	//    dnsPolicy: ClusterFirst
	// +  hostname: eu
}

func Example_registries() {
	show(builtin.Must(transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example/hub"})),
		pod(`containers: [{name: web, image: "nginx:1.29"}, {name: own, image: registry.example/own}]`))
	// Output:
	// --- on eu-1:
	//  spec:
	//    containers:
	// -  - image: nginx:1.29
	// +  - image: mirror.example/hub/library/nginx:1.29
	//      name: web
	//    - image: registry.example/own
}
