package builtin

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/transform"
)

// Claims removes from PersistentVolumeClaims, and from the claim templates of
// StatefulSets, the volume that they are bound to: each cluster binds its own.
func Claims() transform.Transformer {
	b := &built{name: "Claims", independent: true, kinds: []schema.GroupKind{claimKind, statefulSetKind}}
	b.fn = func(_ *transform.Target, obj *unstructured.Unstructured) error {
		eachClaim(obj, func(spec object) { delete(spec, "volumeName") })
		return nil
	}
	return b
}

// eachClaim calls fn with the spec of every claim in an object.
func eachClaim(obj *unstructured.Unstructured, fn func(spec object)) {
	spec, ok := obj.Object["spec"].(object)
	if !ok {
		return
	}
	if obj.GetKind() == claimKind.Kind {
		fn(spec)
		return
	}
	templates, _ := spec["volumeClaimTemplates"].([]any)
	for _, item := range templates {
		template, _ := item.(object)
		if claim, ok := template["spec"].(object); ok {
			fn(claim)
		}
	}
}
