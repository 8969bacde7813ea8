package placement

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Matches says whether a selector selects a cluster; nil selects all. It
// returns an error for a selector that makes no sense.
func Matches(s *v1alpha1.ClusterSelector, c *cluster.State) (bool, error) {
	if s == nil {
		return true, nil
	}
	if len(s.Names) > 0 && !slices.Contains(s.Names, c.Name) {
		return false, nil
	}
	for key, value := range s.MatchLabels {
		if got, ok := c.Labels[key]; !ok || got != value {
			return false, nil
		}
	}
	for i := range s.MatchExpressions {
		r := &s.MatchExpressions[i]
		value, ok := c.Labels[r.Key]
		if matches, err := compare(r, value, ok); err != nil || !matches {
			return false, err
		}
	}
	for i := range s.MatchProperties {
		r := &s.MatchProperties[i]
		p, ok := c.Properties[r.Key]
		if matches, err := compare(r, p.Text, ok); err != nil || !matches {
			return false, err
		}
	}
	return evaluate(s.Expression, c)
}

// compare applies the operator of a requirement to a value.
func compare(r *v1alpha1.Requirement, value string, exists bool) (bool, error) {
	switch r.Operator {
	case v1alpha1.OpIn:
		return exists && slices.Contains(r.Values, value), nil
	case v1alpha1.OpNotIn:
		return !exists || !slices.Contains(r.Values, value), nil
	case v1alpha1.OpExists:
		return exists, nil
	case v1alpha1.OpDoesNotExist:
		return !exists, nil
	case v1alpha1.OpGt, v1alpha1.OpLt:
		return compareQuantity(r, value, exists)
	case v1alpha1.OpSemVer:
		if len(r.Values) != 1 {
			return false, fmt.Errorf("operator SemVer of key %q takes exactly one value", r.Key)
		}
		within, err := withinVersions(r.Values[0], value)
		return exists && within, err
	}
	return false, fmt.Errorf("operator %q of key %q is not known", r.Operator, r.Key)
}

func compareQuantity(r *v1alpha1.Requirement, value string, exists bool) (bool, error) {
	if len(r.Values) != 1 {
		return false, fmt.Errorf("operator %s of key %q takes exactly one value", r.Operator, r.Key)
	}
	want, err := resource.ParseQuantity(r.Values[0])
	if err != nil {
		return false, fmt.Errorf("value %q of key %q is not a quantity", r.Values[0], r.Key)
	}
	got, err := resource.ParseQuantity(value)
	if !exists || err != nil {
		return false, nil //nolint:nilerr // a value that is no number is neither greater nor less
	}
	if r.Operator == v1alpha1.OpGt {
		return got.Cmp(want) > 0, nil
	}
	return got.Cmp(want) < 0, nil
}
