package controller

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// podRequests returns what one pod asks of a cluster, as kube-scheduler counts
// it: the containers and sidecars together, or the greatest init container
// with the sidecars before it if that is more; what the pod as a whole asks
// for instead; and the overhead. A value that is no quantity counts as none:
// the API server of the cluster says so better than we could.
func podRequests(podSpec map[string]any) corev1.ResourceList {
	total, sidecars, initial := corev1.ResourceList{}, corev1.ResourceList{}, corev1.ResourceList{}
	for _, c := range mapsIn(podSpec["containers"]) {
		add(total, containerRequests(c))
	}
	for _, c := range mapsIn(podSpec["initContainers"]) {
		requests := containerRequests(c)
		if c["restartPolicy"] == string(corev1.ContainerRestartPolicyAlways) {
			add(total, requests)
			add(sidecars, requests)
			raise(initial, sidecars)
			continue
		}
		add(requests, sidecars)
		raise(initial, requests)
	}
	raise(total, initial)
	maps.Copy(total, containerRequests(podSpec))
	overhead, _ := podSpec["overhead"].(map[string]any)
	add(total, quantities(overhead))
	return total
}

// containerRequests returns the requests of a container, and the limits where
// there is no request: no API server defaulted them upstream.
func containerRequests(container map[string]any) corev1.ResourceList {
	resources, _ := container["resources"].(map[string]any)
	limits, _ := resources["limits"].(map[string]any)
	requests, _ := resources["requests"].(map[string]any)
	list := quantities(limits)
	maps.Copy(list, quantities(requests))
	return list
}

func quantities(fields map[string]any) corev1.ResourceList {
	list := make(corev1.ResourceList, len(fields))
	for name, value := range fields {
		switch v := value.(type) {
		case string:
			if q, err := resource.ParseQuantity(v); err == nil && q.Sign() >= 0 {
				list[corev1.ResourceName(name)] = q
			}
		case int64:
			list[corev1.ResourceName(name)] = *resource.NewQuantity(max(0, v), resource.DecimalSI)
		case float64:
			list[corev1.ResourceName(name)] = *resource.NewMilliQuantity(max(0, int64(v*1000)), resource.DecimalSI)
		}
	}
	return list
}

func add(sum, list corev1.ResourceList) {
	for name, q := range list {
		total := sum[name].DeepCopy() // quantities may share their digits
		total.Add(q)
		sum[name] = total
	}
}

func raise(most, list corev1.ResourceList) {
	for name, q := range list {
		if have, ok := most[name]; !ok || q.Cmp(have) > 0 {
			most[name] = q.DeepCopy()
		}
	}
}

func mapsIn(list any) []map[string]any {
	items, _ := list.([]any)
	out := make([]map[string]any, 0, len(items))
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
