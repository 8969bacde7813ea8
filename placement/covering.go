package placement

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Object is what a Placement selects by.
type Object struct {
	Group, Kind, Name string
	Labels            map[string]string
}

// ObjectOf returns what Placements select an object by. It shares the labels.
func ObjectOf(obj *unstructured.Unstructured) Object {
	kind := obj.GroupVersionKind()
	return Object{Group: kind.Group, Kind: kind.Kind, Name: obj.GetName(), Labels: obj.GetLabels()}
}

// coverage is how specifically a Placement covers an object.
type coverage int

const (
	uncovered  coverage = iota
	asRest              // as part of the namespace
	bySelector          // by kind, or by kind and labels
	byName              // by name
)

// Covering returns the Placement that an object belongs to, of those of its
// namespace; nil if none covers it. The one that names the object comes first,
// then one that selects it by kind or labels, then one of the whole namespace;
// among equals the oldest, then the first by name. Placements that are being
// deleted cover nothing.
func Covering(obj Object, placements []*v1alpha1.Placement) *v1alpha1.Placement {
	var best *v1alpha1.Placement
	var how coverage
	for _, p := range placements {
		if p.DeletionTimestamp != nil {
			continue
		}
		c := covers(p.Spec.Resources, obj)
		if c > how || c == how && c != uncovered && before(p, best) {
			best, how = p, c
		}
	}
	return best
}

func before(a, b *v1alpha1.Placement) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return cmp.Less(a.Name, b.Name)
}

func covers(selectors []v1alpha1.ResourceSelector, obj Object) coverage {
	if len(selectors) == 0 {
		return asRest
	}
	best := uncovered
	for i := range selectors {
		best = max(best, selects(&selectors[i], obj))
	}
	return best
}

// Selects says whether a selector selects an object. A label selector that is
// invalid selects nothing.
func Selects(s *v1alpha1.ResourceSelector, obj Object) bool { return selects(s, obj) != uncovered }

func selects(s *v1alpha1.ResourceSelector, obj Object) coverage {
	switch {
	case s.Group != obj.Group || s.Kind != obj.Kind:
		return uncovered
	case s.Name != "":
		if s.Name == obj.Name {
			return byName
		}
		return uncovered
	case s.LabelSelector == nil:
		return bySelector
	}
	selector, err := metav1.LabelSelectorAsSelector(s.LabelSelector)
	if err != nil || !selector.Matches(labels.Set(obj.Labels)) {
		return uncovered
	}
	return bySelector
}
