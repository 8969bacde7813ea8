package v1alpha1

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Granted is what the quotas of a workspace let the objects of a Placement have.
type Granted struct {
	// objects with replicas, sorted by kind and name. One that is not listed has
	// no replicas granted.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Objects []Grant `json:"objects,omitempty"`
}

// Grant is how many replicas one object has granted.
type Grant struct {
	// kind of the object with its group, as "Deployment.apps".
	// +kubebuilder:validation:MaxLength=317
	Kind string `json:"kind"`
	// name of the object.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// replicas that run at most, of those that the object asks for: divided over
	// the targets or, duplicated, on each of them.
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas"`
}

// MostGrants bounds the objects of a Granted, as its schema does.
const MostGrants = 256

// Of returns how many replicas run of an object that asks for some: all of them
// where nothing is granted because no quota bounds them, which is nil.
func (g *Granted) Of(kind schema.GroupKind, name string, replicas int32) int32 {
	if g == nil {
		return replicas
	}
	text := kind.String()
	at := slices.IndexFunc(g.Objects, func(o Grant) bool { return o.Name == name && o.Kind == text })
	if at < 0 {
		return 0
	}
	return min(replicas, g.Objects[at].Replicas)
}
