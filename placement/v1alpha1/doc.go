// Package v1alpha1 is the API of decisions: Placement, which covers namespaced
// objects of a workspace, and ClusterPlacement, which covers its
// cluster-scoped ones. A tenant writes one to say where work may go, and reads
// in its status where the work went and why.
//
// A tenant need not write any: in a namespace whose work no Placement covers,
// the controller creates one named "default".
//
// +kubebuilder:object:generate=true
// +groupName=placement.tmc-sdk.dev
package v1alpha1

//go:generate go tool -modfile=../../.ci/tools/go.mod controller-gen object crd paths=. output:crd:dir=crd
