package facts

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// State is what the fleet knows of one physical cluster at one moment.
//
// A State that has been put into a Snapshot is shared by every reader and must
// not be changed: copy the struct, replace what differs, and publish the copy.
type State struct {
	// Name of the cluster in the fleet, unique.
	Name string
	// UID is the identity of the cluster behind the name: the UID of its
	// kube-system namespace. Empty until it has been read.
	UID types.UID

	// Labels that placements select by.
	Labels map[string]string
	// Region, Zone and Provider say where the cluster runs; empty if unsaid.
	Region, Zone, Provider string
	// Properties are typed facts with an age, for filters and scorers.
	Properties map[string]Property

	// Taints in force: those of the registration and those that the fleet
	// adds for health, cordon and drain (v1alpha1.TaintUnreachable, ...).
	Taints []v1alpha1.Taint
	// Unschedulable says that the cluster is cordoned or draining.
	Unschedulable bool
	// Draining says that work must leave the cluster.
	Draining bool
	// Pull says that an agent in the cluster fetches its work: connections of
	// the fleet lead to the cluster's mailbox, not to the cluster.
	Pull bool

	// Ready says that the cluster can run work. A cluster that is not ready
	// takes no new work; what it has stays until a NoExecute taint moves it.
	Ready bool
	// Reachable says that the API server answers.
	Reachable bool
	// UnreachableSince is when it ceased to answer; zero while it does.
	UnreachableSince time.Time
	// Reason and Message say why the cluster is not ready.
	Reason, Message string
	// Concerns are what is wrong with the cluster, or soon will be, though it
	// can run work: nodes that are not ready, certificates that expire.
	Concerns []Concern

	// Version of Kubernetes, as "v1.36.3".
	Version string
	// Nodes that are ready and schedulable.
	Nodes int32
	// Allocatable and Allocated are what the cluster's nodes offer and what
	// its pods request.
	Allocatable, Allocated Resources
	// Used is what these nodes use of CPU and memory, as metrics-server measured
	// it at UsedAt, the oldest of its measurements. UsedAt is zero where nobody
	// tells. Kubernetes places by requests, and so do filters of capacity; use
	// is for planning and for scorers.
	Used   Resources
	UsedAt time.Time
	// CapacityKnown says that Allocatable and Allocated have been read. Where
	// they have not, capacity rules do not refuse the cluster.
	CapacityKnown bool
	// FreeSlots are what is free on single nodes, without those that have no
	// more of anything than another: Fits asks them. MoreSlots says that there
	// are too many to keep; then there are none here.
	FreeSlots []Resources
	MoreSlots bool
	// NodeRoom is what is free on each node that takes pods, and Pods are the
	// requests of those that run, like ones together; nil where nobody says. Of many
	// nodes that differ, some that are nearly alike count as the least of them, and of
	// many pods as the greatest of them: Room says rather less than there is, and a
	// plan rather more than is needed. Pods that request extended resources are not
	// among Pods.
	NodeRoom, Pods []Lot

	// APIs that the cluster serves, among those the fleet looks for. Nil:
	// not known, and then API rules do not refuse the cluster.
	APIs *APISet
}

// Topology returns the value of a topology key for the cluster: "region",
// "zone" and "provider" are the fields, "cluster" is the name, and any other
// key is looked up in the labels, then in the properties.
func (s *State) Topology(key string) (value string, ok bool) {
	switch key {
	case "region":
		return s.Region, s.Region != ""
	case "zone":
		return s.Zone, s.Zone != ""
	case "provider":
		return s.Provider, s.Provider != ""
	case "cluster":
		return s.Name, true
	}
	if v, ok := s.Labels[key]; ok {
		return v, true
	}
	p, ok := s.Properties[key]
	return p.Text, ok
}

// Free returns what is allocatable and not allocated, never less than zero.
func (s *State) Free() Resources { return s.Allocatable.Sub(s.Allocated) }

// Resources is an amount of compute resources in base units, cheap to add and
// compare.
type Resources struct {
	// MilliCPU in thousandths of a core.
	MilliCPU int64
	// Memory in bytes.
	Memory int64
	// EphemeralStorage in bytes.
	EphemeralStorage int64
	// Pods counts pods.
	Pods int64
	// Extended resources by name, in their own units. Nil for none; shared,
	// never changed in place.
	Extended map[corev1.ResourceName]int64
}
