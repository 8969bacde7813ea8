package builtin

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/transform"
)

// Injection is what is put into every pod.
type Injection struct {
	// InitContainers, run after the tenant's; one with restartPolicy Always is
	// a sidecar.
	InitContainers []corev1.Container
	// Containers beside the tenant's.
	Containers []corev1.Container
	// Volumes of the pod.
	Volumes []corev1.Volume
	// Mounts for every container of the tenant's.
	Mounts []corev1.VolumeMount
}

// Inject puts containers and volumes into every pod. What a pod already has by
// the same name stays, mounts by the same path.
func Inject(i Injection) (transform.Transformer, error) {
	if err := i.check(); err != nil {
		return nil, err
	}
	initContainers, err := jsonList(i.InitContainers)
	if err != nil {
		return nil, err
	}
	sidecars, err := jsonList(i.Containers)
	if err != nil {
		return nil, err
	}
	volumes, err := jsonList(i.Volumes)
	if err != nil {
		return nil, err
	}
	mounts, err := jsonList(i.Mounts)
	if err != nil {
		return nil, err
	}
	injected := map[string]bool{}
	for _, list := range [][]any{initContainers, sidecars} {
		for _, c := range list {
			injected[name(c)] = true
			if m, ok := c.(object); ok && len(objectAt(m, "resources")) == 0 {
				delete(m, "resources")
			}
		}
	}
	return ofPods("Inject", func(_ *transform.Target, pod object) error {
		_ = containers(pod, func(container object) error { // it fails for nothing
			if !injected[name(container)] {
				appendMissing(container, "volumeMounts", sameMount, mounts)
			}
			return nil
		})
		appendMissing(pod, "initContainers", sameName, initContainers)
		appendMissing(pod, "containers", sameName, sidecars)
		appendMissing(pod, "volumes", sameName, volumes)
		return nil
	}), nil
}

func mountPath(item any) string {
	m, _ := item.(object)
	path, _ := m["mountPath"].(string)
	return path
}

func sameMount(a, b any) bool { return mountPath(a) == mountPath(b) }
