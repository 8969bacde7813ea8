package placement_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// A burst of decisions before any cluster has reported the first of them.
func ExampleReservations() {
	engine, err := placement.NewEngine()
	if err != nil {
		panic(err)
	}
	fleet := facts.NewSnapshot(state("a", "eu"), state("b", "eu", allocated(1000)))
	now := time.Unix(0, 0)
	reservations := placement.NewReservations()
	for _, name := range []string{"first", "second", "third"} {
		r := &placement.Request{Name: name, Workloads: replicas(1, 6000), Reserved: reservations.Reserved()}
		decision, err := engine.Place(context.Background(), r, fleet)
		if err != nil {
			panic(err)
		}
		fmt.Println(name, "goes to", outcome(decision))
		reservations.Reserve(name, decision.Needs(), now.Add(time.Minute))
	}
	reservations.Release("first") // the cluster reports its pods
	fmt.Println(reservations.Len(), "left until", reservations.Expire(now).UTC().Format(time.TimeOnly))
	// Output:
	// first goes to [a]
	// second goes to [b]
	// third goes to []
	// 1 left until 00:01:00
}

func TestReservationsExpire(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	one := map[string]facts.Resources{"a": {MilliCPU: 1}}
	v := placement.NewReservations()
	require.True(t, v.Expire(at(0)).IsZero())
	v.Reserve("x", one, at(10))
	v.Reserve("y", map[string]facts.Resources{"a": {MilliCPU: 2}, "b": {Pods: 1}}, at(20))
	require.Equal(t, map[string]facts.Resources{"a": {MilliCPU: 3}, "b": {Pods: 1}}, v.Reserved())
	require.Equal(t, at(10), v.Expire(at(9)))
	require.Equal(t, at(20), v.Expire(at(10)))
	require.Equal(t, map[string]facts.Resources{"a": {MilliCPU: 2}, "b": {Pods: 1}}, v.Reserved())
	v.Release("y", "a")
	require.Equal(t, map[string]facts.Resources{"b": {Pods: 1}}, v.Reserved())
	require.True(t, v.Expire(at(20)).IsZero())
	require.Empty(t, v.Reserved())
	require.Zero(t, v.Len())
}

// The fleet that the ledger keeps up to date is the one that it would make
// anew.
func TestReservedFleetIsKeptUpToDate(t *testing.T) {
	fleet := referenceFleet(600)
	rapid.Check(t, func(t *rapid.T) {
		v := placement.NewReservations()
		for step := range rapid.IntRange(1, 20).Draw(t, "steps") {
			owner := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "owner")
			name := fmt.Sprintf("cluster-%07d", rapid.IntRange(0, 610).Draw(t, "cluster"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				v.Release(owner)
			case 1:
				v.Expire(time.Unix(int64(step), 0))
			default:
				v.Reserve(owner, map[string]facts.Resources{name: {MilliCPU: rapid.Int64Range(0, 9).Draw(t, "cpu")}}, time.Unix(int64(step+3), 0))
			}
			if rapid.Bool().Draw(t, "look") {
				want := placement.Overlay(fleet, v.Reserved())
				for got := range v.Fleet(fleet).All() {
					w, _ := want.Lookup(got.Name)
					require.Equal(t, w.Allocated, got.Allocated)
				}
			}
		}
	})
}

// What a decision needs is what the cluster will report more.
func TestNeeds(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	five := int64(5)
	r := &placement.Request{
		Workloads: replicas(8, 1000), Current: []v1alpha1.Target{{Cluster: "a", Share: &five}},
		Spec: &v1alpha1.PlacementSpec{Count: exactly(2), Division: divided(v1alpha1.DivisionCapacity)},
	}
	d, err := engine.Place(t.Context(), r, facts.NewSnapshot(state("a", "", allocated(5000)), state("b", "", allocated(5000))))
	require.NoError(t, err)
	require.Equal(t, []string{"a:5", "b:3"}, outcome(d))
	require.Equal(t, map[string]facts.Resources{"b": {MilliCPU: 3000, Pods: 3}}, d.Needs())
}
