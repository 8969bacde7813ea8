package config

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Sharding has every replica act, each for its share of the workspaces. Who takes
// part is told by one Lease for each replica, and who has a workspace by one for
// each workspace, beside the lease of leaderElection. What is done once for all
// workspaces, as the status of PhysicalClusters and the export, is the leader's.
type Sharding struct {
	// LeaseDuration is how long a workspace stays with a replica that has died;
	// beyond that, it takes up to 30 seconds until the others know that it has.
	LeaseDuration metav1.Duration `json:"leaseDuration,omitzero"`
	// RenewEvery is how often a replica renews the lease of each of its
	// workspaces.
	RenewEvery metav1.Duration `json:"renewEvery,omitzero"`
	// LookEvery is how often a replica looks which workspaces are its own.
	LookEvery metav1.Duration `json:"lookEvery,omitzero"`
	// Weight of this replica: its share is its part of the sum of all weights.
	Weight uint32 `json:"weight,omitempty"`
}

func (s *Sharding) defaults() {
	s.LeaseDuration = or(s.LeaseDuration, seconds(20))
	s.RenewEvery = or(s.RenewEvery, seconds(7))
	s.LookEvery = or(s.LookEvery, seconds(5))
	s.Weight = or(s.Weight, 1)
}

func (s *Sharding) validate(at *field.Path, l *LeaderElection) field.ErrorList {
	if s == nil {
		return nil
	}
	var all field.ErrorList
	if l.Enabled != nil && !*l.Enabled {
		all = append(all, field.Invalid(field.NewPath("leaderElection", "enabled"), false, "must be true with sharding: what is done once for all workspaces needs a leader"))
	}
	if s.LeaseDuration.Duration < 2*s.RenewEvery.Duration {
		all = append(all, field.Invalid(at.Child("leaseDuration"), s.LeaseDuration.Duration.String(), "must be at least twice renewEvery, or one renewal that is late costs the workspace"))
	}
	all = append(all, positive(at.Child("renewEvery"), s.RenewEvery.Duration)...)
	return append(all, positive(at.Child("lookEvery"), s.LookEvery.Duration)...)
}
