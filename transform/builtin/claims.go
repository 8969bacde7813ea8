package builtin

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tmc-sdk/tmc/transform"
)

// Claims removes from PersistentVolumeClaims, and from the claim templates of
// StatefulSets and the ephemeral volumes of pods, the volume that they are bound to:
// each cluster binds its own.
func Claims() transform.Transformer {
	b := &built{name: "Claims", independent: true}
	b.fn = func(t *transform.Target, obj *unstructured.Unstructured) error {
		eachClaim(t, obj, func(spec object) { delete(spec, "volumeName") })
		return nil
	}
	return b
}

// eachClaim calls fn with the spec of every claim in an object.
func eachClaim(t *transform.Target, obj *unstructured.Unstructured, fn func(spec object)) {
	spec, _ := obj.Object["spec"].(object)
	switch kindOf(obj) {
	case claimKind:
		if spec != nil {
			fn(spec)
		}
	case statefulSetKind:
		templates, _ := spec["volumeClaimTemplates"].([]any)
		for _, item := range templates {
			eachTemplate(item, fn)
		}
	}
	for _, pod := range t.PodSpecs(obj) {
		volumes, _ := pod["volumes"].([]any)
		for _, item := range volumes {
			volume, _ := item.(object)
			ephemeral, _ := volume["ephemeral"].(object)
			eachTemplate(ephemeral["volumeClaimTemplate"], fn)
		}
	}
}

func eachTemplate(item any, fn func(spec object)) {
	template, _ := item.(object)
	if claim, ok := template["spec"].(object); ok {
		fn(claim)
	}
}
