// Package publish makes the APIs of physical clusters known to kcp, so that
// tenants can write the objects that run there. Before the first step of the
// one path, Place, there has to be an object to place: this package is where
// its kind comes from.
//
// # Setup
//
// An Importer reads the schema of a kind from a cluster: from its
// CustomResourceDefinition, or from the OpenAPI document of a built-in kind.
// Intersect makes of the schemas of several clusters one that accepts only
// what all of them accept. A Publisher writes APIResourceSchemas and an
// APIExport into the provider's workspace.
//
// # Usage
//
// A platform whose clusters come and go adds a Follower to its manager, which
// does all of that for the clusters of a Fleet, and again whenever they
// change:
//
//	publisher, err := publish.NewPublisher(providerConfig)
//	follower, err := publish.NewFollower(fleet, publisher, publish.Export{
//		Name:        "workloads",
//		Definitions: placementCRDs,
//		Claims:      publish.WorkloadClaims(),
//	}, kinds, nil)
//	err = mgr.Add(follower)
//
// A program that knows its clusters calls Importer.Import, Intersect and
// Publisher.Ensure itself.
//
// # Details
//
// Schemas that kcp takes are structural. What OpenAPI says more loosely is made
// so: references are inlined, what contains itself ends as any object,
// quantities may be numbers, list types and map types are kept. A schema
// accepts what the cluster accepts, null for a field that is left out
// included; zero values that documents give as defaults are left out outside
// the status, since they would make optional what the cluster requires.
// Descriptions are left out unless asked for: they are most of a schema's size.
//
// An APIResourceSchema is immutable. Its name begins with a hash of its
// contents, so a schema that changed is another object, which the APIExport
// then names; the one before it is deleted an hour later, when bindings have
// followed. Ensure writes only what differs, and changes only what bears
// LabelPublisher.
//
// # Considerations
//
// A schema that accepts less than the published one may make objects invalid
// that tenants have. Ensure refuses it with ErrBreaking and says at which
// field; AllowBreaking publishes it nevertheless. A resource or claim that is
// no longer wanted stays published unless AllowRemoval is given.
//
// The price of an intersection is that tenants cannot use what only the newest
// cluster knows. The alternative, the union, would accept objects that some
// clusters silently lose fields of.
//
// An intersection is sound, not complete: where two schemas differ in ways
// that cannot be combined, the field is left out, or the kind is refused with
// ErrIncompatible if the field is required.
package publish
