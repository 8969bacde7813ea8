package controller

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// named is a policy with the name of its layer.
type named struct {
	layer  string
	policy *Policy
}

// narrow returns the spec that holds under policies, the outermost first, and
// notes on what they changed. The spec is shared with what it came from. A
// refusal says that the spec asks for what no layer may grant.
func narrow(spec *v1alpha1.PlacementSpec, policies []named) (narrowed *v1alpha1.PlacementSpec, notes []string, refusal string) {
	if len(policies) == 0 {
		return spec, nil, ""
	}
	s := *spec
	for _, p := range slices.Backward(policies) {
		if p.policy.Defaults == nil {
			continue
		}
		if filled := fill(&s, p.policy.Defaults); len(filled) > 0 {
			notes = append(notes, fmt.Sprintf("By default of layer %q: %s.", p.layer, strings.Join(filled, ", ")))
		}
	}
	for _, p := range policies {
		notes = append(notes, limitTolerations(&s, p)...)
		note, refusal := limitCount(&s, p)
		if refusal != "" {
			return nil, nil, refusal
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	return &s, notes, ""
}

// fill takes over what is left out; it returns the names of the fields.
func fill(s, defaults *v1alpha1.PlacementSpec) (filled []string) {
	take := func(field string, absent, given bool, copyField func()) {
		if absent && given {
			copyField()
			filled = append(filled, field)
		}
	}
	take("clusters", s.Clusters == nil, defaults.Clusters != nil, func() { s.Clusters = defaults.Clusters })
	take("tolerations", s.Tolerations == nil, defaults.Tolerations != nil, func() { s.Tolerations = defaults.Tolerations })
	take("preferred", s.Preferred == nil, defaults.Preferred != nil, func() { s.Preferred = defaults.Preferred })
	take("count", s.Count == nil, defaults.Count != nil, func() { s.Count = defaults.Count })
	take("spread", s.Spread == nil, defaults.Spread != nil, func() { s.Spread = defaults.Spread })
	take("division", s.Division == nil, defaults.Division != nil, func() { s.Division = defaults.Division })
	return filled
}

// limitTolerations drops what a layer does not let be tolerated.
func limitTolerations(s *v1alpha1.PlacementSpec, p named) (notes []string) {
	if p.policy.Tolerable == nil {
		return nil
	}
	kept := make([]v1alpha1.Toleration, 0, len(s.Tolerations))
	for i, t := range s.Tolerations {
		if slices.ContainsFunc(p.policy.Tolerable, func(allowed v1alpha1.Toleration) bool { return includes(&allowed, &t) }) {
			kept = append(kept, t)
			continue
		}
		notes = append(notes, fmt.Sprintf("Toleration %d has no effect: layer %q does not allow it.", i, p.layer))
	}
	s.Tolerations = kept
	return notes
}

// includes says whether whatever b tolerates, a tolerates too.
func includes(a, b *v1alpha1.Toleration) bool {
	if a.Effect != "" && a.Effect != b.Effect {
		return false
	}
	if a.TolerationSeconds != nil && (b.TolerationSeconds == nil || *b.TolerationSeconds > *a.TolerationSeconds) &&
		b.Effect != corev1.TaintEffectNoSchedule && b.Effect != corev1.TaintEffectPreferNoSchedule {
		return false
	}
	if a.Operator == corev1.TolerationOpExists {
		return a.Key == "" || a.Key == b.Key
	}
	return b.Operator != corev1.TolerationOpExists && a.Key == b.Key && a.Value == b.Value
}

// limitCount bounds the number of clusters.
func limitCount(s *v1alpha1.PlacementSpec, p named) (note, refusal string) {
	most := p.policy.MaxClusters
	if most <= 0 {
		return "", ""
	}
	for i := range s.Spread {
		if least := s.Spread[i].MinGroups; least != nil && *least > most && s.Spread[i].WhenUnsatisfiable != corev1.ScheduleAnyway {
			return "", fmt.Sprintf("spec.spread[%d].minGroups is %d, and layer %q allows %d clusters: ask for fewer.", i, *least, p.layer, most)
		}
	}
	c := s.Count
	switch {
	case c == nil:
		return "", "" // one, or what spread demands
	case c.Min != nil && *c.Min > most:
		return "", fmt.Sprintf("spec.count.min is %d, and layer %q allows %d clusters: ask for fewer.", *c.Min, p.layer, most)
	case c.Max != nil && *c.Max <= most:
		return "", ""
	}
	s.Count = &v1alpha1.Count{Min: c.Min, Max: &most}
	return fmt.Sprintf("Layer %q allows %d clusters.", p.layer, most), ""
}
