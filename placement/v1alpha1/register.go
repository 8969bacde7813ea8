package v1alpha1

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Group is the API group of decisions.
const Group = "placement.tmc-sdk.dev"

// GroupVersion is the group and version of the types in this package.
var GroupVersion = schema.GroupVersion{Group: Group, Version: "v1alpha1"}

// AddToScheme registers the types of this package with a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Placement{}, &PlacementList{},
		&ClusterPlacement{}, &ClusterPlacementList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
