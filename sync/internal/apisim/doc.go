// Package apisim is an API server in memory, for the simulation of the sync
// loop: it behaves like the real one in what matters to a controller.
//
// # Details
//
// It keeps objects under resourceVersions, checks preconditions, merges
// server-side apply with the library that the real server uses, tracks field
// ownership, honours finalizers, refuses what a terminating namespace refuses,
// and remembers a window of changes, older than which a watch is told 410 Gone.
// Nothing in it waits, starts a goroutine, reads the clock or rolls dice: time
// and UIDs are handed in, so that what it does follows from what it is asked.
//
// Whether it behaves like the real one is not a matter of opinion: the package's
// tests run one suite against both.
//
// # Considerations
//
// It serves one version of each kind and knows the schemas of Kubernetes' own
// kinds only; of others, lists are atomic. It has no controllers: who needs a
// namespace emptied calls Server.FinalizeNamespace.
package apisim
