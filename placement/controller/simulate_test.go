package controller

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// simulation is the controller without servers, in virtual time: what New
// wires to watches and writes is wired to maps.
type simulation struct {
	*Controller
	budget *Budget
	limits BudgetOptions
	fleet  *cluster.Snapshot
	now    time.Time
	// placements by key, and the times at which they asked to be looked at.
	placements map[Key]*v1alpha1.Placement
	workloads  map[Key][]placement.Workload
	timers     map[Key]time.Time
	// copies on clusters, by key: what a sync loop would keep there.
	copies map[Key]map[string]bool
	// gains is what the controller remembers between two looks for rebalancing.
	gains map[Key]time.Time
	// load of clusters beside the work; nil: what they report stays as it is.
	load   map[string]int64
	moves  []move
	writes int
}

// never is longer than any simulation: no one is saved by asking now and then.
const never = 10_000 * time.Hour

type move struct {
	Move
	at  time.Time
	of  Key
	why string
}

func newSimulation(t require.TestingT, clusters, placements int, budget BudgetOptions) *simulation {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	m, err := newMetrics(nil, newIndex(), newLedger(0))
	require.NoError(t, err)
	s := &simulation{
		Controller: &Controller{engine: engine, metrics: m, poll: never, index: newIndex(), ledger: newLedger(0), neighbours: newNeighbours(), usage: newUsages(), preemptions: newPreemptions(), gate: newGate()},
		budget:     NewBudget(budget), limits: budget, now: noon, fleet: cluster.NewSnapshot(),
		placements: map[Key]*v1alpha1.Placement{}, workloads: map[Key][]placement.Workload{},
		timers: map[Key]time.Time{}, copies: map[Key]map[string]bool{}, gains: map[Key]time.Time{},
	}
	for i := range clusters {
		s.fleet = s.fleet.With(&cluster.State{
			Name: fmt.Sprintf("c%02d", i), Ready: true, Reachable: true, Region: fmt.Sprintf("r%d", i%3), CapacityKnown: true,
			Labels:      map[string]string{"half": fmt.Sprint(i % 2)},
			Allocatable: cluster.Resources{MilliCPU: 10_000, Pods: 1000},
		})
	}
	for i := range placements {
		k := keyIn(multicluster.ClusterName(fmt.Sprintf("w%d", i%3)), "n", fmt.Sprintf("p%03d", i))
		s.placements[k] = &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: k.Name, Generation: 1}, Spec: specOf(i)}
		s.workloads[k] = []placement.Workload{{
			Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Name: k.Name,
			Replicas: new(int32(6)), Requests: cluster.Resources{MilliCPU: 500, Pods: 1},
		}}
		s.copies[k] = map[string]bool{}
	}
	return s
}

// specOf returns one of several kinds of spec.
func specOf(i int) v1alpha1.PlacementSpec {
	half := &v1alpha1.ClusterSelector{MatchLabels: map[string]string{"half": fmt.Sprint(i / 5 % 2)}}
	switch i % 5 {
	case 1:
		return v1alpha1.PlacementSpec{Clusters: half}
	case 2:
		return v1alpha1.PlacementSpec{Count: &v1alpha1.Count{Min: new(int32(2)), Max: new(int32(3))}, Division: &v1alpha1.Division{Type: v1alpha1.DivisionCapacity, MinPerCluster: new(int32(1))}}
	case 3:
		return v1alpha1.PlacementSpec{Clusters: half, Spread: []v1alpha1.Spread{{TopologyKey: v1alpha1.TopologyRegion, MinGroups: new(int32(2))}}, Count: &v1alpha1.Count{Min: new(int32(2)), Max: new(int32(2))}}
	case 4:
		return v1alpha1.PlacementSpec{Tolerations: []v1alpha1.Toleration{{
			Key: clusterv1alpha1.TaintUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(600)),
		}}}
	}
	return v1alpha1.PlacementSpec{}
}

