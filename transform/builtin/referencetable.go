package builtin

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

const (
	rbac       = "rbac.authorization.k8s.io"
	gatewayAPI = "gateway.networking.k8s.io"
	networking = "networking.k8s.io"
)

// Kinds that are referred to.
var (
	namespaceKind = schema.GroupKind{Kind: "Namespace"}
	configMapKind = schema.GroupKind{Kind: "ConfigMap"}
	secretKind    = schema.GroupKind{Kind: "Secret"}
	accountKind   = schema.GroupKind{Kind: "ServiceAccount"}
	volumeKind    = schema.GroupKind{Kind: "PersistentVolume"}
	classKind     = schema.GroupKind{Group: "storage.k8s.io", Kind: "StorageClass"}
	policyKind    = schema.GroupKind{Group: networking, Kind: "NetworkPolicy"}
	scalerKind    = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
)

// ref makes a reference of a kind's field.
func ref(in schema.GroupKind, holder, field string, to schema.GroupKind) Reference {
	r := Reference{In: in, Field: field, To: to}
	if holder != "" {
		r.Holder = transform.MustPath(holder)
	}
	return r
}

func (r Reference) cluster() Reference           { r.ClusterScoped = true; return r }
func (r Reference) ifKind(kind string) Reference { r.IfKind = kind; return r }

// namespaceLabel is the label by which selectors name namespaces.
const namespaceLabel = "kubernetes.io/metadata.name"

// ofSelector are the names of namespaces in a selector of namespaces.
func ofSelector(in schema.GroupKind, selector string) []Reference {
	expressions := ref(in, selector+".matchExpressions[*]", "values", namespaceKind)
	expressions.ifKey = namespaceLabel
	return []Reference{ref(in, selector+".matchLabels", namespaceLabel, namespaceKind), expressions}
}

// kubernetesReferences are those of the kinds of Kubernetes, pods apart.
var kubernetesReferences = slices.Concat(
	ofBinding("RoleBinding"), ofBinding("ClusterRoleBinding"),
	ofWebhooks("MutatingWebhookConfiguration"), ofWebhooks("ValidatingWebhookConfiguration"),
	ofRoute("HTTPRoute"), ofRoute("GRPCRoute"), ofRoute("TLSRoute"), ofRoute("TCPRoute"), ofRoute("UDPRoute"),
	ofStorage(), ofScaler(), ofGateway(),
	ofSelector(policyKind, "spec.ingress[*].from[*].namespaceSelector"), ofSelector(policyKind, "spec.egress[*].to[*].namespaceSelector"),
	[]Reference{
		ref(ingressKind, "spec.defaultBackend.service", "name", serviceKind),
		ref(ingressKind, "spec.rules[*].http.paths[*].backend.service", "name", serviceKind),
		ref(ingressKind, "spec.tls[*]", "secretName", secretKind),
		ref(ingressKind, "spec", "ingressClassName", schema.GroupKind{Group: networking, Kind: "IngressClass"}).cluster(),
		ref(accountKind, "secrets[*]", "name", secretKind),
		ref(accountKind, "imagePullSecrets[*]", "name", secretKind),
	},
)

func ofBinding(kind string) []Reference {
	in := schema.GroupKind{Group: rbac, Kind: kind}
	return []Reference{
		ref(in, "subjects[*]", "namespace", namespaceKind),
		ref(in, "subjects[*]", "name", accountKind).ifKind("ServiceAccount"),
		ref(in, "roleRef", "name", schema.GroupKind{Group: rbac, Kind: "Role"}).ifKind("Role"),
		ref(in, "roleRef", "name", schema.GroupKind{Group: rbac, Kind: "ClusterRole"}).ifKind("ClusterRole").cluster(),
	}
}

func ofWebhooks(kind string) []Reference {
	in := schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: kind}
	return []Reference{
		ref(in, "webhooks[*].clientConfig.service", "namespace", namespaceKind),
		ref(in, "webhooks[*].clientConfig.service", "name", serviceKind),
	}
}

func ofRoute(kind string) []Reference {
	in := schema.GroupKind{Group: gatewayAPI, Kind: kind}
	list := []Reference{ref(in, "spec.parentRefs[*]", "namespace", namespaceKind)}
	for _, backend := range [...]string{
		"spec.rules[*].backendRefs[*]", "spec.rules[*].filters[*].requestMirror.backendRef",
		"spec.rules[*].backendRefs[*].filters[*].requestMirror.backendRef",
	} {
		list = append(list, ref(in, backend, "namespace", namespaceKind), ref(in, backend, "name", serviceKind))
	}
	return list
}

