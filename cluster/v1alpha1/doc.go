// Package v1alpha1 is the API of the fleet: the PhysicalCluster object, by
// which a platform team registers a physical cluster in its provider
// workspace and reads what the controllers learned of it.
//
// A PhysicalCluster is cluster-scoped. It lives in the platform's own
// workspace, never in a tenant's: tenants see the names of clusters in the
// decisions of their Placements and nothing else of them.
//
// +kubebuilder:object:generate=true
// +groupName=cluster.tmc-sdk.dev
package v1alpha1

//go:generate go tool -modfile=../../.ci/tools/go.mod controller-gen object crd paths=. output:crd:dir=crd
