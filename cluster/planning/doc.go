// Package planning says how long the fleet will do: what grows how fast, when
// which cluster is full, and what the loss of a cluster, a zone or a region
// would leave without room.
//
// # Setup
//
// A History is fed by a Recorder with the snapshots of a fleet, or by Add with
// samples from elsewhere, a time-series database for one:
//
//	history := planning.NewHistory(planning.Keep(336)) // two weeks of hours
//	err := mgr.Add(planning.NewRecorder(fleet, history, time.Hour))
//
// # Usage
//
// Forecasts and Losses are pure functions: of a history, of a snapshot. Their
// results are data, can be written as JSON, print as text, and plot as SVG.
//
//	forecasts := planning.Forecasts(history, time.Now())
//	losses, err := planning.Losses(fleet.Snapshot(), "region", 1)
//	err = planning.WritePlot(w, history.Series("eu-1"), forecasts[0])
//
// # Details
//
// A trend is the line of least squares through what was allocated. A cluster is
// full when the line meets what is allocatable now.
//
// A loss asks whether the clusters that remain have as much free as the lost
// ones have allocated, resource by resource. Clusters that are not ready, or
// that are cordoned, offer no room; what they run must find room all the same.
//
// # Considerations
//
// Sums are compared first: what does not fit by them fits nowhere. Where every
// cluster says what is free on its nodes, a node is then looked for, for each pod
// that would have to move, the largest first: that is no proof that none could do
// better, and whether a rule of placement lets a pod go there is not asked. Clusters
// in pull mode do not tell of their nodes.
package planning
