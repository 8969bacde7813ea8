package cluster

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

// What is known of clusters is pure data, and lives in package cluster/facts, so
// that filters, scorers and the engine of placement can be had without any client.
// The names below are the same types, for who uses the live fleet as well.
type (
	// State is what the fleet knows of one physical cluster at one moment.
	State = facts.State
	// Snapshot is the fleet at one moment: an immutable list of States.
	Snapshot = facts.Snapshot
	// Resources is an amount of compute resources in base units.
	Resources = facts.Resources
	// Lot is a number of equal nodes or pods.
	Lot = facts.Lot
	// Property is a typed fact about a cluster, with its age.
	Property = facts.Property
	// Concern is something that is wrong with a cluster, or soon will be.
	Concern = facts.Concern
	// API is one served API.
	API = facts.API
	// APISet is the immutable set of APIs that a cluster serves.
	APISet = facts.APISet
)

// NewSnapshot is facts.NewSnapshot.
func NewSnapshot(states ...*State) *Snapshot { return facts.NewSnapshot(states...) }

// NewAPISet is facts.NewAPISet.
func NewAPISet(apis ...API) *APISet { return facts.NewAPISet(apis...) }

// ParseProperty is facts.ParseProperty.
func ParseProperty(text string, observed time.Time) Property {
	return facts.ParseProperty(text, observed)
}

// ResourcesOf is facts.ResourcesOf.
func ResourcesOf(list corev1.ResourceList) Resources { return facts.ResourcesOf(list) }

// RequestsOf is facts.RequestsOf.
func RequestsOf(pod *corev1.Pod) Resources { return facts.RequestsOf(pod) }

// RequestsOfSpec is facts.RequestsOfSpec.
func RequestsOfSpec(spec *corev1.PodSpec) Resources { return facts.RequestsOfSpec(spec) }
