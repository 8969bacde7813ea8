package facts

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// RequestsOf returns what kube-scheduler counts for a pod: the larger of what
// its containers request together and what its init containers request one
// after the other, sidecars (init containers that keep running) counted with
// both; pod-level requests in place of the containers' where they are set;
// the overhead of its runtime class; and one pod.
func RequestsOf(pod *corev1.Pod) Resources {
	return podRequests(&pod.Spec, &pod.Status)
}

// RequestsOfSpec is RequestsOf for a pod that does not exist yet.
func RequestsOfSpec(spec *corev1.PodSpec) Resources {
	return podRequests(spec, &corev1.PodStatus{})
}

func podRequests(spec *corev1.PodSpec, status *corev1.PodStatus) Resources {
	total := runningRequests(spec, status)
	// starting is the most that the init containers need at a time.
	var starting, sidecars corev1.ResourceList
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		requests := containerRequests(c, status.InitContainerStatuses)
		if isSidecar(c) {
			total = sum(total, requests)
			sidecars = sum(sidecars, requests)
			requests = sidecars
		} else {
			requests = sum(requests, sidecars)
		}
		starting = larger(starting, requests)
	}
	total = larger(total, starting)
	if spec.Resources != nil {
		for name, q := range spec.Resources.Requests {
			total = larger(corev1.ResourceList{}, total)
			total[name] = q
		}
	}
	r := ResourcesOf(sum(total, spec.Overhead))
	r.Pods = 1
	return r
}

func runningRequests(spec *corev1.PodSpec, status *corev1.PodStatus) corev1.ResourceList {
	var total corev1.ResourceList
	for i := range spec.Containers {
		total = sum(total, containerRequests(&spec.Containers[i], status.ContainerStatuses))
	}
	return total
}

// containerRequests are those of the spec, or what is still allocated to a
// container that is being resized in place, whichever is larger.
func containerRequests(c *corev1.Container, statuses []corev1.ContainerStatus) corev1.ResourceList {
	for i := range statuses {
		if s := &statuses[i]; s.Name == c.Name && s.Resources != nil {
			return larger(larger(c.Resources.Requests, s.AllocatedResources), s.Resources.Requests)
		}
	}
	return c.Resources.Requests
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// sum returns a + b; it may return one of them, and changes neither.
func sum(a, b corev1.ResourceList) corev1.ResourceList {
	return merge(a, b, func(x *resource.Quantity, y resource.Quantity) { x.Add(y) })
}

// larger returns the larger amount of each resource.
func larger(a, b corev1.ResourceList) corev1.ResourceList {
	return merge(a, b, func(x *resource.Quantity, y resource.Quantity) {
		if x.Cmp(y) < 0 {
			*x = y.DeepCopy()
		}
	})
}

func merge(a, b corev1.ResourceList, with func(x *resource.Quantity, y resource.Quantity)) corev1.ResourceList {
	if len(a) == 0 {
		return b.DeepCopy()
	}
	if len(b) == 0 {
		return a.DeepCopy()
	}
	out := a.DeepCopy()
	for name, q := range b {
		if x, ok := out[name]; ok {
			with(&x, q)
			out[name] = x
			continue
		}
		out[name] = q.DeepCopy()
	}
	return out
}
