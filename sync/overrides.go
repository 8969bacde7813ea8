package syncer

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// anyOverride and untargeted say which overrides to look at: all of them, or
// those that are for all clusters.
func anyOverride(*v1alpha1.Override) bool  { return true }
func untargeted(o *v1alpha1.Override) bool { return o.Clusters == nil }

// overridesFor returns the overrides of a Placement that apply to an object on
// a cluster, in order.
func overridesFor(p *v1alpha1.Placement, s *tmccluster.State, original *unstructured.Unstructured, which func(*v1alpha1.Override) bool) ([]transform.Override, error) {
	var overrides []transform.Override
	for i := range p.Spec.Overrides {
		o := &p.Spec.Overrides[i]
		if !which(o) || !selected(o.Resources, original) {
			continue
		}
		matches, err := placement.Matches(o.Clusters, s)
		if err != nil {
			return nil, fmt.Errorf("placement %s: spec.overrides[%d].clusters: %w", p.Name, i, err)
		}
		if !matches {
			continue
		}
		patch, err := patchOf(o)
		if err != nil {
			return nil, fmt.Errorf("placement %s: spec.overrides[%d]: %w", p.Name, i, err)
		}
		overrides = append(overrides, patch)
	}
	return overrides, nil
}

// patchOf returns what an override of a Placement is to a pipeline.
func patchOf(o *v1alpha1.Override) (patch transform.Override, err error) {
	if len(o.JSONPatch) > 0 {
		if patch.JSONPatch, err = json.Marshal(o.JSONPatch); err != nil {
			return patch, fmt.Errorf("jsonPatch: %w", err)
		}
	}
	if o.MergePatch != nil {
		patch.MergePatch = o.MergePatch.Raw
	}
	if o.StrategicMergePatch != nil {
		patch.StrategicMergePatch = o.StrategicMergePatch.Raw
	}
	return patch, nil
}

var _ controller.SpecValidator = (*Loop)(nil)

// ValidateSpec says what no object could make sense of in a Placement's
// overrides, so that its author is told when it is written.
func (*Loop) ValidateSpec(spec *v1alpha1.PlacementSpec) error {
	var errs field.ErrorList
	for i := range spec.Overrides {
		patch, err := patchOf(&spec.Overrides[i])
		if err == nil {
			err = patch.Validate()
		}
		if err != nil {
			errs = append(errs, field.Invalid(field.NewPath("spec", "overrides").Index(i), "", err.Error()))
		}
	}
	return errs.ToAggregate()
}

func selected(selectors []v1alpha1.ResourceSelector, original *unstructured.Unstructured) bool {
	obj := placement.ObjectOf(original)
	return len(selectors) == 0 || slices.ContainsFunc(selectors, func(s v1alpha1.ResourceSelector) bool { return placement.Selects(&s, obj) })
}