func ofGateway() []Reference {
	return slices.Concat(
		ofSelector(gatewayKind, "spec.listeners[*].allowedRoutes.namespaces.selector"),
		[]Reference{
			ref(gatewayKind, "spec.listeners[*].tls.certificateRefs[*]", "namespace", namespaceKind),
			ref(gatewayKind, "spec.listeners[*].tls.certificateRefs[*]", "name", secretKind),
			ref(gatewayKind, "spec.listeners[*].tls.frontendValidation.caCertificateRefs[*]", "namespace", namespaceKind),
			ref(schema.GroupKind{Group: gatewayAPI, Kind: "ReferenceGrant"}, "spec.from[*]", "namespace", namespaceKind),
		},
	)
}

func ofStorage() []Reference {
	return []Reference{
		ref(claimKind, "spec", "storageClassName", classKind).cluster(),
		ref(claimKind, "spec", "volumeName", volumeKind).cluster(),
		ref(claimKind, "spec.dataSourceRef", "namespace", namespaceKind),
		ref(volumeKind, "spec.claimRef", "namespace", namespaceKind),
		ref(volumeKind, "spec.claimRef", "name", claimKind),
		ref(volumeKind, "spec", "storageClassName", classKind).cluster(),
		ref(statefulSetKind, "spec", "serviceName", serviceKind),
		ref(statefulSetKind, "spec.volumeClaimTemplates[*].spec", "storageClassName", classKind).cluster(),
	}
}

func ofScaler() []Reference {
	const target, described = "spec.scaleTargetRef", "spec.metrics[*].object.describedObject"
	list := []Reference{
		ref(scalerKind, target, "name", schema.GroupKind{Kind: "ReplicationController"}).ifKind("ReplicationController"),
		ref(scalerKind, described, "name", serviceKind).ifKind("Service"),
		ref(scalerKind, described, "name", ingressKind).ifKind("Ingress"),
	}
	for _, kind := range [...]string{"Deployment", "StatefulSet", "ReplicaSet"} {
		list = append(list, ref(scalerKind, target, "name", schema.GroupKind{Group: "apps", Kind: kind}).ifKind(kind))
	}
	return list
}

// anyPod stands for whatever has a pod spec.
var anyPod = schema.GroupKind{Kind: "Pod"}

// podReferences are those within a pod spec.
var podReferences = slices.Concat(
	ofContainers("initContainers[*]"), ofContainers("containers[*]"), ofContainers("ephemeralContainers[*]"),
	ofAffinity("affinity.podAffinity"), ofAffinity("affinity.podAntiAffinity"),
	[]Reference{
		ref(anyPod, "", "serviceAccountName", accountKind),
		ref(anyPod, "", "serviceAccount", accountKind),
		ref(anyPod, "", "priorityClassName", schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}).cluster(),
		ref(anyPod, "", "runtimeClassName", schema.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"}).cluster(),
		ref(anyPod, "imagePullSecrets[*]", "name", secretKind),
		ref(anyPod, "volumes[*].configMap", "name", configMapKind),
		ref(anyPod, "volumes[*].secret", "secretName", secretKind),
		ref(anyPod, "volumes[*].projected.sources[*].configMap", "name", configMapKind),
		ref(anyPod, "volumes[*].projected.sources[*].secret", "name", secretKind),
		ref(anyPod, "volumes[*].csi.nodePublishSecretRef", "name", secretKind),
		ref(anyPod, "volumes[*].azureFile", "secretName", secretKind),
		ref(anyPod, "volumes[*].cephfs.secretRef", "name", secretKind),
		ref(anyPod, "volumes[*].flexVolume.secretRef", "name", secretKind),
		ref(anyPod, "volumes[*].iscsi.secretRef", "name", secretKind),
		ref(anyPod, "volumes[*].rbd.secretRef", "name", secretKind),
		ref(anyPod, "volumes[*].ephemeral.volumeClaimTemplate.spec", "storageClassName", classKind).cluster(),
		ref(anyPod, "volumes[*].persistentVolumeClaim", "claimName", claimKind),
	},
)

func ofContainers(containers string) []Reference {
	return []Reference{
		ref(anyPod, containers+".envFrom[*].configMapRef", "name", configMapKind),
		ref(anyPod, containers+".envFrom[*].secretRef", "name", secretKind),
		ref(anyPod, containers+".env[*].valueFrom.configMapKeyRef", "name", configMapKind),
		ref(anyPod, containers+".env[*].valueFrom.secretKeyRef", "name", secretKind),
	}
}

func ofAffinity(affinity string) []Reference {
	var list []Reference
	for _, term := range [...]string{
		affinity + ".requiredDuringSchedulingIgnoredDuringExecution[*]",
		affinity + ".preferredDuringSchedulingIgnoredDuringExecution[*].podAffinityTerm",
	} {
		list = append(list, ref(anyPod, term+".namespaces[*]", "", namespaceKind))
		list = append(list, ofSelector(anyPod, term+".namespaceSelector")...)
	}
	return list
}
