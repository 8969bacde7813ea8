package syncer

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// overridesFor returns the overrides of a Placement that apply to an object on
// a cluster, in order.
func overridesFor(p *v1alpha1.Placement, s *tmccluster.State, original *unstructured.Unstructured) ([]transform.Override, error) {
	var overrides []transform.Override
	for i := range p.Spec.Overrides {
		o := &p.Spec.Overrides[i]
		if !selected(o.Resources, original) {
			continue
		}
		matches, err := placement.Matches(o.Clusters, s)
		if err != nil {
			return nil, fmt.Errorf("placement %s: spec.overrides[%d].clusters: %w", p.Name, i, err)
		}
		if !matches {
			continue
		}
		switch {
		case len(o.JSONPatch) > 0:
			patch, err := json.Marshal(o.JSONPatch)
			if err != nil {
				return nil, fmt.Errorf("placement %s: spec.overrides[%d].jsonPatch: %w", p.Name, i, err)
			}
			overrides = append(overrides, transform.Override{JSONPatch: patch})
		case o.MergePatch != nil:
			overrides = append(overrides, transform.Override{MergePatch: o.MergePatch.Raw})
		}
	}
	return overrides, nil
}

func selected(selectors []v1alpha1.ResourceSelector, original *unstructured.Unstructured) bool {
	obj := placement.ObjectOf(original)
	return len(selectors) == 0 || slices.ContainsFunc(selectors, func(s v1alpha1.ResourceSelector) bool { return placement.Selects(&s, obj) })
}
