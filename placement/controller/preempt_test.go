package controller_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// cores returns a cluster of so many cores.
func cores(name string, n int64) *tmccluster.State {
	s := state(name)
	s.Allocatable.MilliCPU = 1000 * n
	return s
}

func fully(percent int64) func(*tmccluster.State) {
	return func(s *tmccluster.State) { s.Allocated.MilliCPU = s.Allocatable.MilliCPU * percent / 100 }
}

func says(text string) func(*v1alpha1.Placement) bool {
	return func(p *v1alpha1.Placement) bool {
		c := condition(p)
		return c != nil && strings.Contains(c.Message, text)
	}
}

func TestWorkOfGreaterPriorityPreemptsWhereItAsksForThat(t *testing.T) {
	m, f := newMemory(2), newFleet(cores("big", 8), cores("small", 2))
	mine, theirs := m.names[0], m.names[1]
	c := &copies{}
	c.set("big", false)
	m.run(t, f, placementcontroller.WithCopies(c))
	m.app(t, theirs, "stranger", "{clusters: {names: [big]}}", "2", 1)
	m.eventually(t, theirs, "stranger", on("big"))
	m.app(t, mine, "low", "{clusters: {names: [big, small]}}", "2", 3)
	m.eventually(t, mine, "low", on("big"))
	f.change("big", fully(100))

	m.app(t, mine, "meek", "{priority: 10, clusters: {names: [big]}}", "1", 4)
	m.eventually(t, mine, "meek", refused(v1alpha1.ReasonNoClusterFits))
	m.app(t, mine, "high", "{priority: 10, preemptionPolicy: PreemptLowerPriority, clusters: {names: [big]}}", "1", 4)
	p := m.eventually(t, mine, "high", says("default/low (priority 0) to leave big"))
	require.Empty(t, p.Status.Targets)
	m.eventually(t, mine, "low", on("(big)"))
	m.eventually(t, mine, "low", says("It leaves big for Placement default/high of priority 10."))
	require.True(t, on("big")(m.get(theirs, "default", "stranger")), "another tenant's work is not pushed out")

	c.retire(mine, keyOf("low"), "big")
	f.change("big", fully(25))
	m.eventually(t, mine, "high", on("big"))
	m.eventually(t, mine, "low", refused(v1alpha1.ReasonNoClusterFits))
}

// What would happen is said over all workspaces, and nothing happens.
func TestWhatIfOverTheLiveView(t *testing.T) {
	m, f := newMemory(2), newFleet(state("a", "env", "prod"), state("b", "env", "prod"), state("c", "env", "dev"))
	f.change("a", fully(0))
	f.change("b", fully(20))
	c, _ := m.run(t, f, placementcontroller.WithLayers(placementcontroller.NewLayer("platform", placementcontroller.Policy{
		Clusters: &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"env": "prod"}},
	})))
	for i, name := range []string{"one", "two"} {
		m.app(t, m.names[i], name, "{}", "100m", 2)
		m.eventually(t, m.names[i], name, on("a"))
	}
	m.app(t, m.names[0], "suspended", "{suspend: true}", "100m", 1)
	m.eventually(t, m.names[0], "suspended", decided)
	m.written()

	plan, err := c.WhatIf(t.Context(), placement.Change{Lost: []string{"a"}})
	require.NoError(t, err)
	require.Equal(t, "2 placements change, 0 stay; 4 replicas start elsewhere\n"+
		"default/one: a -> b\ndefault/two: a -> b\ncluster a: 4 -> 0 replicas\ncluster b: 0 -> 4 replicas\n", plan.Explain())
	plan, err = c.WhatIf(t.Context(), placement.Change{Clusters: []*tmccluster.State{state("d", "env", "prod")}})
	require.NoError(t, err)
	require.True(t, plan.Empty(), "a new cluster is no reason to move")
	plan, err = c.WhatIf(t.Context(), placement.Change{Lost: []string{"a", "b"}})
	require.NoError(t, err)
	require.Equal(t, v1alpha1.ReasonNoClusterFits, plan.Changed[0].Reason, "the layer does not allow c")
	writes, _ := m.written()
	require.Empty(t, writes)
}

