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

// kubernetesReferences are those of the kinds of Kubernetes, pods apart.
var kubernetesReferences = slices.Concat(
	ofBinding("RoleBinding"), ofBinding("ClusterRoleBinding"),
	ofWebhooks("MutatingWebhookConfiguration"), ofWebhooks("ValidatingWebhookConfiguration"),
	ofRoute("HTTPRoute"), ofRoute("GRPCRoute"), ofRoute("TLSRoute"), ofRoute("TCPRoute"), ofRoute("UDPRoute"),
	ofStorage(), ofScaler(),
	[]Reference{
		ref(ingressKind, "spec.defaultBackend.service", "name", serviceKind),
		ref(ingressKind, "spec.rules[*].http.paths[*].backend.service", "name", serviceKind),
		ref(ingressKind, "spec.tls[*]", "secretName", secretKind),
		ref(ingressKind, "spec", "ingressClassName", schema.GroupKind{Group: networking, Kind: "IngressClass"}).cluster(),
		ref(policyKind, "spec.ingress[*].from[*].namespaceSelector.matchLabels", "kubernetes.io/metadata.name", namespaceKind),
		ref(policyKind, "spec.egress[*].to[*].namespaceSelector.matchLabels", "kubernetes.io/metadata.name", namespaceKind),
		ref(gatewayKind, "spec.listeners[*].tls.certificateRefs[*]", "namespace", namespaceKind),
		ref(schema.GroupKind{Group: gatewayAPI, Kind: "ReferenceGrant"}, "spec.from[*]", "namespace", namespaceKind),
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
	return []Reference{
		ref(in, "spec.parentRefs[*]", "namespace", namespaceKind),
		ref(in, "spec.rules[*].backendRefs[*]", "namespace", namespaceKind),
		ref(in, "spec.rules[*].backendRefs[*]", "name", serviceKind),
	}
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
	kinds := []string{"Deployment", "StatefulSet", "ReplicaSet"}
	list := make([]Reference, 0, len(kinds))
	for _, kind := range kinds {
		list = append(list, ref(scalerKind, "spec.scaleTargetRef", "name", schema.GroupKind{Group: "apps", Kind: kind}).ifKind(kind))
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
	return []Reference{
		ref(anyPod, affinity+".requiredDuringSchedulingIgnoredDuringExecution[*].namespaces[*]", "", namespaceKind),
		ref(anyPod, affinity+".preferredDuringSchedulingIgnoredDuringExecution[*].podAffinityTerm.namespaces[*]", "", namespaceKind),
	}
}
