package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Affinity draws work to, or keeps it from, where the work of other Placements
// of the workspace is. Required terms count when a cluster is chosen anew: work
// that is there stays when others come or go.
type Affinity struct {
	// required terms; a cluster that does not satisfy all of them does not
	// fit.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Required []AffinityTerm `json:"required,omitempty"`
	// preferred terms; a cluster that satisfies them scores higher.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Preferred []PreferredAffinityTerm `json:"preferred,omitempty"`
}

// AffinityScope says among which Placements a term looks.
//
// +kubebuilder:validation:Enum=Namespace;Workspace
type AffinityScope string

// Scopes of an affinity term. No term looks beyond its workspace.
const (
	// AffinityNamespace looks at the Placements of the same namespace.
	AffinityNamespace AffinityScope = "Namespace"
	// AffinityWorkspace looks at the Placements of all namespaces of the
	// workspace, and at its ClusterPlacements.
	AffinityWorkspace AffinityScope = "Workspace"
)

// AffinityTerm names other Placements, and how near is near.
type AffinityTerm struct {
	// placementSelector selects other Placements by their labels. Empty
	// selects all.
	PlacementSelector metav1.LabelSelector `json:"placementSelector"`
	// topologyKey says how near: cluster (the default), region, zone, provider,
	// or the name of a label or property of clusters. Clusters with the same
	// value are near each other; one without a value is near none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	TopologyKey string `json:"topologyKey,omitempty"`
	// scope: Namespace (the default) or Workspace.
	// +optional
	Scope AffinityScope `json:"scope,omitempty"`
}

// PreferredAffinityTerm is a term that scores.
type PreferredAffinityTerm struct {
	AffinityTerm `json:",inline"`
	// weight of the term, in proportion to the weights of the others.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`
}
