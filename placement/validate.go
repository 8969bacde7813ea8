package placement

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// ValidateSpec returns all that makes no sense in a spec, each with its field
// and what is allowed there; nil if there is nothing. It checks again what the
// API's schema checks, for specs that never met an API server.
func ValidateSpec(s *v1alpha1.PlacementSpec) error {
	if s == nil {
		return nil
	}
	return specErrors(s, nil).ToAggregate()
}

func specErrors(s *v1alpha1.PlacementSpec, x *expressions) field.ErrorList {
	root := field.NewPath("spec")
	var errs field.ErrorList
	for i := range s.Resources {
		errs = append(errs, validateResource(&s.Resources[i], root.Child("resources").Index(i))...)
	}
	if s.Clusters != nil {
		errs = append(errs, validateSelector(x, s.Clusters, root.Child("clusters"))...)
	}
	for i := range s.Preferred {
		errs = append(errs, validateSelector(x, &s.Preferred[i].Clusters, root.Child("preferred").Index(i).Child("clusters"))...)
	}
	// A path is made where it may be needed only: this runs for every decision.
	if c := s.Count; c != nil {
		errs = append(errs, validateRange(c.Min, c.Max, root.Child("count"), "min", "max")...)
	}
	if p := s.ReservePercent; p != nil && (*p < 0 || *p > 100) {
		errs = append(errs, field.Invalid(root.Child("reservePercent"), *p, "must be 0 to 100"))
	}
	if n := len(s.Spread); n > mostLevels {
		errs = append(errs, field.TooMany(root.Child("spread"), n, mostLevels))
	}
	for i := range s.Spread {
		at, spread := root.Child("spread").Index(i), &s.Spread[i]
		again := slices.ContainsFunc(s.Spread[:i], func(o v1alpha1.Spread) bool { return o.TopologyKey == spread.TopologyKey })
		if spread.TopologyKey == "" || again {
			errs = append(errs, field.Invalid(at.Child("topologyKey"), spread.TopologyKey, "must be given, and once only"))
		}
		errs = append(errs, validateRange(spread.MinGroups, spread.MaxGroups, at, "minGroups", "maxGroups")...)
		if spread.MaxSkew != nil && *spread.MaxSkew < 1 {
			errs = append(errs, field.Invalid(at.Child("maxSkew"), *spread.MaxSkew, "must be at least 1"))
		}
	}
	if s.Division != nil {
		errs = append(errs, validateDivision(x, s.Division, root.Child("division"))...)
	}
	for i := range s.Overrides {
		errs = append(errs, validateSelector(x, s.Overrides[i].Clusters, root.Child("overrides").Index(i).Child("clusters"))...)
	}
	if s.Rollout != nil {
		errs = append(errs, validateRollout(x, s.Rollout, root.Child("rollout"))...)
	}
	if s.Scoring != nil {
		errs = append(errs, validateScoring(x, s.Scoring, root.Child("scoring"))...)
	}
	if s.Affinity != nil {
		errs = append(errs, validateAffinity(s.Affinity, root.Child("affinity"))...)
	}
	if s.AntiAffinity != nil {
		errs = append(errs, validateAffinity(s.AntiAffinity, root.Child("antiAffinity"))...)
	}
	return errs
}

func validateResource(s *v1alpha1.ResourceSelector, at *field.Path) (errs field.ErrorList) {
	if s.Kind == "" {
		errs = append(errs, field.Required(at.Child("kind"), "name the kind of the objects"))
	}
	if s.Name != "" && s.LabelSelector != nil {
		errs = append(errs, field.Invalid(at, s.Name, "name and labelSelector exclude each other"))
	}
	if _, err := metav1.LabelSelectorAsSelector(s.LabelSelector); err != nil {
		errs = append(errs, field.Invalid(at.Child("labelSelector"), "", err.Error()))
	}
	return errs
}

func validateRange(low, high *int32, at *field.Path, lowName, highName string) (errs field.ErrorList) {
	if low != nil && *low < 1 {
		errs = append(errs, field.Invalid(at.Child(lowName), *low, "must be at least 1"))
	}
	if high != nil && *high < 1 {
		errs = append(errs, field.Invalid(at.Child(highName), *high, "must be at least 1"))
	}
	if low != nil && high != nil && *low > *high {
		errs = append(errs, field.Invalid(at.Child(lowName), *low, "must not be greater than "+highName))
	}
	return errs
}

