package facts_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

func ExampleRequestsOfSpec() {
	spec := corev1.PodSpec{Containers: []corev1.Container{{
		Name: "web",
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
		}},
	}}}
	r := facts.RequestsOfSpec(&spec)
	fmt.Println(r.MilliCPU, r.Memory>>20, r.Pods)
	// Output:
	// 500 64 1
}
