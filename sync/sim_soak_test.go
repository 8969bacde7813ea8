package syncer

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// soak is a world in which one controller lives long and no name comes twice: what
// the loop remembers of an object and does not forget with it adds up.
type soak struct {
	*simWorld
	made  int
	ended bool
}

// TestSoakKeepsHeapFlat lets tenants make, change, move and delete for an hour of
// virtual time, under faults, and looks at what the controller remembers: no more
// than of what there is, and nothing at the end.
func TestSoakKeepsHeapFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute")
	}
	w := &soak{simWorld: newSimWorld(1, nil)}
	s := w.scheduler
	t.Cleanup(func() {
		for _, task := range slices.Clone(s.tasks) {
			task.stop()
		}
	})
	w.odds = odds{lost: 100, unanswered: 60, twice: 60}
	loop := w.start().loop
	// A bounded cache that fills up is no leak, but would look like one.
	loop.renderings = transform.NewCache(w.pipeline, 32, transform.Finish(seal))
	w.populate()

	const quarter = 15 * time.Minute
	var heaps, tasks []int64
	for range 4 {
		s.run(s.now.Add(quarter), w.broken)
		require.Empty(t, w.checker.violations)
		records, outcomes := remembered(loop)
		originals := len(w.originals())
		require.LessOrEqual(t, records, originals+20, "records, of %d originals", originals)
		require.LessOrEqual(t, outcomes, len(w.clusters)*(originals+20), "outcomes, of %d originals", originals)
		heaps = append(heaps, w.heap())
		tasks = append(tasks, int64(len(s.tasks)))
	}
	made := w.made
	w.end()
	require.Empty(t, w.checker.violations)
	require.Empty(t, w.originals(), "all is deleted")
	records, outcomes := remembered(loop)
	require.Zero(t, records, "of what is gone nothing is remembered")
	require.Zero(t, outcomes, "of what is gone nothing is remembered")
	t.Logf("%d objects came and went; heap at the quarters: %v KiB; tasks: %v", made, heaps, tasks)
	require.Greater(t, made, 200, "there was work")
	require.Less(t, heaps[3]-heaps[1], int64(4<<10), "KiB that the heap grew by in the second half")
	require.Less(t, tasks[3]-tasks[1], int64(10), "what runs beside each other")
}

// remembered counts what a loop keeps of originals, and its lanes of copies.
func remembered(l *Loop) (records, outcomes int) {
	records = len(l.records) + len(l.stalled)
	for _, lane := range l.lanes {
		outcomes += len(lane.outcomes)
	}
	return records, outcomes
}

// populate sets everybody to work.
func (w *soak) populate() {
	s := w.scheduler
	for _, tenant := range w.tenants {
		s.spawn(nil, tenant.name, func() { w.tenant(tenant) })
	}
	s.spawn(nil, "placement", w.plan)
	for _, c := range w.clusters {
		s.spawn(nil, "kubelet "+c.name, func() { w.kubelet(c) })
		s.spawn(nil, "vandal "+c.name, func() { w.vandalise(c) })
	}
	for _, server := range slices.Concat(w.tenants, w.clusters) {
		s.spawn(nil, "namespaces "+server.name, func() { w.finalize(server) })
	}
	s.spawn(nil, "trouble", w.vex)
}

// tenant keeps about eight applications, none of them for long.
func (w *soak) tenant(tenant *simServer) {
	s := w.scheduler
	type app struct{ namespace, name string }
	var apps []app
	remove := func() {
		for _, kind := range []*unstructured.Unstructured{simObject(simDeployment, apps[0].namespace, apps[0].name), simObject(simConfigMap, apps[0].namespace, apps[0].name)} {
			_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: kind.GroupVersionKind(), Namespace: kind.GetNamespace(), Name: kind.GetName()})
		}
		apps = apps[1:]
	}
	for !w.ended {
		s.pause(s.between(0, 14*time.Second))
		switch {
		case len(apps) < 4 || len(apps) < 8 && s.chance(2):
			w.made++
			a := app{simNamespaces[w.made%len(simNamespaces)], fmt.Sprintf("app-%d", w.made)}
			config := simObject(simConfigMap, a.namespace, a.name)
			config.Object["data"] = map[string]any{"key": a.name}
			w.sign(tenant, config)
			_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: config})
			d := w.deployment(tenant, a.namespace, a.name)
			at(d.Object, "spec", "template", "spec")["volumes"] = []any{map[string]any{"name": "config", "configMap": map[string]any{"name": a.name}}}
			_, _ = w.do(tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: d})
			apps = append(apps, a)
		case s.chance(2):
			a := pick(s, apps)
			w.changeDeployment(tenant, a.namespace, a.name)
		default:
			remove()
		}
	}
	for len(apps) > 0 {
		remove()
	}
}

// vex makes faults that a controller outlives. Servers compact their history every
// five minutes, as etcd does.
func (w *soak) vex() {
	s := w.scheduler
	compacted := s.now
	for !w.ended {
		s.pause(s.between(10*time.Second, time.Minute))
		end := s.now.Add(s.between(time.Second, 30*time.Second))
		server := pick(s, slices.Concat(w.tenants, w.clusters))
		switch s.dice.IntN(4) {
		case 0:
			server.cut = end
		case 1:
			server.stormy = end
		case 2:
			w.outOfSight(pick(s, w.tenants), end)
		}
		if s.now.Sub(compacted) > 5*time.Minute {
			compacted = s.now
			for _, server := range slices.Concat(w.tenants, w.clusters) {
				server.Compact()
			}
		}
	}
}

// end lets tenants delete all that they have, and the controller see to it.
func (w *soak) end() {
	w.ended, w.calm, w.odds = true, true, odds{}
	for _, server := range slices.Concat(w.tenants, w.clusters) {
		server.cut, server.stormy = time.Time{}, time.Time{}
	}
	w.clear()
	w.scheduler.run(w.scheduler.now.Add(2*recallEvery), w.broken)
}

// originals are those that tenants have.
func (w *soak) originals() (all []*unstructured.Unstructured) {
	for _, tenant := range w.tenants {
		all = append(all, slices.Concat(tenant.All(simDeployment), tenant.All(simConfigMap))...)
	}
	return all
}

// heap returns what is in use, in KiB, without what only the simulator keeps.
func (w *soak) heap() int64 {
	w.checker.forgetLongPast()
	clear(w.events)
	for _, server := range slices.Concat(w.tenants, w.clusters) {
		server.Compact()
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc >> 10)
}

// forgetLongPast drops what is of objects that are gone, and all but the latest
// of what was asked for.
func (c *checker) forgetLongPast() {
	there := map[types.UID]bool{}
	for _, server := range slices.Concat(c.world.tenants, c.world.clusters) {
		for _, kind := range server.Kinds() {
			for _, u := range server.All(kind.GroupVersionKind) {
				there[u.GetUID()] = true
			}
		}
	}
	maps.DeleteFunc(c.healthy, func(id copyID, _ bool) bool { return !there[id.uid] })
	maps.DeleteFunc(c.late, func(uid types.UID, _ bool) bool { return !there[uid] })
	maps.DeleteFunc(c.made, func(uid types.UID, _ int) bool { return !there[uid] })
	clear(c.bodies)
	for ns, moments := range c.history {
		c.history[ns] = slices.Clone(moments[max(0, len(moments)-300):])
	}
}
