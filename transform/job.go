package transform

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// generatedJobLabels are those that a cluster generates for the pods of a Job,
// after its UID: another's are refused there.
var generatedJobLabels = []string{
	"controller-uid", "job-name",
	"batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name",
}

// stripJob removes from a Job, and from a CronJob's template of one, the
// selector and the labels that belong to the UID of another Job, unless the
// tenant chose them (spec.manualSelector).
func stripJob(obj *unstructured.Unstructured) {
	if group(obj.GetAPIVersion()) != "batch" {
		return
	}
	spec, _ := obj.Object["spec"].(map[string]any)
	switch obj.GetKind() {
	case "Job":
	case "CronJob":
		template, _ := spec["jobTemplate"].(map[string]any)
		spec, _ = template["spec"].(map[string]any)
	default:
		return
	}
	if spec == nil || spec["manualSelector"] == true {
		return
	}
	delete(spec, "selector")
	template, _ := spec["template"].(map[string]any)
	metadata, _ := template["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	for _, key := range generatedJobLabels {
		delete(labels, key)
	}
}
