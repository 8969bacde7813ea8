// Package plan answers over HTTP what a controller would do: now, and if objects and
// Placements of a workspace were other ones. It joins the two that know:
// the placement controller foresees decisions, and the loop what it would then write
// to clusters and delete from them. So it is the platform's own engine, layers,
// pipeline and strategies that are asked, with all that a platform added to them.
// `kubectl tmc plan` is its client.
//
// # Setup
//
//	planner, err := plan.NewHandler(loop, placer)
//	mgr.AddMetricsServerExtraHandler("/plan", planner)
//
// The handler asks nobody who they are: serve it behind what authenticates and
// authorizes, as the metrics server of examples/controller does.
//
// # Usage
//
// GET answers what the loop would do now, suspended or not. POST takes a Request and
// answers what would be done beside that. Ask is a client for both.
//
// # Details
//
// Objects of a Request are as the workspace would have them: a client gets them by a
// dry run of an apply, so that the workspace's own admission has had its say, under
// the rights of who asks. Nothing is written anywhere, no server is called, and
// nothing is logged of what a Request holds. Values of Secrets come in by a Request
// and never go out: see syncer.Difference.
//
// # Considerations
//
// Who may ask sees what copies differ in, over all workspaces: that is for the
// platform team. Requests are answered one at a time, and are bounded in size. Only the replica that
// has the workspace can answer; others say so with status 503.
package plan
