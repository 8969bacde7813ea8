package controller

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func TestCoverageAnswersAsCovering(t *testing.T) {
	kind, name := rapid.SampledFrom([]string{"A", "B"}), rapid.SampledFrom([]string{"x", "y", "z"})
	selector := rapid.Custom(func(t *rapid.T) v1alpha1.ResourceSelector {
		s := v1alpha1.ResourceSelector{Group: "g", Kind: kind.Draw(t, "kind")}
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 1:
			s.Name = name.Draw(t, "name")
		case 2:
			s.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"l": name.Draw(t, "label")}}
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		var known []*v1alpha1.Placement
		for i := range rapid.IntRange(0, 8).Draw(t, "placements") {
			p := &v1alpha1.Placement{}
			p.Name = fmt.Sprint(i)
			p.CreationTimestamp = metav1.Time{Time: noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "age")) * time.Hour)}
			if rapid.IntRange(0, 9).Draw(t, "deleted") == 0 {
				p.DeletionTimestamp = &metav1.Time{Time: noon}
			}
			p.Spec.Resources = rapid.SliceOfN(selector, 0, 3).Draw(t, "resources")
			known = append(known, p)
		}
		obj := &unstructured.Unstructured{Object: map[string]any{}}
		obj.SetAPIVersion("g/v1")
		obj.SetKind(kind.Draw(t, "object kind"))
		obj.SetName(name.Draw(t, "object name"))
		obj.SetLabels(map[string]string{"l": name.Draw(t, "object label")})
		want, got := placement.Covering(placement.ObjectOf(obj), known), newCoverage(known).of(obj)
		if want != got {
			t.Fatalf("want %v, got %v", want, got)
		}
	})
}
