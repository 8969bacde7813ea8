// Package placementtest proves that a filter or a scorer of one's own is what
// the engine takes it for.
//
// # Usage
//
//	func TestCheapest(t *testing.T) {
//		placementtest.TestScorer(t, Cheapest{})
//	}
//
// # Details
//
// The plugin is asked about a fleet and requests that have a bit of everything:
// clusters without labels, capacity, APIs or health, tainted ones, full ones,
// requests without a spec, with work in place, with neighbours. With WithStates
// and WithRequests it is asked about one's own too: those that its rules are
// about. Then it must
//
//   - answer alike whenever it is asked, in any order, and from many goroutines
//     at once (run the test with -race to see data races),
//   - change neither the request nor the cluster,
//   - refuse with a reason in CamelCase and a sentence, or score 0 to 100,
//   - say the same in a batch, where it has a batch form, as one by one.
//
// # Considerations
//
// That the engine would cut off what is beyond 0 and 100 does not help: two
// scores that are cut off to the same are no longer told apart. Wrap a scorer of
// any other range in placement.Normalized.
package placementtest
