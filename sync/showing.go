package syncer

import (
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// offspring is an object of a cluster that is to be shown; none where it is empty.
type offspring struct {
	*unstructured.Unstructured
	about *regarded // what an Event is about
}

// showing says how a source is shown.
type showing struct {
	birthplace
	installation    string
	namespace, name string
}

// of renders what appears in a workspace of an object on a cluster: its
// content, and of its metadata the labels and annotations that are its own. Its digest
// tells what it no longer has.
func (s showing) of(born offspring) (*unstructured.Unstructured, error) {
	shown := &unstructured.Unstructured{Object: maps.Clone(born.Object)}
	shown.Object["metadata"] = map[string]any{}
	shown.SetName(s.name)
	shown.SetNamespace(s.namespace)
	own := func(all map[string]string) map[string]string {
		kept := map[string]string{}
		for k, v := range all {
			if !strings.Contains(k, "tmc-sdk.dev/") && !strings.Contains(k, "kcp.io/") && !strings.HasPrefix(k, "kubectl.kubernetes.io/") {
				kept[k] = v
			}
		}
		return kept
	}
	l, a := own(born.GetLabels()), own(born.GetAnnotations())
	l[LabelUpsync] = s.installation
	a[AnnotationSource] = s.cluster + "/" + string(born.GetUID())
	if s.name != s.source {
		a[AnnotationSourceName] = s.source
	}
	shown.SetLabels(l)
	shown.SetAnnotations(a)
	if born.about != nil {
		s.mapRegarded(shown, born.about)
	}
	status, has := shown.Object["status"]
	delete(shown.Object, "status") // which changes by itself
	err := seal(shown)
	if has {
		shown.Object["status"] = status
	}
	return shown, err
}

// mapRegarded has an Event speak of what its workspace knows: an original, by its
// name and UID, or what is shown.
func (s showing) mapRegarded(shown *unstructured.Unstructured, about *regarded) {
	field := "regarding"
	if shown.GroupVersionKind().Group == "" {
		field = "involvedObject"
	}
	ref := maps.Clone(at(shown.Object, field))
	delete(ref, "resourceVersion")
	delete(ref, "uid")
	ref["namespace"], ref["name"] = s.namespace, about.name
	if about.uid != "" {
		ref["uid"] = string(about.uid)
	}
	shown.Object[field] = ref
	delete(shown.Object, "related") // of a namespace that the workspace does not have
}

// onlyRepeats says whether two states of an Event differ in nothing but how often,
// and when last, it happened.
func onlyRepeats(want, have *unstructured.Unstructured) bool {
	if !isEvent(want.GroupVersionKind()) {
		return false
	}
	less := &unstructured.Unstructured{Object: maps.Clone(want.Object)}
	for _, field := range []string{"metadata", "count", "firstTimestamp", "lastTimestamp", "series", "deprecatedCount", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"} {
		delete(less.Object, field)
	}
	return isShown(have) && !drifted(less.Object, have.Object)
}
