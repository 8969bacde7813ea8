package controller_test

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// A controller composed of the manager of the workspaces, the fleet and the
// engine. The sync loop says what is left on clusters that work is leaving.
func ExampleNew() {
	compose := func(mgr mcmanager.Manager, fleet *tmccluster.Fleet, engine *placement.Engine, loop placementcontroller.Copies) error {
		_, err := placementcontroller.New(mgr, fleet, engine,
			placementcontroller.Resources(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}),
			placementcontroller.WithCopies(loop),
			placementcontroller.WithLimiter(placementcontroller.NewBudget(placementcontroller.BudgetOptions{PerMinute: 60, PerRegion: 20})),
		)
		return err
	}
	_ = compose
}

// One move a minute, however many ask.
func ExampleNewBudget() {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	fleet := tmccluster.NewSnapshot(&tmccluster.State{Name: "eu-1"}, &tmccluster.State{Name: "eu-2"})
	budget := placementcontroller.NewBudget(placementcontroller.BudgetOptions{PerMinute: 1, Start: noon.Add(-time.Hour)})
	ask := func(name string) placementcontroller.Verdict {
		return budget.Limit(context.Background(), &placementcontroller.Moves{
			Workspace: "team-a", Placement: types.NamespacedName{Namespace: "default", Name: name},
			Moves: []placementcontroller.Move{{Cluster: "eu-1", Region: "eu", Cause: placementcontroller.CauseDrained}},
			Fleet: fleet, Now: noon,
		})
	}
	fmt.Println(ask("web").Allowed())
	verdict := ask("db")
	fmt.Println(verdict.Allowed(), verdict.Reason, verdict.RetryAfter)
	// Output:
	// true
	// false OverBudget 1m0s
}

// A platform that has every changed template prove itself on the canaries first.
// What holds for a Placement then stands in its status.rollout.
func ExamplePolicy_rollout() {
	layer := placementcontroller.NewLayer("platform", placementcontroller.Policy{Rollout: &v1alpha1.Rollout{
		Waves:       []v1alpha1.Wave{{Name: "canary", Clusters: v1alpha1.ClusterSelector{MatchLabels: map[string]string{"stage": "canary"}}}},
		SoakSeconds: new(int32(300)),
	}})
	policy, err := layer.Policy(context.Background(), &placementcontroller.Scope{Workspace: "team-a", Namespace: "default", Name: "web"})
	fmt.Println(layer.Name(), policy.Rollout.Waves[0].Name, err)
	// Output: platform canary <nil>
}

// A platform that keeps everyone in Europe and places on two clusters unless a
// Placement says otherwise.
func ExampleNewLayer() {
	layer := placementcontroller.NewLayer("platform", placementcontroller.Policy{
		Clusters:    &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"continent": "europe"}},
		MaxClusters: 5,
		Tolerable:   []v1alpha1.Toleration{},
		Defaults:    &v1alpha1.PlacementSpec{Count: &v1alpha1.Count{Min: new(int32(2)), Max: new(int32(2))}},
	})
	policy, err := layer.Policy(context.Background(), &placementcontroller.Scope{Workspace: "team-a", Namespace: "default", Name: "default"})
	fmt.Println(layer.Name(), *policy.Defaults.Count.Max, err)
	// Output: platform 2 <nil>
}

// Work moves only in the afternoon.
func ExampleLimiterFunc() {
	limiter := placementcontroller.LimiterFunc(func(_ context.Context, moves *placementcontroller.Moves) placementcontroller.Verdict {
		if moves.Now.Hour() < 12 {
			return placementcontroller.Verdict{Reason: "Morning", RetryAfter: time.Hour}
		}
		return placementcontroller.Verdict{}
	})
	at := func(hour int) *placementcontroller.Moves {
		return &placementcontroller.Moves{Now: time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC)}
	}
	fmt.Println(limiter.Limit(context.Background(), at(9)).Allowed(), limiter.Limit(context.Background(), at(15)).Allowed())
	// Output: false true
}
