package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// identity is what no transformer may change.
type identity struct {
	kind            schema.GroupVersionKind
	namespace, name string
	marks           Marks
}

// check returns an *IdentityError if obj is no longer what it was.
func (i identity) check(transformer string, obj *unstructured.Unstructured) error {
	marks, _ := ReadMarks(obj)
	for _, f := range []struct{ field, want, got string }{
		{"apiVersion", i.kind.GroupVersion().String(), obj.GetAPIVersion()},
		{"kind", i.kind.Kind, obj.GetKind()},
		{"metadata.namespace", i.namespace, obj.GetNamespace()},
		{"metadata.name", i.name, obj.GetName()},
		{"metadata.labels[" + LabelInstallation + "]", i.marks.Installation, marks.Installation},
		{"metadata.labels[" + LabelLogicalCluster + "]", i.marks.LogicalCluster, marks.LogicalCluster},
		{"metadata.annotations[" + AnnotationNamespace + "]", i.marks.Namespace, marks.Namespace},
		{"metadata.annotations[" + AnnotationName + "]", i.marks.Name, marks.Name},
		{"metadata.annotations[" + AnnotationUID + "]", string(i.marks.UID), string(marks.UID)},
		{"metadata.annotations[" + AnnotationMarks + "]", marksVersion, obj.GetAnnotations()[AnnotationMarks]},
	} {
		if f.want != f.got {
			return &IdentityError{Transformer: transformer, Field: f.field, Want: f.want, Got: f.got}
		}
	}
	for _, field := range []string{"uid", "resourceVersion", "ownerReferences", "finalizers", "managedFields", "generateName", "deletionTimestamp"} {
		if metadata, _ := obj.Object["metadata"].(map[string]any); metadata[field] != nil {
			return &IdentityError{Transformer: transformer, Field: "metadata." + field, Got: "set"}
		}
	}
	return nil
}
