// Package placement is the first step of the one path, Place: it decides where
// work goes, and says why.
//
// # Setup
//
// NewEngine has built-in filters and scorers; WithFilter and WithScorer add
// those of a platform, by value. The engine is a pure function of a Request, a
// snapshot of the fleet and its plugins: run it in a controller (package
// placement/controller does), in a test, in a command or in a webhook.
//
// # Usage
//
//	engine, err := placement.NewEngine(placement.WithScorer(cheapest{}, 2))
//	decision, err := engine.Place(ctx, request, fleet.Snapshot())
//	fmt.Print(decision.Explain())
//
// # Details
//
// Filters refuse clusters, each with a reason that the tenant reads in the
// status of the Placement. Scorers rate the rest, 0 to 100; the mean by weight
// is the score. Of the clusters that fit, a choice is made that satisfies the
// count and every hard spread and keeps as many current targets as can be, and
// among those the one with the greatest sum of scores. That choice is exact where
// each level of spread lies within the one above (zones in regions); over levels
// that cross it is searched, exact within 200,000 steps. Replicas are divided
// over the choice; Divide then divides those of each object in proportion.
//
// Around a decision: Reservations count what was decided and not yet seen,
// Preempt says who would have to leave, WhatIf plans over a fleet that has
// changed, Record and Replay take a decision elsewhere.
//
// # Considerations
//
// A decision changes only when it must: a better cluster is no reason to move
// work. Several workloads of a Placement are fitted as one set: each cluster
// gets its share of each of them.
package placement
