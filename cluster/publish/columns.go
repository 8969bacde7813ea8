package publish

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// columnsOf returns the printer columns of well-known kinds. API servers print
// built-in kinds with code of their own, which their documents do not show.
func columnsOf(gk schema.GroupKind) []apiextensionsv1.CustomResourceColumnDefinition {
	age := column("Age", "date", ".metadata.creationTimestamp")
	var own []apiextensionsv1.CustomResourceColumnDefinition
	switch gk {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		own = append(own,
			column("Desired", "integer", ".spec.replicas"), column("Ready", "integer", ".status.readyReplicas"),
			column("Available", "integer", ".status.availableReplicas"))
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		own = append(own,
			column("Desired", "integer", ".status.desiredNumberScheduled"), column("Ready", "integer", ".status.numberReady"),
			column("Available", "integer", ".status.numberAvailable"))
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		own = append(own,
			column("Completions", "integer", ".spec.completions"), column("Active", "integer", ".status.active"),
			column("Succeeded", "integer", ".status.succeeded"), column("Failed", "integer", ".status.failed"))
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		own = append(own,
			column("Schedule", "string", ".spec.schedule"), column("Suspend", "boolean", ".spec.suspend"),
			column("Last Schedule", "date", ".status.lastScheduleTime"))
	case schema.GroupKind{Kind: "Service"}:
		own = append(own,
			column("Type", "string", ".spec.type"), column("Cluster-IP", "string", ".spec.clusterIP"),
			column("External-IP", "string", ".status.loadBalancer.ingress[*].ip"), column("Ports", "string", ".spec.ports[*].port"))
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		own = append(own,
			column("Status", "string", ".status.phase"), column("Capacity", "string", ".status.capacity.storage"),
			column("StorageClass", "string", ".spec.storageClassName"))
	case schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}:
		own = append(own,
			column("Class", "string", ".spec.ingressClassName"), column("Hosts", "string", ".spec.rules[*].host"),
			column("Address", "string", ".status.loadBalancer.ingress[*].ip"))
	case schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:
		own = append(own,
			column("Reference", "string", ".spec.scaleTargetRef.name"), column("Min", "integer", ".spec.minReplicas"),
			column("Max", "integer", ".spec.maxReplicas"), column("Replicas", "integer", ".status.currentReplicas"))
	case schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}:
		own = append(own,
			column("Min Available", "string", ".spec.minAvailable"), column("Max Unavailable", "string", ".spec.maxUnavailable"),
			column("Allowed Disruptions", "integer", ".status.disruptionsAllowed"))
	}
	return append(own, age)
}

func column(name, kind, path string) apiextensionsv1.CustomResourceColumnDefinition {
	return apiextensionsv1.CustomResourceColumnDefinition{Name: name, Type: kind, JSONPath: path}
}
