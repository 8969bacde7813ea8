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
// Sums are compared, not nodes: what does not fit here fits nowhere, and what
// fits here may still be too large for any single node (Fleet.Headroom looks at
// those), or be kept from it by a rule of placement.
package planning
