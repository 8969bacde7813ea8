package controller

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// rolloutUnder returns how a changed template spreads under policies; nil where
// that is what the spec says.
func rolloutUnder(spec *v1alpha1.PlacementSpec, policies []named) *v1alpha1.Rollout {
	says := func(p named) bool {
		return p.policy.Rollout != nil || p.policy.Defaults != nil && p.policy.Defaults.Rollout != nil
	}
	if !slices.ContainsFunc(policies, says) {
		return nil
	}
	effective := spec.Rollout
	for _, p := range slices.Backward(policies) {
		if effective == nil && p.policy.Defaults != nil {
			effective = p.policy.Defaults.Rollout
		}
	}
	for _, p := range slices.Backward(policies) {
		effective = stagedBy(effective, p.policy.Rollout)
	}
	if equality.Semantic.DeepEqual(effective, spec.Rollout) {
		return nil
	}
	return effective.DeepCopy()
}

// stagedBy returns what holds of a rollout under one that is demanded: the
// stricter of each. It changes neither.
func stagedBy(own, demanded *v1alpha1.Rollout) *v1alpha1.Rollout {
	switch {
	case demanded == nil:
		return own
	case own == nil:
		return demanded
	}
	r := *demanded
	if len(r.Waves) == 0 {
		r.Waves = own.Waves
	}
	r.MaxUnavailable = lesser(or(r.MaxUnavailable, v1alpha1.DefaultMaxUnavailable), or(own.MaxUnavailable, v1alpha1.DefaultMaxUnavailable))
	r.DeadlineSeconds = lesser(or(r.DeadlineSeconds, v1alpha1.DefaultDeadlineSeconds), or(own.DeadlineSeconds, v1alpha1.DefaultDeadlineSeconds))
	r.SoakSeconds = greater(r.SoakSeconds, own.SoakSeconds)
	if own.OnFailure != v1alpha1.RolloutContinue {
		r.OnFailure = v1alpha1.RolloutStop
	}
	r.Paused = r.Paused || own.Paused
	if r.PauseAfter == "" && slices.ContainsFunc(r.Waves, func(w v1alpha1.Wave) bool { return w.Name == own.PauseAfter }) {
		r.PauseAfter = own.PauseAfter
	}
	return &r
}

// or returns a number, or what stands for none.
func or(n *int32, otherwise int32) *int32 {
	if n == nil {
		return &otherwise
	}
	return n
}
