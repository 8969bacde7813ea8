package facts

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
)

func container(name, cpu string, mods ...func(*corev1.Container)) corev1.Container {
	c := corev1.Container{Name: name}
	if cpu != "" {
		c.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	}
	for _, mod := range mods {
		mod(&c)
	}
	return c
}

func sidecar(c *corev1.Container) { c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways) }

func TestRequestsOf(t *testing.T) {
	cases := map[string]struct {
		reason string
		pod    corev1.Pod
		want   Resources
	}{
		"nothing requested": {
			reason: "a pod takes a pod's place even if it requests nothing",
			pod:    corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "")}}},
			want:   Resources{Pods: 1},
		},
		"containers add up": {
			reason: "containers run side by side",
			pod:    corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "100m"), container("b", "0.2")}}},
			want:   Resources{MilliCPU: 300, Pods: 1},
		},
		"large init container": {
			reason: "init containers run one after the other, before the rest",
			pod: corev1.Pod{Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{container("i", "1"), container("j", "2")},
				Containers:     []corev1.Container{container("a", "500m")},
			}},
			want: Resources{MilliCPU: 2000, Pods: 1},
		},
		"sidecar before an init container": {
			reason: "a sidecar runs beside the init containers that follow it, and beside the containers",
			pod: corev1.Pod{Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{container("i", "3"), container("s", "1", sidecar), container("j", "4")},
				Containers:     []corev1.Container{container("a", "500m")},
			}},
			want: Resources{MilliCPU: 5000, Pods: 1},
		},
		"sidecar with containers": {
			reason: "a sidecar counts with the containers",
			pod: corev1.Pod{Spec: corev1.PodSpec{
				InitContainers: []corev1.Container{container("i", "1"), container("s", "1", sidecar)},
				Containers:     []corev1.Container{container("a", "500m")},
			}},
			want: Resources{MilliCPU: 1500, Pods: 1},
		},
		"overhead": {
			reason: "the runtime class takes its part",
			pod: corev1.Pod{Spec: corev1.PodSpec{
				Containers: []corev1.Container{container("a", "1")},
				Overhead:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
			}},
			want: Resources{MilliCPU: 1250, Memory: 64 << 20, Pods: 1},
		},
		"pod-level requests": {
			reason: "requests of the pod take the place of those of its containers, resource by resource",
			pod: corev1.Pod{Spec: corev1.PodSpec{
				Resources: &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}},
				Containers: []corev1.Container{container("a", "500m", func(c *corev1.Container) {
					c.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1Gi")
				})},
			}},
			want: Resources{MilliCPU: 2000, Memory: 1 << 30, Pods: 1},
		},
		"resize in progress": {
			reason: "while a container shrinks, what it still has counts",
			pod: corev1.Pod{
				Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "100m")}},
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
					Name: "a", AllocatedResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("300m")},
					Resources: &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("400m")}},
				}}},
			},
			want: Resources{MilliCPU: 400, Pods: 1},
		},
		"extended": {
			reason: "extended resources count in their own units",
			pod: corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1", func(c *corev1.Container) {
				c.Resources.Requests["example.com/gpu"] = resource.MustParse("2")
			})}}},
			want: Resources{MilliCPU: 1000, Pods: 1, Extended: map[corev1.ResourceName]int64{"example.com/gpu": 2}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := tc.pod.DeepCopy()
			if diff := cmp.Diff(tc.want, RequestsOf(&tc.pod)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(before, &tc.pod); diff != "" {
				t.Errorf("the pod was changed:\n%s", diff)
			}
		})
	}
}
