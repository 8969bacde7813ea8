package controller

import (
	"math"
	"math/bits"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// use returns, by cluster, what workloads use on the targets that stay.
func use(workloads []placement.Workload, targets []v1alpha1.Target) map[string]cluster.Resources {
	staying := make([]v1alpha1.Target, 0, len(targets))
	for _, t := range targets {
		if !t.Leaving {
			staying = append(staying, t)
		}
	}
	used := make(map[string]cluster.Resources, len(staying))
	for i := range workloads {
		w := &workloads[i]
		one, replicas := perReplica(w), int32(1)
		var parts map[string]int32
		if w.Replicas != nil {
			replicas = *w.Replicas
			parts = placement.Divide(replicas, staying)
		}
		for _, t := range staying {
			n := replicas
			if parts != nil {
				n = parts[t.Cluster]
			}
			used[t.Cluster] = used[t.Cluster].Add(multiply(one, int64(n)))
		}
	}
	return used
}

// perReplica is what one replica requests, all its pods together.
func perReplica(w *placement.Workload) cluster.Resources {
	sum := w.Requests
	for i := range w.Templates {
		sum = sum.Add(multiply(w.Templates[i].Requests, w.Templates[i].Count))
	}
	return sum
}

// replicasOn returns how many replicas there are in all on the targets that
// stay.
func replicasOn(workloads []placement.Workload, targets []v1alpha1.Target) (sum int64) {
	copies, divided := int64(0), false
	for _, t := range targets {
		if !t.Leaving {
			copies++
			divided = divided || t.Share != nil
		}
	}
	for i := range workloads {
		switch r := workloads[i].Replicas; {
		case r == nil || copies == 0:
		case divided:
			sum += int64(max(0, *r))
		default:
			sum += int64(max(0, *r)) * copies
		}
	}
	return sum
}

// multiply returns n times what is requested; amounts beyond all reason stay the
// greatest there is.
func multiply(r cluster.Resources, n int64) cluster.Resources {
	times := func(v int64) int64 {
		hi, lo := bits.Mul64(uint64(max(0, v)), uint64(max(0, n)))
		if hi != 0 || lo > math.MaxInt64>>8 {
			return math.MaxInt64 >> 8 // room to add
		}
		return int64(lo)
	}
	product := cluster.Resources{
		MilliCPU: times(r.MilliCPU), Memory: times(r.Memory), EphemeralStorage: times(r.EphemeralStorage), Pods: times(r.Pods),
	}
	if len(r.Extended) > 0 {
		product.Extended = make(map[corev1.ResourceName]int64, len(r.Extended))
		for name, v := range r.Extended {
			product.Extended[name] = times(v)
		}
	}
	return product
}
