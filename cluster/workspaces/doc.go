// Package workspaces is the logical side of the fleet: the tenants' workspaces
// behind an APIExport, as a multicluster.Provider, and a watcher that follows
// kinds in all of them.
//
// # Setup
//
// NewProvider takes the workspace of the export and the name of its
// APIExportEndpointSlice. It engages a workspace when the workspace binds the
// export.
//
// # Usage
//
// Hand the Provider to multicluster-runtime's manager. A controller that must
// see objects of many workspaces adds a Watcher to the manager; with the
// Provider of this package it costs one event handler per endpoint and kind,
// however many workspaces there are, and with any other provider one per
// workspace and kind.
//
// # Details
//
// The Provider follows each endpoint (that is, each shard) by itself, once it
// answers, and engages workspaces by the caches and clients of
// kcp-dev/multicluster-provider. The provider of that module, v0.8.0, gives an
// endpoint up for good when it does not answer at first, and keeps goroutines
// for every workspace; here workspaces take none. A shard that is down delays no
// other.
//
// The lists and watches of caches wait while kcp is down, and go on within a
// second of its being ready again: they do not back off for up to a minute, as
// client-go does. Requests of one workspace's client fail at once, as they
// should.
//
// # Considerations
//
// A workspace that disengages is unknown, not gone. Nothing here says that an
// object was deleted because it can no longer be seen; whoever must know reads
// live.
package workspaces
