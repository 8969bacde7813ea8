package facts

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// ResourcesOf converts a resource list. Amounts are rounded up, as
// kube-scheduler does.
func ResourcesOf(list corev1.ResourceList) Resources {
	var r Resources
	for name, q := range list {
		switch name {
		case corev1.ResourceCPU:
			r.MilliCPU = q.MilliValue()
		case corev1.ResourceMemory:
			r.Memory = q.Value()
		case corev1.ResourceEphemeralStorage:
			r.EphemeralStorage = q.Value()
		case corev1.ResourcePods:
			r.Pods = q.Value()
		default:
			if r.Extended == nil {
				r.Extended = make(map[corev1.ResourceName]int64)
			}
			r.Extended[name] = q.Value()
		}
	}
	return r
}

// List converts back to a resource list; amounts of zero are left out.
func (r Resources) List() corev1.ResourceList {
	list := corev1.ResourceList{}
	put := func(name corev1.ResourceName, q *resource.Quantity) {
		if !q.IsZero() {
			list[name] = *q
		}
	}
	put(corev1.ResourceCPU, resource.NewMilliQuantity(r.MilliCPU, resource.DecimalSI))
	put(corev1.ResourceMemory, resource.NewQuantity(r.Memory, resource.BinarySI))
	put(corev1.ResourceEphemeralStorage, resource.NewQuantity(r.EphemeralStorage, resource.BinarySI))
	put(corev1.ResourcePods, resource.NewQuantity(r.Pods, resource.DecimalSI))
	for name, v := range r.Extended {
		put(name, resource.NewQuantity(v, resource.DecimalSI))
	}
	return list
}

// Add returns the sum.
func (r Resources) Add(o Resources) Resources {
	sum := Resources{
		MilliCPU:         r.MilliCPU + o.MilliCPU,
		Memory:           r.Memory + o.Memory,
		EphemeralStorage: r.EphemeralStorage + o.EphemeralStorage,
		Pods:             r.Pods + o.Pods,
		Extended:         r.Extended,
	}
	if len(o.Extended) > 0 {
		sum.Extended = make(map[corev1.ResourceName]int64, len(r.Extended)+len(o.Extended))
		maps.Copy(sum.Extended, r.Extended)
		for name, v := range o.Extended {
			sum.Extended[name] += v
		}
	}
	return sum
}

// Sub returns the difference, each amount at least zero.
func (r Resources) Sub(o Resources) Resources {
	diff := Resources{
		MilliCPU:         max(0, r.MilliCPU-o.MilliCPU),
		Memory:           max(0, r.Memory-o.Memory),
		EphemeralStorage: max(0, r.EphemeralStorage-o.EphemeralStorage),
		Pods:             max(0, r.Pods-o.Pods),
		Extended:         r.Extended,
	}
	if len(r.Extended) > 0 && len(o.Extended) > 0 {
		diff.Extended = make(map[corev1.ResourceName]int64, len(r.Extended))
		for name, v := range r.Extended {
			diff.Extended[name] = max(0, v-o.Extended[name])
		}
	}
	return diff
}
