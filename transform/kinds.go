package transform

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// addresses are what a Service or an Ingress is reached by, on every cluster.
var addresses = []Keyed{{Field: "loadBalancer.ingress", Keys: []string{"ip", "hostname"}}}

// kinds are those of Kubernetes whose status is known. What is missing from a
// declaration on purpose: names and UIDs of objects of one cluster, and the
// indexes of Jobs and revisions, which mean nothing over several.
var kinds = map[schema.GroupKind]Fields{
	{Group: "apps", Kind: "Deployment"}: {
		Kind: "Deployment",
		Sum:  []string{"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas", "terminatingReplicas"},
		Due:  []string{"unavailableReplicas"},
	},
	{Group: "apps", Kind: "StatefulSet"}: {
		Kind:  "StatefulSet",
		Sum:   []string{"replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"},
		Agree: []string{"currentRevision", "updateRevision"},
	},
	{Group: "apps", Kind: "DaemonSet"}: {
		Kind: "DaemonSet",
		Sum: []string{
			"currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
			"updatedNumberScheduled", "numberAvailable", "numberUnavailable",
		},
	},
	{Group: "apps", Kind: "ReplicaSet"}: {
		Kind: "ReplicaSet",
		Sum:  []string{"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas"},
	},
	{Kind: "ReplicationController"}: {
		Kind: "ReplicationController",
		Sum:  []string{"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"},
	},
	{Group: "batch", Kind: "Job"}: {
		Kind:     "Job",
		Sum:      []string{"active", "ready", "succeeded", "failed", "terminating"},
		Min:      []string{"startTime"},
		Max:      []string{"completionTime"},
		Together: []string{"completionTime", "Complete", "SuccessCriteriaMet"},
	},
	{Group: "batch", Kind: "CronJob"}: {
		Kind:  "CronJob",
		Max:   []string{"lastScheduleTime", "lastSuccessfulTime"},
		Merge: []Keyed{{Field: "active", Keys: []string{"namespace", "name", "uid"}}},
	},
	{Kind: "Service"}: {Kind: "Service", Merge: addresses},
	{Group: "networking.k8s.io", Kind: "Ingress"}: {Kind: "Ingress", Merge: addresses},
	{Group: "gateway.networking.k8s.io", Kind: "Gateway"}: {
		Kind:  "Gateway",
		Merge: []Keyed{{Field: "addresses", Keys: []string{"type", "value"}}},
		Each: []Each{{
			Field: "listeners", Key: "name", Sum: []string{"attachedRoutes"}, Agree: []string{"supportedKinds"},
			BadWhenTrue: []string{"Conflicted", "OverlappingTLSConfig"},
		}},
	},
	{Kind: "PersistentVolumeClaim"}: {
		Kind:  "PersistentVolumeClaim",
		Worst: []Ranking{{Field: "phase", Values: []string{"Lost", "Pending", "Bound"}, Missing: "Pending"}},
		Min:   []string{"capacity.storage"},
		Agree: []string{"accessModes"},
	},
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}: {
		Kind: "HorizontalPodAutoscaler",
		Sum:  []string{"currentReplicas", "desiredReplicas"},
		Max:  []string{"lastScaleTime"},
	},
	{Group: "policy", Kind: "PodDisruptionBudget"}: {
		Kind: "PodDisruptionBudget",
		Sum:  []string{"currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"},
	},
}