func (s *simulation) keys() []Key {
	keys := make([]Key, 0, len(s.placements))
	for k := range s.placements {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

func (s *simulation) question(k Key) *question {
	q := &question{workspace: k.Workspace, placement: s.placements[k], workloads: s.workloads[k], fleet: s.fleet, now: s.now, retired: map[string]bool{}, gainSince: s.gains[k]}
	for _, t := range q.placement.Status.Targets {
		if state, ok := s.fleet.Lookup(t.Cluster); t.Leaving && ok && state.Reachable && !s.copies[k][t.Cluster] {
			q.retired[t.Cluster] = true
		}
	}
	return q
}

// reconcile is Reconcile.
func (s *simulation) reconcile(t require.TestingT, k Key) {
	delete(s.timers, k)
	q := s.question(k)
	a, err := s.decide(context.Background(), q)
	require.NoError(t, err)
	s.index.set(k, a.interest)
	s.gains[k] = a.gainSince
	if len(a.moves) > 0 {
		verdict := s.budget.Limit(context.Background(), &Moves{Workspace: k.Workspace, Placement: k.NamespacedName, Moves: a.moves, Fleet: s.fleet, Now: s.now})
		if verdict.Allowed() {
			for _, m := range a.moves {
				s.moves = append(s.moves, move{m, s.now, k, fmt.Sprint(text(&q.placement.Status), " -> ", text(&a.status))})
			}
		} else {
			s.takeBack(q)
			a.putOff(q, verdict, time.Hour)
			s.index.set(k, a.interest)
		}
	}
	if a.again > 0 {
		s.timers[k] = s.now.Add(a.again)
	}
	if compareStatus(&q.placement.Status, &a.status) == material {
		s.writes++
		q.placement = q.placement.DeepCopy()
		q.placement.Status = a.status
		s.placements[k] = q.placement
		s.report()
		s.reconcile(t, k) // as the watch of our own write has it
	}
}

// report has clusters report their load and what the work uses.
func (s *simulation) report() {
	if s.load == nil {
		return
	}
	used := map[string]cluster.Resources{}
	for k, p := range s.placements {
		for name, u := range use(s.workloads[k], p.Status.Targets) {
			used[name] = used[name].Add(u)
		}
	}
	for state := range s.fleet.All() {
		next := *state
		next.Allocated = used[state.Name].Add(cluster.Resources{MilliCPU: s.load[state.Name]})
		s.fleet = s.fleet.With(&next)
	}
}

// sync is what a sync loop would do, at once: copies on targets, none on those
// that are left, where the cluster answers.
func (s *simulation) sync(t require.TestingT) {
	for _, k := range s.keys() {
		p, staying, retired := s.placements[k], 0, false
		for _, target := range p.Status.Targets {
			if state, ok := s.fleet.Lookup(target.Cluster); ok && state.Reachable && !target.Leaving {
				s.copies[k][target.Cluster] = true
				staying++
			}
		}
		for _, target := range p.Status.Targets {
			if state, ok := s.fleet.Lookup(target.Cluster); ok && state.Reachable && target.Leaving && staying > 0 {
				retired = true
				delete(s.copies[k], target.Cluster)
			}
		}
		if retired {
			s.reconcile(t, k) // as NotifyRetired has it
		}
	}
}

// advance lets time pass, with the timers that go off meanwhile.
func (s *simulation) advance(t require.TestingT, d time.Duration) {
	end := s.now.Add(d)
	for {
		var due Key
		at := end
		for _, k := range s.keys() {
			if timer, ok := s.timers[k]; ok && timer.Before(at) {
				due, at = k, timer
			}
		}
		if due == (Key{}) {
			break
		}
		s.now = at
		s.reconcile(t, due)
	}
	s.now = end
	s.sync(t)
}

// change changes a cluster and wakes whom the index says.
func (s *simulation) change(t require.TestingT, name string, edit func(*cluster.State)) {
	old, _ := s.fleet.Lookup(name)
	state := *old
	state.Taints = slices.Clone(old.Taints)
	edit(&state)
	s.fleet = s.fleet.With(&state)
	for _, k := range s.index.affected(map[string]effect{name: effectOf(cluster.Change{Old: old, New: &state})}) {
		s.reconcile(t, k)
	}
	s.sync(t)
}

// restart loses all that is in memory, and looks at every Placement, as a
// process that takes over does.
func (s *simulation) restart(t require.TestingT) {
	s.index, s.timers, s.gains = newIndex(), map[Key]time.Time{}, map[Key]time.Time{}
	s.budget = NewBudget(s.limits)
	s.budget.Started(s.now)
	for _, k := range s.keys() {
		s.reconcile(t, k)
	}
	s.sync(t)
}

// overlooked tells of the Placements whose decision would be another one if
// they were looked at, and whom nothing will wake.
func (s *simulation) overlooked(t require.TestingT) (keys []string) {
	for _, k := range s.keys() {
		q := s.question(k)
		a, err := s.decide(context.Background(), q)
		require.NoError(t, err)
		timer, timed := s.timers[k]
		if soon := timed && timer.Sub(s.now) < never; !soon && compareStatus(&q.placement.Status, &a.status) == material {
			keys = append(keys, fmt.Sprintf("%s: %s -> %s", k, text(&q.placement.Status), text(&a.status)))
		}
	}
	return keys
}

func text(s *v1alpha1.PlacementStatus) string {
	return fmt.Sprint(summarize(s.Targets), " ", placed(s).Reason)
}

func (s *simulation) taint(state *cluster.State, key string, effect corev1.TaintEffect) {
	state.Taints = append(state.Taints, clusterv1alpha1.Taint{Key: key, Effect: effect, TimeAdded: &metav1.Time{Time: s.now}})
}

// fate makes something happen to a cluster that can happen to it now.
func (s *simulation) fate(t require.TestingT, name string, what int) {
	state, _ := s.fleet.Lookup(name)
	s.change(t, name, func(c *cluster.State) {
		switch {
		case !state.Reachable || state.Unschedulable: // it recovers
			c.Ready, c.Reachable, c.UnreachableSince, c.Unschedulable, c.Draining, c.Taints = true, true, time.Time{}, false, false, nil
		case what == 0: // it ceases to answer, and the grace period is over
			c.Ready, c.Reachable, c.UnreachableSince = false, false, s.now
			s.taint(c, clusterv1alpha1.TaintUnreachable, corev1.TaintEffectNoSchedule)
			s.taint(c, clusterv1alpha1.TaintUnreachable, corev1.TaintEffectNoExecute)
		case what == 1:
			c.Unschedulable, c.Draining = true, true
			s.taint(c, clusterv1alpha1.TaintDraining, corev1.TaintEffectNoSchedule)
			s.taint(c, clusterv1alpha1.TaintDraining, corev1.TaintEffectNoExecute)
		case what == 2:
			c.Unschedulable = true
			s.taint(c, clusterv1alpha1.TaintUnschedulable, corev1.TaintEffectNoSchedule)
		case what == 3: // a hiccup within the grace period
			c.Ready, c.Reachable, c.UnreachableSince = false, false, s.now
			s.taint(c, clusterv1alpha1.TaintUnreachable, corev1.TaintEffectNoSchedule)
		default: // load
			c.Allocated.MilliCPU = int64(what) * 4_919 % c.Allocatable.MilliCPU
		}
	})
}

// Whatever happens to clusters, over days: no Placement is overlooked, work
// moves only off clusters that it must leave, the budget is kept, and when all
// is well again there is nothing to write.
func TestDaysOfFailuresAndReturns(t *testing.T) {
	const clusters, placements = 9, 25
	limits := BudgetOptions{PerMinute: 4, PerWorkspace: 2, PerRegion: 3, Burst: 6}
	rapid.Check(t, func(t *rapid.T) {
		s := newSimulation(t, clusters, placements, limits)
		for _, k := range s.keys() {
			s.reconcile(t, k)
		}
		s.sync(t)
		require.Equal(t, placements, s.writes, "one write each to settle")
		for range rapid.IntRange(10, 40).Draw(t, "events") {
			name := fmt.Sprintf("c%02d", rapid.IntRange(0, clusters-1).Draw(t, "cluster"))
			s.fate(t, name, rapid.IntRange(0, 12).Draw(t, "what"))
			require.Empty(t, s.overlooked(t), "whom a change concerns is woken by it, or by a timer")
			s.advance(t, time.Duration(rapid.IntRange(0, 240).Draw(t, "minutes"))*time.Minute)
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				s.restart(t)
			}
		}
		for _, m := range s.moves {
			require.Contains(t, []Cause{CauseLost, CauseDrained}, m.Cause, "%s left %s: %s", m.of, m.Cluster, m.why)
		}
		require.True(t, withinBudget(s.moves, limits.PerMinute, limits.Burst), "%v", s.moves)
		for group, of := range groups(s.moves) {
			rate := limits.PerRegion
			if group[0] == 'w' {
				rate = limits.PerWorkspace
			}
			require.True(t, withinBudget(of, rate, limits.Burst), "%s: %v", group, of)
		}
		s.recover(t)
	})
}

// recover heals the fleet and checks that the world comes to rest.
func (s *simulation) recover(t require.TestingT) {
	for state := range s.fleet.All() {
		s.change(t, state.Name, func(c *cluster.State) {
			c.Ready, c.Reachable, c.UnreachableSince, c.Unschedulable, c.Draining, c.Taints = true, true, time.Time{}, false, false, nil
			c.Allocated = cluster.Resources{}
		})
	}
	s.advance(t, 24*time.Hour)
	s.advance(t, 24*time.Hour)
	writes, moves := s.writes, len(s.moves)
	for _, k := range s.keys() {
		s.reconcile(t, k) // as after a restart
	}
	s.advance(t, 24*time.Hour)
	require.Equal(t, []int{writes, moves}, []int{s.writes, len(s.moves)}, "at rest nothing is written and nothing moves")
	for k, p := range s.placements {
		require.Equal(t, v1alpha1.ReasonPlaced, placed(&p.Status).Reason, "%s", k)
		for _, target := range p.Status.Targets {
			require.False(t, target.Leaving, "%s: %s is still on record", k, target.Cluster)
		}
	}
}

// groups returns the moves by region and by workspace.
func groups(moves []move) map[string][]move {
	by := map[string][]move{}
	for _, m := range moves {
		by[m.Region] = append(by[m.Region], m)
		by[string(m.of.Workspace)] = append(by[string(m.of.Workspace)], m)
	}
	return by
}

// withinBudget says whether in every stretch of time no more moved than may.
func withinBudget(moves []move, perMinute float64, burst int) bool {
	for i := range moves {
		for j := i; j < len(moves); j++ {
			if most := float64(burst) + perMinute*moves[j].at.Sub(moves[i].at).Minutes() + 1e-6; float64(j-i+1) > most {
				return false
			}
		}
	}
	return true
}
