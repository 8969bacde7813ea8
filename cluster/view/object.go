package view

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Health of an object, from its conditions. The set is closed.
type Health string

const (
	// Healthy says that the condition Healthy is true.
	Healthy Health = "Healthy"
	// Unhealthy says that it is false.
	Unhealthy Health = "Unhealthy"
	// Unsynced says that the condition Synced is false, whatever Healthy says.
	Unsynced Health = "Unsynced"
	// Unplaced says that the condition Placed is false.
	Unplaced Health = "Unplaced"
	// Unknown says that nothing has been said of it.
	Unknown Health = "Unknown"
)

// Object is what the view keeps of one object.
type Object struct {
	Kind      schema.GroupVersionKind `json:"-"`
	KindName  string                  `json:"kind"`
	Namespace string                  `json:"namespace,omitempty"`
	Name      string                  `json:"name"`
	Health    Health                  `json:"health"`
	// Reason of the condition that Health is from.
	Reason string `json:"reason,omitempty"`
	// Clusters that the status names as targets, sorted.
	Clusters []string `json:"clusters,omitempty"`
}

// ObjectOf reads what the view keeps of an object.
func ObjectOf(u *unstructured.Unstructured) Object {
	o := Object{Kind: u.GroupVersionKind(), Namespace: u.GetNamespace(), Name: u.GetName(), Health: Unknown}
	o.KindName = o.Kind.GroupKind().String()
	said := map[string][2]string{}
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions") // a status of another shape says nothing
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok {
			kind, _ := c["type"].(string)
			status, _ := c["status"].(string)
			reason, _ := c["reason"].(string)
			said[kind] = [2]string{status, reason}
		}
	}
	switch {
	case said["Synced"][0] == "False":
		o.Health, o.Reason = Unsynced, said["Synced"][1]
	case said["Placed"][0] == "False":
		o.Health, o.Reason = Unplaced, said["Placed"][1]
	case said["Healthy"][0] == "False":
		o.Health, o.Reason = Unhealthy, said["Healthy"][1]
	case said["Healthy"][0] == "True", said["Placed"][0] == "True":
		o.Health = Healthy
	}
	targets, _, _ := unstructured.NestedSlice(u.Object, "status", "targets")
	for _, t := range targets {
		if t, ok := t.(map[string]any); ok {
			if name, _ := t["cluster"].(string); name != "" {
				o.Clusters = append(o.Clusters, name)
			}
		}
	}
	slices.Sort(o.Clusters)
	o.Clusters = slices.Compact(o.Clusters)
	return o
}

// key of an object within its workspace.
type key struct {
	kind            schema.GroupVersionKind
	namespace, name string
}

func (o *Object) key() key { return key{o.Kind, o.Namespace, o.Name} }
