// Package syncer joins the rooms: it takes an object of a workspace through the
// five steps of the one path, Place, Transform, Apply, Observe and Report, and
// through Retire, the same path backwards.
//
// The folder is called sync and the package syncer, so that nobody loses the
// standard library's sync.
//
// # Setup
//
// New takes a multicluster manager whose provider engages the workspaces
// (package cluster/workspaces has one for kcp), the fleet of physical clusters
// and a transform.Pipeline, and adds the loop to the manager. Which kinds are
// synced is said with Resources, and with Related for what follows them.
// Decisions are made elsewhere: run the controller of placement/controller in
// the same manager or in another process.
//
// # Usage
//
//	loop, err := syncer.New(mgr, fleet, pipeline,
//		syncer.Resources(appsv1.SchemeGroupVersion.WithKind("Deployment")),
//		syncer.Related(corev1.SchemeGroupVersion.WithKind("ConfigMap")))
//
// # Details
//
// One controller reconciles originals; it reads from caches, decides what each
// cluster should hold, and writes to workspaces at most a finalizer and a
// status. Every physical cluster has a lane: clients, caches, a queue and
// workers of its own. A lane carries errands out, each decided anew right before
// it acts, and asks for a reconcile when it has news. A cluster that hangs holds
// up its own lane and nothing else.
//
// Whether a copy is what was rendered is told without a call: the digest of the
// rendering stands in an annotation of the copy, and a copy that lacks
// something of the rendering has drifted. A copy is made with a condition that
// makes the server refuse if anything is there already, changed only if it is
// the object that was seen, and deleted only by its UID.
//
// A copy goes only on live proof (Law 1 of docs/architecture.md): its original,
// read from the workspace, is deleting or gone or another; or the Placement,
// read likewise, no longer names the cluster. An error, an empty cache, a
// workspace that disengaged prove nothing.
//
// Around the loop a platform sets up, by options: gates that may veto a write
// and an audit of every one (WithGate, WithAudit); a first start that writes
// nothing, and plans (ObserveOnly, Plan); strategies per kind (WithStrategy);
// what becomes of copies whose workspace was deleted (CollectGone); and what is
// born on clusters and shown in workspaces (Upsync). See docs/sync.md.
//
// # Considerations
//
// Copies are cached whole, without the field ownership of others. Writes to kcp
// cost about ten times those to a physical cluster: ReportEvery trades the
// freshness of a status for them.
package syncer
