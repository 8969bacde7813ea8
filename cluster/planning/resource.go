package planning

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster"
)

// amount of one resource in its own unit: cores, bytes, pieces.
func amount(r *cluster.Resources, name corev1.ResourceName) float64 {
	switch name {
	case corev1.ResourceCPU:
		return float64(r.MilliCPU) / 1000
	case corev1.ResourceMemory:
		return float64(r.Memory)
	case corev1.ResourceEphemeralStorage:
		return float64(r.EphemeralStorage)
	case corev1.ResourcePods:
		return float64(r.Pods)
	default:
		return float64(r.Extended[name])
	}
}

// names of the resources of which there is any, sorted.
func names(all ...*cluster.Resources) []corev1.ResourceName {
	found := map[corev1.ResourceName]bool{}
	for _, r := range all {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourcePods} {
			if amount(r, name) != 0 {
				found[name] = true
			}
		}
		for name, v := range r.Extended {
			if v != 0 {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
