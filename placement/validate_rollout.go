package placement

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

func validateRollout(x *expressions, r *v1alpha1.Rollout, at *field.Path) (errs field.ErrorList) {
	names := map[string]bool{}
	for i := range r.Waves {
		w, here := &r.Waves[i], at.Child("waves").Index(i)
		if w.Name == "" || names[w.Name] {
			errs = append(errs, field.Invalid(here.Child("name"), w.Name, "must be given, and once only"))
		}
		names[w.Name] = true
		errs = append(errs, validateSelector(x, &w.Clusters, here.Child("clusters"))...)
	}
	if r.PauseAfter != "" && !names[r.PauseAfter] {
		errs = append(errs, field.Invalid(at.Child("pauseAfter"), r.PauseAfter, "must be the name of one of the waves"))
	}
	if r.MaxUnavailable != nil && *r.MaxUnavailable < 1 {
		errs = append(errs, field.Invalid(at.Child("maxUnavailable"), *r.MaxUnavailable, "must be at least 1"))
	}
	if r.DeadlineSeconds != nil && *r.DeadlineSeconds < 1 {
		errs = append(errs, field.Invalid(at.Child("deadlineSeconds"), *r.DeadlineSeconds, "must be at least 1"))
	}
	if r.SoakSeconds != nil && *r.SoakSeconds < 0 {
		errs = append(errs, field.Invalid(at.Child("soakSeconds"), *r.SoakSeconds, "must not be negative"))
	}
	switch r.OnFailure {
	case "", v1alpha1.RolloutStop, v1alpha1.RolloutContinue:
	default:
		errs = append(errs, field.NotSupported(at.Child("onFailure"), r.OnFailure, []v1alpha1.RolloutFailure{v1alpha1.RolloutStop, v1alpha1.RolloutContinue}))
	}
	return errs
}
