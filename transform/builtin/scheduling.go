package builtin

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tmc-sdk/tmc/transform"
)

// NodeSelector demands labels of the nodes of every pod, in the place of what
// the tenant demands of the same labels.
func NodeSelector(labels map[string]string) transform.Transformer {
	labels = maps.Clone(labels)
	var problem error
	if err := checkLabels(labels); err != nil {
		problem = fmt.Errorf("builtin: NodeSelector: labels%w", err)
	}
	return ofPods("NodeSelector", func(_ *transform.Target, pod object) error {
		if selector := objectAt(pod, "nodeSelector"); selector != nil {
			for key, value := range labels {
				selector[key] = value
			}
		}
		return nil
	}).or(problem)
}

// Tolerations adds tolerations to every pod.
func Tolerations(tolerations ...corev1.Toleration) (transform.Transformer, error) {
	for i, toleration := range tolerations {
		if err := checkToleration(toleration); err != nil {
			return nil, refused("Tolerations", fmt.Sprintf("tolerations[%d]", i), err)
		}
	}
	items, err := jsonList(tolerations)
	if err != nil {
		return nil, err
	}
	return ofPods("Tolerations", func(_ *transform.Target, pod object) error {
		appendMissing(pod, "tolerations", whole, items)
		return nil
	}), nil
}

// Affinity gives an affinity to pods that have none of the same sort (node,
// pod, anti).
func Affinity(affinity corev1.Affinity) (transform.Transformer, error) {
	sorts, err := jsonOf(&affinity)
	if err != nil {
		return nil, err
	}
	return ofPods("Affinity", func(_ *transform.Target, pod object) error {
		there := objectAt(pod, "affinity")
		for field, value := range sorts {
			if _, has := there[field]; !has && there != nil {
				there[field] = runtime.DeepCopyJSONValue(value)
			}
		}
		return nil
	}), nil
}

// TopologySpread gives constraints to pods that have none.
func TopologySpread(constraints ...corev1.TopologySpreadConstraint) (transform.Transformer, error) {
	for i, constraint := range constraints {
		if err := checkSpread(constraint); err != nil {
			return nil, refused("TopologySpread", fmt.Sprintf("constraints[%d]", i), err)
		}
	}
	items, err := jsonList(constraints)
	if err != nil {
		return nil, err
	}
	return ofPods("TopologySpread", func(_ *transform.Target, pod object) error {
		if _, has := pod["topologySpreadConstraints"]; !has && len(items) > 0 {
			pod["topologySpreadConstraints"] = runtime.DeepCopyJSONValue(items)
		}
		return nil
	}), nil
}
