package controller

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tmc-sdk/tmc/cluster"
)

// podRequests returns what one pod asks of a cluster. A spec that makes no
// sense asks for nothing: the API server of the cluster says what is wrong
// with it better than we could.
func podRequests(fields map[string]any) cluster.Resources {
	spec := &corev1.PodSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, spec); err != nil {
		return cluster.Resources{}
	}
	for i := range spec.InitContainers {
		complete(&spec.InitContainers[i].Resources)
	}
	for i := range spec.Containers {
		complete(&spec.Containers[i].Resources)
	}
	if spec.Resources != nil {
		complete(spec.Resources)
	}
	dropNegative(spec.Overhead)
	return cluster.RequestsOfSpec(spec)
}

// complete does what no API server did upstream: a limit without a request
// stands in for it, and no amount is negative.
func complete(r *corev1.ResourceRequirements) {
	requests := maps.Clone(r.Limits)
	if requests == nil {
		requests = corev1.ResourceList{}
	}
	maps.Copy(requests, r.Requests)
	dropNegative(requests)
	r.Requests = requests
}

func dropNegative(list corev1.ResourceList) {
	for name, q := range list {
		if q.Sign() < 0 {
			delete(list, name)
		}
	}
}
