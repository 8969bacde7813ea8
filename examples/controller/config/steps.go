package config

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Step is one transformer: a built-in one by name with its parameters, or an
// expression. Exactly one of the two is set.
type Step struct {
	// Name of the step in messages. Default: that of the transformer.
	Name string `json:"name,omitempty"`
	// Use is the name of a built-in transformer, or of one that the controller
	// was built with.
	Use string `json:"use,omitempty"`
	// With are its parameters.
	With json.RawMessage `json:"with,omitempty"`
	// Expression in CEL.
	Expression *Expression `json:"expression,omitempty"`
	// For restricts the step to what one of the rules is for.
	For []Match `json:"for,omitempty"`
}

// Expression is a transformer in CEL. Exactly one of Merge and Patch is set.
type Expression struct {
	// Merge gives a map that is merged into the object.
	Merge string `json:"merge,omitempty"`
	// Patch gives the operations of a JSON patch.
	Patch string `json:"patch,omitempty"`
	// When is a condition.
	When string `json:"when,omitempty"`
	// Limit bounds the cost of a run. Default: 1,000,000.
	Limit uint64 `json:"limit,omitempty"`
}

// Match says for which objects and targets a step is. All that is set must
// hold.
type Match struct {
	// Kinds of objects; "*" stands for all groups, or all kinds of a group.
	Kinds []GroupKind `json:"kinds,omitempty"`
	// Objects selects by the labels of the object.
	Objects *metav1.LabelSelector `json:"objects,omitempty"`
	// LogicalClusters of the originals, by name.
	LogicalClusters []string `json:"logicalClusters,omitempty"`
	// Clusters that are targets, by name.
	Clusters []string `json:"clusters,omitempty"`
	// Targets selects by the labels of the target.
	Targets *metav1.LabelSelector `json:"targets,omitempty"`
}

// GroupKind is a kind without a version.
type GroupKind struct {
	// Group; empty for the core group.
	Group string `json:"group,omitempty"`
	// Kind, as "Deployment".
	Kind string `json:"kind"`
}
