package controller

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// named is a policy with the name of its layer.
type named struct {
	layer  string
	policy *Policy
}

// narrowing is a spec under policies, and what they made of it.
type narrowing struct {
	// spec that holds; it shares with what it came from.
	spec *v1alpha1.PlacementSpec
	// layers that set a field, by its name in JSON.
	layers map[string]string
	// notes for people on what changed.
	notes []string
	// refusal says that the spec asks for what no layer may grant.
	refusal string
}

// narrow returns what holds under policies, the outermost first.
func narrow(spec *v1alpha1.PlacementSpec, policies []named) *narrowing {
	if len(policies) == 0 {
		return &narrowing{spec: spec}
	}
	s := *spec
	n := &narrowing{spec: &s, layers: map[string]string{}}
	for _, p := range slices.Backward(policies) {
		if p.policy.Defaults == nil {
			continue
		}
		filled := fill(&s, p.policy.Defaults)
		for _, field := range filled {
			n.layers[field] = p.layer
		}
		if len(filled) > 0 {
			n.notes = append(n.notes, fmt.Sprintf("By default of layer %q: %s.", p.layer, strings.Join(filled, ", ")))
		}
	}
	for _, limit := range limits { // what one layer demands, another may bound
		for _, p := range policies {
			note, refusal := limit.apply(&s, p)
			if refusal != "" {
				return &narrowing{refusal: refusal}
			}
			if len(note) > 0 {
				n.layers[limit.field] = p.layer
				n.notes = append(n.notes, note...)
			}
		}
	}
	for _, p := range policies {
		if p.policy.Rollout != nil {
			n.layers["rollout"] = p.layer
			n.notes = append(n.notes, fmt.Sprintf("Layer %q says how a changed template spreads; status.rollout has it.", p.layer))
		}
	}
	if r := rolloutUnder(spec, policies); r != nil {
		s.Rollout = r
	}
	return n
}

// limits are what a layer bounds, by the field of the spec, in order.
var limits = []struct {
	field string
	apply func(*v1alpha1.PlacementSpec, named) (notes []string, refusal string)
}{
	{"tolerations", limitTolerations},
	{"spread", limitSpread},
	{"count", limitCount},
	{"reservePercent", limitReserve},
	{"priority", limitPriority},
	{"preemptionPolicy", limitPreemption},
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
	take("scoring", s.Scoring == nil, defaults.Scoring != nil, func() { s.Scoring = defaults.Scoring })
	take("affinity", s.Affinity == nil, defaults.Affinity != nil, func() { s.Affinity = defaults.Affinity })
	take("antiAffinity", s.AntiAffinity == nil, defaults.AntiAffinity != nil, func() { s.AntiAffinity = defaults.AntiAffinity })
	take("priority", s.Priority == 0, defaults.Priority != 0, func() { s.Priority = defaults.Priority })
	take("preemptionPolicy", s.PreemptionPolicy == "", defaults.PreemptionPolicy != "", func() { s.PreemptionPolicy = defaults.PreemptionPolicy })
	take("count", s.Count == nil, defaults.Count != nil, func() { s.Count = defaults.Count })
	take("spread", s.Spread == nil, defaults.Spread != nil, func() { s.Spread = defaults.Spread })
	take("division", s.Division == nil, defaults.Division != nil, func() { s.Division = defaults.Division })
	take("reservePercent", s.ReservePercent == nil, defaults.ReservePercent != nil, func() { s.ReservePercent = defaults.ReservePercent })
	take("rollout", s.Rollout == nil, defaults.Rollout != nil, func() { s.Rollout = defaults.Rollout })
	take("moves.rebalance", s.Moves == nil || s.Moves.Rebalance == nil, defaults.Moves != nil && defaults.Moves.Rebalance != nil, func() {
		moves := v1alpha1.MovePolicy{}
		if s.Moves != nil {
			moves = *s.Moves
		}
		moves.Rebalance = defaults.Moves.Rebalance
		s.Moves = &moves
	})
	return filled
}