// One that keeps away from another waits for it to go, and is woken by that.
func TestAffinityWakesThoseWhoWait(t *testing.T) {
	m, f := newMemory(2), newFleet(state("a"))
	m.run(t, f)
	ws := m.names[0]
	m.app(t, ws, "db", "{}", "1m", 1)
	m.eventually(t, ws, "db", on("a"))
	m.app(t, ws, "shy", "{antiAffinity: {required: [{placementSelector: {matchLabels: {app: db}}}]}}", "1m", 1)
	m.app(t, ws, "fond", "{affinity: {required: [{placementSelector: {matchLabels: {app: web}}}]}}", "1m", 1)
	m.eventually(t, ws, "shy", refused(v1alpha1.ReasonNoClusterFits))
	m.eventually(t, ws, "fond", refused(v1alpha1.ReasonNoClusterFits))
	m.app(t, m.names[1], "web", "{}", "1m", 1)
	m.eventually(t, m.names[1], "web", on("a"))
	require.True(t, refused(v1alpha1.ReasonNoClusterFits)(m.get(ws, "default", "fond")), "another tenant's work is nobody's neighbour")
	m.app(t, ws, "web", "{}", "1m", 1)
	m.eventually(t, ws, "fond", on("a"))
	m.del(ws, bare("default", "db"))
	m.del(ws, deployment("db", "1m", 1))
	m.eventually(t, ws, "shy", on("a"))
}

func TestScoresFromOutsideCountWhileTheyAreYoung(t *testing.T) {
	m, f := newMemory(1), newFleet(state("a"), state("b"), state("c"))
	given := placementcontroller.Scores{Clusters: map[string]int64{"b": 100}, At: time.Now()}
	old := placementcontroller.Scores{Clusters: map[string]int64{"c": 100}, At: time.Now().Add(-time.Hour)}
	m.run(t, f, placementcontroller.WithScores(time.Minute,
		placementcontroller.ScoreSourceFunc("price", func(*placementcontroller.Scope) placementcontroller.Scores { return given }),
		placementcontroller.ScoreSourceFunc("carbon", func(*placementcontroller.Scope) placementcontroller.Scores { return old })))
	m.app(t, m.names[0], "cheap", "{scoring: {external: [{name: price, weight: 10}]}}", "1m", 1)
	m.eventually(t, m.names[0], "cheap", on("b"))
	m.app(t, m.names[0], "green", "{scoring: {external: [{name: carbon, weight: 10}]}}", "1m", 1)
	m.eventually(t, m.names[0], "green", on("a"))
}

// A workspace has defaults of its own, which a Placement may change, and which
// the platform bounds.
func TestWorkspaceDefaults(t *testing.T) {
	m, f := newMemory(2), newFleet(state("a", "env", "prod"), state("b", "env", "prod"), state("c", "env", "dev"))
	m.run(t, f, placementcontroller.WithLayers(placementcontroller.NewLayer("platform", placementcontroller.Policy{MaxClusters: 2})))
	ws := m.names[0]
	m.app(t, ws, "web", "{}", "1m", 1)
	m.eventually(t, ws, "web", on("a"))
	defaults := placementWith(t, "", "defaults", "{count: {min: 1}, clusters: {matchLabels: {env: prod}}}")
	defaults.SetLabels(map[string]string{placementcontroller.WorkspaceDefaultsLabel: "true"})
	m.put(ws, defaults)
	m.eventually(t, ws, "web", on("a b"))
	p := m.eventually(t, ws, "web", says(`By default of layer "workspace": clusters, count.`))
	require.Contains(t, condition(p).Message, `Layer "platform" allows 2 clusters.`)
	m.app(t, ws, "dev", "{clusters: {matchLabels: {env: dev}}, count: {max: 1}}", "1m", 1)
	m.eventually(t, ws, "dev", on("c"))
	m.app(t, m.names[1], "web", "{}", "1m", 1)
	m.eventually(t, m.names[1], "web", decided)
	require.Len(t, m.get(m.names[1], "default", "web").Status.Targets, 1, "another workspace has none")
}
