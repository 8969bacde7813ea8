// Package notify tells other programs, as CloudEvents over HTTP, what becomes of
// work: where it was decided to go, that it moves, that it found no place, and how
// it and the clusters are. It is for chat rooms, ticket systems and portals; what
// has to be proven is for package audit.
//
// # Setup
//
//	notifier, err := notify.New("https://events.example/in", notify.Options{Source: "/tmc/prod"})
//	placementcontroller.New(mgr, fleet, engine, placementcontroller.OnDecision(notifier.Decided), ...)
//	syncer.New(mgr, fleet, pipeline, syncer.OnHealth(notifier.Health), ...)
//	fleet.Subscribe(func(c cluster.Change) { notifier.Cluster(c.Old, c.New) })
//	mgr.Add(notifier)
//
// # Details
//
// Events are sent in batches (application/cloudevents-batch+json), in the order in
// which they happened. A batch that is not taken is sent again, later each time, up
// to a minute; so one may arrive twice, with the same id. What is refused for good
// with a 4xx is counted and dropped.
//
// Subjects are "workspace/namespace/name" of a Placement or an original, or the name
// of a cluster.
//
// # Considerations
//
// Nothing waits for a receiver. While one is away events queue, up to
// Options.Queue; what comes then is dropped and counted
// (tmc_notify_lost_total). After a restart there is no queue, and clusters are told
// of anew when their health changes.
package notify
