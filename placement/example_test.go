package placement_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/placementtest"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Cheapest is a scorer of one's own: it prefers clusters with a low "cost".
type Cheapest struct{}

var _ placement.Scorer = Cheapest{}

func (Cheapest) Name() string { return "Cheapest" }

func (Cheapest) Score(_ *placement.Request, c *facts.State) int64 {
	cost, ok := c.Properties["cost"]
	if !ok || !cost.Numeric {
		return 0
	}
	return max(0, 100-int64(cost.Number))
}

// Audited is a filter of one's own: it refuses clusters without an audit label.
type Audited struct{}

var _ placement.Filter = Audited{}

func (Audited) Name() string { return "Audited" }

func (Audited) Filter(_ *placement.Request, c *facts.State) *placement.Reason {
	if c.Labels["audited"] == "true" {
		return nil
	}
	return &placement.Reason{Code: "NotAudited", Message: "the cluster has not been audited; label it audited=true once it has"}
}

// The plugins of one's own are tested in a line each.
func TestYourOwnFilterAndScorer(t *testing.T) {
	audited := &facts.State{Name: "audited", Labels: map[string]string{"audited": "true"}}
	placementtest.TestFilter(t, Audited{}, placementtest.WithStates(audited))
	placementtest.TestScorer(t, Cheapest{})
}

func Example_yourOwnFilterAndScorer() {
	engine, err := placement.NewEngine(placement.WithFilter(Audited{}), placement.WithScorer(Cheapest{}, 5))
	if err != nil {
		panic(err)
	}
	site := func(name, audited, cost string) *facts.State {
		return &facts.State{
			Name: name, Ready: true, Labels: map[string]string{"audited": audited},
			Properties: map[string]facts.Property{"cost": facts.ParseProperty(cost, time.Time{})},
		}
	}
	fleet := facts.NewSnapshot(site("a", "true", "70"), site("b", "true", "20"), site("c", "false", "5"))
	decision, err := engine.Place(context.Background(), &placement.Request{}, fleet)
	if err != nil {
		panic(err)
	}
	fmt.Print(decision.Explain())
	// Output:
	// a: fits, others are better; score 54 (FreeCapacity 50×1, Preferred 50×2, Taints 100×3, Cheapest 30×5)
	// b: chosen; score 77 (FreeCapacity 50×1, Preferred 50×2, Taints 100×3, Cheapest 80×5)
	// c: refused by Audited (NotAudited): the cluster has not been audited; label it audited=true once it has
}

func ExampleValidateSpec() {
	low, high := int32(3), int32(2)
	fmt.Println(placement.ValidateSpec(&v1alpha1.PlacementSpec{Count: &v1alpha1.Count{Min: &low, Max: &high}}))
	// Output: spec.count.min: Invalid value: 3: must not be greater than max
}

func ExampleMatches() {
	ok, err := placement.Matches(&v1alpha1.ClusterSelector{
		Expression: `cluster.region == "eu"`,
		MatchProperties: []v1alpha1.Requirement{
			{Key: "cost", Operator: v1alpha1.OpLt, Values: []string{"50"}},
			{Key: "runtime", Operator: v1alpha1.OpSemVer, Values: []string{">=2.0.0"}},
		},
	}, &facts.State{Name: "eu-1", Region: "eu", Properties: map[string]facts.Property{
		"cost": facts.ParseProperty("20", time.Time{}), "runtime": facts.ParseProperty("v2.1.3", time.Time{}),
	}})
	fmt.Println(ok, err)
	// Output: true <nil>
}
