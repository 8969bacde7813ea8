package placement

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func validateScoring(x *expressions, s *v1alpha1.Scoring, at *field.Path) (errs field.ErrorList) {
	if s == nil {
		return nil
	}
	errs = append(errs, validateWeights(s.Weights, at.Child("weights"))...)
	errs = append(errs, validateWeights(s.External, at.Child("external"))...)
	for i := range s.Properties {
		p, at := &s.Properties[i], at.Child("properties").Index(i)
		if p.Key == "" {
			errs = append(errs, field.Required(at.Child("key"), "name the property"))
		}
		if p.Order != "" && p.Order != v1alpha1.ScoreAscending && p.Order != v1alpha1.ScoreDescending {
			errs = append(errs, field.NotSupported(at.Child("order"), p.Order, []v1alpha1.ScoreOrder{v1alpha1.ScoreAscending, v1alpha1.ScoreDescending}))
		}
		errs = append(errs, validateWeight(orOne(p.Weight), at.Child("weight"))...)
		if p.Lowest == "" && p.Highest == "" {
			continue
		}
		low, err := resource.ParseQuantity(p.Lowest)
		high, err2 := resource.ParseQuantity(p.Highest)
		if err != nil || err2 != nil || low.Cmp(high) >= 0 {
			errs = append(errs, field.Invalid(at.Child("lowest"), p.Lowest, "lowest must be a quantity less than highest, and both be given"))
		}
	}
	for i := range s.Expressions {
		e, at := &s.Expressions[i], at.Child("expressions").Index(i)
		if _, err := x.compile(e.Expression, aNumber); err != nil {
			errs = append(errs, field.Invalid(at.Child("expression"), e.Expression, err.Error()))
		}
		errs = append(errs, validateWeight(orOne(e.Weight), at.Child("weight"))...)
	}
	return errs
}

func validateWeights(weights []v1alpha1.ScorerWeight, at *field.Path) (errs field.ErrorList) {
	seen := map[string]bool{}
	for i := range weights {
		w, at := &weights[i], at.Index(i)
		if w.Name == "" || seen[w.Name] {
			errs = append(errs, field.Invalid(at.Child("name"), w.Name, "must be given, and once only"))
		}
		seen[w.Name] = true
		errs = append(errs, validateWeight(int64(w.Weight), at.Child("weight"))...)
	}
	return errs
}

func validateWeight(weight int64, at *field.Path) field.ErrorList {
	if weight < 0 || weight > mostWeight {
		return field.ErrorList{field.Invalid(at, weight, "must be 0 to 1000")}
	}
	return nil
}

func validateAffinity(a *v1alpha1.Affinity, at *field.Path) (errs field.ErrorList) {
	if a == nil {
		return nil
	}
	for i := range a.Required {
		errs = append(errs, validateTerm(&a.Required[i], at.Child("required").Index(i))...)
	}
	for i := range a.Preferred {
		at := at.Child("preferred").Index(i)
		errs = append(errs, validateTerm(&a.Preferred[i].AffinityTerm, at)...)
		if w := a.Preferred[i].Weight; w < 1 || w > 100 {
			errs = append(errs, field.Invalid(at.Child("weight"), w, "must be 1 to 100"))
		}
	}
	return errs
}

func validateTerm(t *v1alpha1.AffinityTerm, at *field.Path) (errs field.ErrorList) {
	if _, err := metav1.LabelSelectorAsSelector(&t.PlacementSelector); err != nil {
		errs = append(errs, field.Invalid(at.Child("placementSelector"), "", err.Error()))
	}
	if t.Scope != "" && t.Scope != v1alpha1.AffinityNamespace && t.Scope != v1alpha1.AffinityWorkspace {
		errs = append(errs, field.NotSupported(at.Child("scope"), t.Scope, []v1alpha1.AffinityScope{v1alpha1.AffinityNamespace, v1alpha1.AffinityWorkspace}))
	}
	return errs
}
