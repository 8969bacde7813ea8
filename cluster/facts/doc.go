// Package facts holds what is known of physical clusters, as pure data: the State
// of one, a Snapshot of all, and what both are made of. The step Place decides on
// nothing else.
//
// # Usage
//
// The live fleet of package cluster publishes snapshots; a test or a simulation
// makes its own:
//
//	fleet := facts.NewSnapshot(
//		&facts.State{Name: "eu-1", Region: "eu", Ready: true},
//		&facts.State{Name: "us-1", Region: "us", Ready: true},
//	)
//	fleet = fleet.With(&facts.State{Name: "us-1", Region: "us"}) // no longer ready
//
// # Details
//
// A Snapshot is a sorted list in chunks; one made from another shares all chunks
// but those that changed. Chunks carry columns, masks and interned labels, which
// are computed when first asked for, so that a decision over ten thousand clusters
// looks at numbers side by side and not at ten thousand structs.
//
// # Considerations
//
// Nothing here reaches a server, starts a goroutine or reads a clock, and the
// package imports the API types of Kubernetes and no client: so the engine of
// placement, and a filter or scorer of one's own, can be had without any.
// Package cluster has the common names too (cluster.State is facts.State).
package facts