func validateSelector(x *expressions, s *v1alpha1.ClusterSelector, at *field.Path) (errs field.ErrorList) {
	if s == nil {
		return nil
	}
	for i := range s.MatchExpressions {
		errs = append(errs, validateRequirement(&s.MatchExpressions[i], at.Child("matchExpressions").Index(i))...)
	}
	for i := range s.MatchProperties {
		errs = append(errs, validateRequirement(&s.MatchProperties[i], at.Child("matchProperties").Index(i))...)
	}
	if s.Expression != "" {
		if _, err := x.compile(s.Expression, aBool); err != nil {
			errs = append(errs, field.Invalid(at.Child("expression"), s.Expression, err.Error()))
		}
	}
	return errs
}

func validateRequirement(r *v1alpha1.Requirement, at *field.Path) (errs field.ErrorList) {
	values := at.Child("values")
	switch r.Operator {
	case v1alpha1.OpIn, v1alpha1.OpNotIn:
		if len(r.Values) == 0 {
			errs = append(errs, field.Required(values, fmt.Sprintf("operator %s needs values", r.Operator)))
		}
	case v1alpha1.OpExists, v1alpha1.OpDoesNotExist:
		if len(r.Values) > 0 {
			errs = append(errs, field.Invalid(values, r.Values, fmt.Sprintf("operator %s takes no values", r.Operator)))
		}
	case v1alpha1.OpGt, v1alpha1.OpLt, v1alpha1.OpSemVer:
		if len(r.Values) != 1 {
			return append(errs, field.Invalid(values, r.Values, fmt.Sprintf("operator %s takes exactly one value", r.Operator)))
		}
		if err := checkOperand(r); err != nil {
			errs = append(errs, field.Invalid(values.Index(0), r.Values[0], err.Error()))
		}
	default:
		errs = append(errs, field.NotSupported(at.Child("operator"), r.Operator, []v1alpha1.Operator{
			v1alpha1.OpIn, v1alpha1.OpNotIn, v1alpha1.OpExists, v1alpha1.OpDoesNotExist, v1alpha1.OpGt, v1alpha1.OpLt, v1alpha1.OpSemVer,
		}))
	}
	return errs
}

// checkOperand says what is wrong with the value to compare with.
func checkOperand(r *v1alpha1.Requirement) error {
	if r.Operator == v1alpha1.OpSemVer {
		_, err := versionRange(r.Values[0])
		return err
	}
	_, err := resource.ParseQuantity(r.Values[0])
	return err
}

func validateDivision(x *expressions, d *v1alpha1.Division, at *field.Path) (errs field.ErrorList) {
	if d == nil {
		return nil
	}
	switch d.Type {
	case "", v1alpha1.DivisionDuplicated, v1alpha1.DivisionEven, v1alpha1.DivisionWeighted, v1alpha1.DivisionCapacity, v1alpha1.DivisionPacked:
	default:
		errs = append(errs, field.NotSupported(at.Child("type"), d.Type, []v1alpha1.DivisionType{
			v1alpha1.DivisionDuplicated, v1alpha1.DivisionEven, v1alpha1.DivisionWeighted, v1alpha1.DivisionCapacity, v1alpha1.DivisionPacked,
		}))
	}
	for i := range d.Weights {
		w := at.Child("weights").Index(i)
		errs = append(errs, validateSelector(x, &d.Weights[i].Clusters, w.Child("clusters"))...)
		if d.Weights[i].Weight < 0 {
			errs = append(errs, field.Invalid(w.Child("weight"), d.Weights[i].Weight, "must not be negative"))
		}
	}
	if d.MinPerCluster != nil && *d.MinPerCluster < 0 {
		errs = append(errs, field.Invalid(at.Child("minPerCluster"), *d.MinPerCluster, "must not be negative"))
	}
	if d.MaxPerCluster != nil && *d.MaxPerCluster < 1 {
		errs = append(errs, field.Invalid(at.Child("maxPerCluster"), *d.MaxPerCluster, "must be at least 1"))
	}
	if d.MinPerCluster != nil && d.MaxPerCluster != nil && *d.MinPerCluster > *d.MaxPerCluster {
		errs = append(errs, field.Invalid(at.Child("minPerCluster"), *d.MinPerCluster, "must not be greater than maxPerCluster"))
	}
	return errs
}
