// Package controller is the first step of the one path, Place, for the work of
// all workspaces: it decides where work goes and records it in Placements.
// It is the thin shell around the pure engine of package placement.
//
// # Setup
//
// New takes a multicluster manager, whose provider engages the workspaces, a
// Fleet and an Engine, and adds itself to the manager:
//
//	c, err := placementcontroller.New(mgr, fleet, engine,
//		placementcontroller.Resources(deployments),
//		placementcontroller.WithCopies(loop))
//
// Resources are the kinds whose objects need a place, the same as the sync
// loop's, and WithCopies says who knows what is left on a cluster that work is
// leaving: the sync loop.
//
// # Usage
//
// A tenant writes a Placement, or none: where no Placement covers the work of
// a namespace, the controller creates one named "default", with the spec of
// WithDefaults; for cluster-scoped work, a ClusterPlacement. It never changes
// a spec. The decision is in the status: targets, the condition Placed, and
// why clusters were rejected, grouped.
//
// # Details
//
// A decision changes only when it must: when the spec or what it covers
// changes, or when the fleet changes in a way that can affect it. An index
// from clusters to Placements finds those: a cluster that is cordoned, lost or
// labelled otherwise wakes the Placements that name it; one that joins or
// becomes better wakes those that wait for one; and capacity that comes and
// goes wakes no one who has a place.
//
// A cluster that a decision ceases to name stays in status.targets as leaving,
// as the durable record of where copies may be, until Copies says that none is
// left or the cluster has left the fleet. A leaving cluster that is chosen
// again ceases to leave. Readers of a decision keep the copies on leaving
// clusters while no other target holds healthy ones. Where not all that was
// asked for can be had, targets that may each stay where they are do stay,
// though the Placement is refused.
//
// A Limiter may put moves off. The default, a Budget, allows any rate and
// stops all that nobody asked for when too much of the fleet seems lost at
// once. Whoever waits for it reads so in the condition MovesHeld.
//
// Decisions are made one at a time, and each counts for the next before it is
// written: what it reserves, where it is, what it uses of a quota. What is
// reserved ends when the cluster reports it as used, or by time.
//
// # Considerations
//
// Nothing is concluded from what is not known: keys of a workspace wait until
// its objects have been listed, and a workspace that disengages is forgotten,
// not emptied.
//
// Writes are few: one per Placement to settle, none in steady state, none
// after a restart. Scores, counts and words of a status are brought up to date
// along with the next decision; while a Placement is refused, at most once a
// minute. Each write is for the very object that was read, by UID and
// resourceVersion.
//
// Events tell of refusals where the export claims events, those of the core group
// with the provider of cluster/workspaces; where it does not, the condition says
// all.
package controller
