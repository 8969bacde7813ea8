package syncer

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// conditionKinds are the kinds of Kubernetes whose status has a list of
// conditions.
var conditionKinds = map[schema.GroupKind]bool{
	{Group: "apps", Kind: "DaemonSet"}:                         true,
	{Group: "apps", Kind: "Deployment"}:                        true,
	{Group: "apps", Kind: "ReplicaSet"}:                        true,
	{Group: "apps", Kind: "StatefulSet"}:                       true,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:    true,
	{Group: "batch", Kind: "Job"}:                              true,
	{Group: "policy", Kind: "PodDisruptionBudget"}:             true,
	{Kind: "PersistentVolumeClaim"}:                            true,
	{Kind: "Pod"}:                                              true,
	{Kind: "ReplicationController"}:                            true,
	{Kind: "Service"}:                                          true,
	{Group: "gateway.networking.k8s.io", Kind: "GatewayClass"}: true,
	{Group: "gateway.networking.k8s.io", Kind: "Gateway"}:      true,
}

// WithConditions names further kinds whose schema has status.conditions, in the
// shape of metav1.Condition: the loop writes Synced and Healthy there. It knows
// the kinds of Kubernetes by itself. What becomes of objects of a kind without
// conditions is told in events.
func WithConditions(kinds ...schema.GroupKind) Option {
	return func(o *options) { o.conditions = append(o.conditions, kinds...) }
}

func (l *Loop) hasConditions(kind schema.GroupKind) bool {
	return conditionKinds[kind] || slices.Contains(l.opts.conditions, kind)
}