// limitTolerations drops what a layer does not let be tolerated.
func limitTolerations(s *v1alpha1.PlacementSpec, p named) (notes []string, refusal string) {
	if p.policy.Tolerable == nil {
		return nil, ""
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
	return notes, ""
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
func limitCount(s *v1alpha1.PlacementSpec, p named) (notes []string, refusal string) {
	most := p.policy.MaxClusters
	if most <= 0 {
		return nil, ""
	}
	for i := range s.Spread {
		if least := s.Spread[i].MinGroups; least != nil && *least > most && s.Spread[i].WhenUnsatisfiable != corev1.ScheduleAnyway {
			return nil, fmt.Sprintf("spec.spread[%d].minGroups is %d, and layer %q allows %d clusters: ask for fewer.", i, *least, p.layer, most)
		}
	}
	c := s.Count
	switch {
	case c == nil:
		return nil, "" // one, or what spread demands
	case c.Min != nil && *c.Min > most:
		return nil, fmt.Sprintf("spec.count.min is %d, and layer %q allows %d clusters: ask for fewer.", *c.Min, p.layer, most)
	case c.Max != nil && *c.Max <= most:
		return nil, ""
	}
	s.Count = &v1alpha1.Count{Min: c.Min, Max: &most}
	return []string{fmt.Sprintf("Layer %q allows %d clusters.", p.layer, most)}, ""
}

// limitSpread adds the levels that a layer demands; where the spec has a level,
// the stricter of each bound counts.
func limitSpread(s *v1alpha1.PlacementSpec, p named) (notes []string, refusal string) {
	for i := range p.policy.Spread {
		demanded := &p.policy.Spread[i]
		at := slices.IndexFunc(s.Spread, func(own v1alpha1.Spread) bool { return own.TopologyKey == demanded.TopologyKey })
		own, stricter := v1alpha1.Spread{TopologyKey: demanded.TopologyKey}, *demanded
		if at >= 0 {
			own = s.Spread[at]
			if own.WhenUnsatisfiable != corev1.ScheduleAnyway || demanded.WhenUnsatisfiable == corev1.ScheduleAnyway {
				stricter.MinGroups, stricter.MaxGroups = greater(own.MinGroups, demanded.MinGroups), lesser(own.MaxGroups, demanded.MaxGroups)
				stricter.MaxSkew = lesser(own.MaxSkew, demanded.MaxSkew)
				if own.WhenUnsatisfiable != corev1.ScheduleAnyway {
					stricter.WhenUnsatisfiable = own.WhenUnsatisfiable
				}
			}
			if stricter.MinGroups != nil && stricter.MaxGroups != nil && *stricter.MinGroups > *stricter.MaxGroups {
				return nil, fmt.Sprintf("spec.spread over %s and what layer %q demands exclude each other: between %d and %d groups.", own.TopologyKey, p.layer, *stricter.MinGroups, *stricter.MaxGroups)
			}
		}
		if at >= 0 && equality.Semantic.DeepEqual(own, stricter) {
			continue
		}
		s.Spread = slices.Clone(s.Spread)
		if at >= 0 {
			s.Spread[at] = stricter
		} else {
			if len(s.Spread) >= v1alpha1.MostLevels {
				return nil, fmt.Sprintf("spec.spread has %d levels, and layer %q demands another over %s: leave out one of yours.", v1alpha1.MostLevels, p.layer, demanded.TopologyKey)
			}
			s.Spread = append(s.Spread, stricter)
		}
		notes = append(notes, fmt.Sprintf("Layer %q demands spread over %s.", p.layer, demanded.TopologyKey))
	}
	return notes, ""
}

func greater(a, b *int32) *int32 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

func lesser(a, b *int32) *int32 {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

// limitReserve raises what stays free of every cluster.
func limitReserve(s *v1alpha1.PlacementSpec, p named) (notes []string, refusal string) {
	least := p.policy.ReservePercent
	if least <= 0 || s.ReservePercent != nil && *s.ReservePercent >= least {
		return nil, ""
	}
	s.ReservePercent = &least
	return []string{fmt.Sprintf("Layer %q keeps %d%% of every cluster free.", p.layer, least)}, ""
}

// limitPriority bounds the priority.
func limitPriority(s *v1alpha1.PlacementSpec, p named) (notes []string, refusal string) {
	if p.policy.MaxPriority == nil || s.Priority <= *p.policy.MaxPriority {
		return nil, ""
	}
	s.Priority = *p.policy.MaxPriority
	return []string{fmt.Sprintf("Layer %q allows a priority of %d at most.", p.layer, s.Priority)}, ""
}

// limitPreemption takes preemption away.
func limitPreemption(s *v1alpha1.PlacementSpec, p named) (notes []string, refusal string) {
	if !p.policy.NoPreemption || s.PreemptionPolicy == "" || s.PreemptionPolicy == v1alpha1.PreemptNever {
		return nil, ""
	}
	s.PreemptionPolicy = v1alpha1.PreemptNever
	return []string{fmt.Sprintf("Layer %q allows no preemption.", p.layer)}, ""
}
