package transform

import (
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Domain is that of everything that the SDK writes into metadata.
const Domain = "tmc-sdk.dev"

// Marks on a copy.
const (
	// LabelInstallation is the id of the installation that owns the copy.
	LabelInstallation = Domain + "/installation"
	// LabelLogicalCluster is the name of the original's logical cluster.
	LabelLogicalCluster = Domain + "/logical-cluster"
	// LabelBucket is the bucket of the original's logical cluster (BucketOf). It
	// proves nothing about ownership: replicas that share the workspaces out select
	// by it what they watch.
	LabelBucket = Domain + "/bucket"
	// AnnotationNamespace is the original's namespace.
	AnnotationNamespace = Domain + "/original-namespace"
	// AnnotationName is the original's name.
	AnnotationName = Domain + "/original-name"
	// AnnotationUID is the original's UID.
	AnnotationUID = Domain + "/original-uid"
	// AnnotationKind is the original's kind and group, as "Widget.example.org", on
	// a copy of another kind.
	AnnotationKind = Domain + "/original-kind"
	// AnnotationMarks is the version of the marks.
	AnnotationMarks = Domain + "/marks"
	// AnnotationDigest is the digest of what was rendered. The sync loop
	// writes it; it proves nothing about ownership.
	AnnotationDigest = Domain + "/digest"
	// AnnotationTemplate is the digest of what was rendered without what a
	// rollout does not stage: replicas, shares, overrides of single clusters.
	// The sync loop writes it where a Placement has a rollout.
	AnnotationTemplate = Domain + "/template"
)

// marksVersion is the version of the marks that are written.
const marksVersion = "v1"

// Marks tie a copy to its original and to the installation that made it.
type Marks struct {
	// Installation that owns the copy.
	Installation string
	// Origin of the copy.
	Origin
	// Kind of the original, where it is another than that of the copy.
	Kind schema.GroupKind
}

// Stamp writes the marks on an object.
func (m Marks) Stamp(obj metav1.Object) {
	l, a := obj.GetLabels(), obj.GetAnnotations()
	if l == nil {
		l = make(map[string]string, 2)
	}
	if a == nil {
		a = make(map[string]string, 4)
	}
	for _, w := range m.labels(nil) {
		l[w.key] = w.value
	}
	for _, w := range m.annotations(nil) {
		a[w.key] = w.value
	}
	obj.SetLabels(l)
	obj.SetAnnotations(a)
}

func (m Marks) labels(list []mark) []mark {
	return append(list, mark{LabelInstallation, m.Installation}, mark{LabelLogicalCluster, m.LogicalCluster},
		mark{LabelBucket, strconv.Itoa(BucketOf(m.LogicalCluster))})
}

func (m Marks) annotations(list []mark) []mark {
	list = append(list, mark{AnnotationMarks, marksVersion}, mark{AnnotationName, m.Name})
	if m.Namespace != "" {
		list = append(list, mark{AnnotationNamespace, m.Namespace})
	}
	if m.UID != "" {
		list = append(list, mark{AnnotationUID, string(m.UID)})
	}
	if !m.Kind.Empty() {
		list = append(list, mark{AnnotationKind, m.Kind.String()})
	}
	return list
}

// ReadMarks reads the marks of a copy; false if they are not complete, or of a
// version that this one does not know.
func ReadMarks(obj metav1.Object) (Marks, bool) {
	var label, annotation func(key string) string
	if u, ok := obj.(*unstructured.Unstructured); ok {
		// GetLabels and GetAnnotations of an unstructured object copy them all,
		// and marks are read for every event of every copy.
		metadata, _ := u.Object["metadata"].(map[string]any)
		label, annotation = stringsOf(metadata["labels"]), stringsOf(metadata["annotations"])
	} else {
		l, a := obj.GetLabels(), obj.GetAnnotations()
		label, annotation = func(key string) string { return l[key] }, func(key string) string { return a[key] }
	}
	m := Marks{Installation: label(LabelInstallation), Origin: Origin{
		LogicalCluster: label(LabelLogicalCluster),
		Namespace:      annotation(AnnotationNamespace),
		Name:           annotation(AnnotationName),
		UID:            types.UID(annotation(AnnotationUID)),
	}}
	if kind := annotation(AnnotationKind); kind != "" {
		m.Kind = schema.ParseGroupKind(kind)
	}
	return m, m.Installation != "" && m.LogicalCluster != "" && m.Name != "" && annotation(AnnotationMarks) == marksVersion
}

// stringsOf reads strings from a map that may be none.
func stringsOf(from any) func(key string) string {
	m, _ := from.(map[string]any)
	return func(key string) string {
		s, _ := m[key].(string)
		return s
	}
}

// HasMarks says whether an object bears any mark, of whatever installation or
// version: somebody's copy, then.
func HasMarks(obj metav1.Object) bool {
	a := obj.GetAnnotations()
	return obj.GetLabels()[LabelInstallation] != "" || a[AnnotationMarks] != "" || a[AnnotationUID] != ""
}

// SelectorFor selects the copies of an installation.
func SelectorFor(installation string) labels.Selector {
	return labels.SelectorFromSet(labels.Set{LabelInstallation: installation})
}

// reserved says whether a label or annotation is ours or kcp's to write: what
// a tenant writes there does not go down.
func reserved(key string) bool {
	prefix, _, ok := strings.Cut(key, "/")
	return ok && (inDomain(prefix, Domain) || inDomain(prefix, "kcp.io"))
}

// inDomain says whether a name is a domain or below it.
func inDomain(name, domain string) bool {
	above := len(name) - len(domain)
	return above >= 0 && name[above:] == domain && (above == 0 || name[above-1] == '.')
}
