package placementtest_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/placementtest"
)

// The plugins that come with the engine pass.
func TestBuiltins(t *testing.T) {
	for _, f := range []placement.Filter{
		placement.Selector{}, placement.Evicted{}, placement.Schedulable{}, placement.Taints{}, placement.ServedAPIs{}, placement.Affinity{}, placement.Capacity{}, placement.Capacity{Reserve: 10}, placement.Nodes{},
	} {
		t.Run("filter "+f.Name(), func(t *testing.T) { placementtest.TestFilter(t, f) })
	}
	for _, s := range []placement.Scorer{
		placement.FreeCapacity{},
		placement.Preferred{},
		placement.Taints{},
		placement.PreferredAffinity{},
		placement.MostAllocated{},
		placement.Balance{},
		placement.TopologySpread{},
		placement.Stability{},
		placement.Normalized(byNodes(1000)),
	} {
		t.Run("scorer "+s.Name(), func(t *testing.T) { placementtest.TestScorer(t, s) })
	}
}

func byNodes(times int64) placement.Scorer {
	return placement.ScorerFunc("Nodes", func(_ *placement.Request, c *facts.State) int64 { return times * int64(c.Nodes) })
}

func filter(fn func(*placement.Request, *facts.State) *placement.Reason) placement.Filter {
	return placement.FilterFunc("Bad", fn)
}

// What is wrong with a plugin is found.
func TestFaultsAreFound(t *testing.T) {
	var asked, changed atomic.Int64
	for want, check := range map[string]func() error{
		"its name is empty": func() error { return placementtest.CheckFilter(placement.FilterFunc("", nil)) },
		"not in CamelCase": func() error {
			return placementtest.CheckFilter(filter(func(*placement.Request, *facts.State) *placement.Reason {
				return &placement.Reason{Code: "not so", Message: "a sentence that is long"}
			}))
		},
		"is no sentence": func() error {
			return placementtest.CheckFilter(filter(func(*placement.Request, *facts.State) *placement.Reason {
				return &placement.Reason{Code: "No"}
			}))
		},
		"same inputs, same answer": func() error {
			return placementtest.CheckScorer(placement.ScorerFunc("Memory", func(*placement.Request, *facts.State) int64 { return asked.Add(1) % 97 }))
		},
		"it changes the request or a cluster": func() error {
			return placementtest.CheckFilter(filter(func(_ *placement.Request, c *facts.State) *placement.Reason {
				if c.Labels != nil && changed.Add(1) == 1 {
					c.Labels["mine"] = "true"
				}
				return nil
			}))
		},
		"not within 0 and 100": func() error { return placementtest.CheckScorer(byNodes(1000)) },
		"in a batch it says":   func() error { return placementtest.CheckFilter(unlike{}) },
		"it is called":         func() error { return placementtest.CheckFilter(renamed{}) },
	} {
		require.ErrorContains(t, check(), want)
	}
}

// unlike refuses other clusters in a batch than one by one.
type unlike struct{}

func (unlike) Name() string                                              { return "Unlike" }
func (unlike) Filter(*placement.Request, *facts.State) *placement.Reason { return nil }
func (unlike) FilterChunk(_ *placement.Request, _ *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	refuse("No", clusters)
}

// renamed has another name for a request.
type renamed struct{ unlike }

func (renamed) ForRequest(*placement.Request, *facts.Snapshot) placement.Filter {
	return filter(nil)
}

// The option of one's own clusters reaches the plugin.
func TestOwnStatesAndRequests(t *testing.T) {
	seen := map[string]bool{}
	var first atomic.Bool
	err := placementtest.CheckFilter(filter(func(r *placement.Request, c *facts.State) *placement.Reason {
		if c.Name == "mine" && r.Name == "mine" && first.CompareAndSwap(false, true) {
			seen["mine"] = true
		}
		return nil
	}), placementtest.WithStates(&facts.State{Name: "mine"}), placementtest.WithRequests(&placement.Request{Name: "mine"}))
	require.NoError(t, err)
	require.True(t, seen["mine"])
}

func ExampleCheckScorer() {
	fmt.Println(placementtest.CheckScorer(byNodes(1000)))
	fmt.Println(placementtest.CheckScorer(placement.Normalized(byNodes(1000))))
	// Output:
	// scorer Nodes, request 0: cluster cluster-001: it scores 1000, which is not within 0 and 100: wrap it in placement.Normalized
	// <nil>
}
