package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultName is the name of the Placement that the controller creates where
// nothing else covers the work.
const DefaultName = "default"

// Placement says where namespaced objects go. It covers one object, a
// selection of objects, or its whole namespace; what it covers lands together.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=tmc,shortName=plc
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Placed",type=string,JSONPath=`.status.conditions[?(@.type=="Placed")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Placed")].reason`
// +kubebuilder:printcolumn:name="Clusters",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Placed")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Placement struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec PlacementSpec `json:"spec,omitempty"`
	// +optional
	Status PlacementStatus `json:"status,omitempty"`
}

// PlacementList is a list of Placements.
//
// +kubebuilder:object:root=true
type PlacementList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Placement `json:"items"`
}

// ClusterPlacement says where cluster-scoped objects go. It is to a workspace
// what a Placement is to a namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=tmc,shortName=cplc
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Placed",type=string,JSONPath=`.status.conditions[?(@.type=="Placed")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Placed")].reason`
// +kubebuilder:printcolumn:name="Clusters",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Placed")].message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterPlacement struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec PlacementSpec `json:"spec,omitempty"`
	// +optional
	Status PlacementStatus `json:"status,omitempty"`
}

// ClusterPlacementList is a list of ClusterPlacements.
//
// +kubebuilder:object:root=true
type ClusterPlacementList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ClusterPlacement `json:"items"`
}

// PlacementStatus is the decision, and how far it has been carried out.
type PlacementStatus struct {
	// observedGeneration is the generation of the spec that was decided on.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions: Placed.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// targets that the decision names, sorted by name. The sync loop reads
	// them and nothing else: what they name gets a copy.
	// +optional
	// +listType=map
	// +listMapKey=cluster
	Targets []Target `json:"targets,omitempty"`

	// rejected clusters, grouped by the reason, the largest group first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Rejected []Rejection `json:"rejected,omitempty"`

	// summary of the targets for people, as "eu-1:6 us-1:4".
	// +optional
	Summary string `json:"summary,omitempty"`

	// rollout is how a changed template spreads where the platform's layers make
	// that something else than spec.rollout: it counts in its place, but for
	// spec.rollout.paused, which always counts.
	// +optional
	Rollout *Rollout `json:"rollout,omitempty"`

	// granted is what runs at most, where a quota of the workspace bounds it;
	// absent where none does. What an object asks for beyond waits for a grant.
	// +optional
	Granted *Granted `json:"granted,omitempty"`

	// preview is the decision that a dry run made.
	// +optional
	Preview *Preview `json:"preview,omitempty"`
}

// Preview is a decision that was made and not taken.
type Preview struct {
	// observedGeneration is the generation of the spec that it is for.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// reason that the condition Placed would have.
	Reason string `json:"reason"`
	// message that the condition Placed would have.
	// +optional
	Message string `json:"message,omitempty"`
	// summary of the targets that the decision would name.
	// +optional
	Summary string `json:"summary,omitempty"`
	// added clusters, by name, the first ones only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Added []string `json:"added,omitempty"`
	// removed clusters, by name, the first ones only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Removed []string `json:"removed,omitempty"`
}

// Target is one cluster that a decision names.
type Target struct {
	// cluster is the name of the physical cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Cluster string `json:"cluster"`

	// share of an object's replicas that this cluster gets, in proportion to
	// the shares of the other targets. Absent: the cluster gets all of them
	// (division Duplicated).
	// +optional
	// +kubebuilder:validation:Minimum=0
	Share *int64 `json:"share,omitempty"`

	// score of the cluster when it was chosen, 0 to 100.
	// +optional
	Score int64 `json:"score,omitempty"`

	// leaving says that the cluster is no longer chosen: its copies stay until
	// the copies on the other targets are healthy, and are then retired.
	// +optional
	Leaving bool `json:"leaving,omitempty"`

	// since is when the cluster was chosen, or when the work began to leave it.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// evictAfter is when a target whose cluster is lost or tainted is given
	// up; absent for a target in good standing.
	// +optional
	EvictAfter *metav1.Time `json:"evictAfter,omitempty"`
}

// Rejection says why some clusters were not chosen.
type Rejection struct {
	// filter that refused them.
	Filter string `json:"filter"`
	// reason in CamelCase, from the documented set of the filter.
	Reason string `json:"reason"`
	// message for people, from the first of the clusters.
	Message string `json:"message"`
	// count of clusters refused for this reason.
	Count int32 `json:"count"`
	// clusters refused, by name, the first ones only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Clusters []string `json:"clusters,omitempty"`
}

// ConditionPlaced says whether the decision names as many clusters as asked.
const ConditionPlaced = "Placed"

// Reasons of the condition Placed.
const (
	// ReasonPlaced: the decision is complete.
	ReasonPlaced = "Placed"
	// ReasonNoClusterFits: no cluster passed all filters.
	ReasonNoClusterFits = "NoClusterFits"
	// ReasonTooFewClusters: some clusters fit, fewer than asked for.
	ReasonTooFewClusters = "TooFewClusters"
	// ReasonSpreadUnsatisfiable: clusters fit, and no choice among them
	// satisfies the spread.
	ReasonSpreadUnsatisfiable = "SpreadUnsatisfiable"
	// ReasonInsufficientCapacity: the chosen clusters cannot hold all replicas.
	ReasonInsufficientCapacity = "InsufficientCapacity"
	// ReasonNothingToPlace: the Placement covers no object.
	ReasonNothingToPlace = "NothingToPlace"
	// ReasonInvalid: the spec makes no sense; the message names the field.
	ReasonInvalid = "Invalid"
)
