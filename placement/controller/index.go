package controller

import (
	"cmp"
	"slices"
	"sync"

	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// interest is what a Placement has to do with the fleet: which changes of
// which clusters can change its decision.
type interest struct {
	// clusters that the decision names, sorted; those leaving included.
	clusters []string
	// waiting says that the decision would take another cluster if one fitted:
	// it is incomplete, or asks for as many as there are.
	waiting bool
	// properties says that properties or the version of a cluster can rule it
	// out.
	properties bool
	// priority of the Placement.
	priority int32
}

// index finds the Placements that a change of the fleet can affect. It holds
// nothing that is not also in the Placements, and is rebuilt from them.
type index struct {
	mu          sync.RWMutex
	interests   map[Key]interest
	byCluster   map[string]map[Key]struct{}
	waiting     map[Key]struct{}
	byWorkspace map[multicluster.ClusterName]map[Key]struct{}
}

func newIndex() *index {
	return &index{
		interests:   map[Key]interest{},
		byCluster:   map[string]map[Key]struct{}{},
		waiting:     map[Key]struct{}{},
		byWorkspace: map[multicluster.ClusterName]map[Key]struct{}{},
	}
}

// set records the interest of a Placement.
func (x *index) set(k Key, now interest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if old, ok := x.interests[k]; ok && old.waiting == now.waiting && old.properties == now.properties && old.priority == now.priority && slices.Equal(old.clusters, now.clusters) {
		return
	}
	x.dropLocked(k)
	x.interests[k] = now
	if x.byWorkspace[k.Workspace] == nil {
		x.byWorkspace[k.Workspace] = map[Key]struct{}{}
	}
	x.byWorkspace[k.Workspace][k] = struct{}{}
	for _, name := range now.clusters {
		keys := x.byCluster[name]
		if keys == nil {
			keys = map[Key]struct{}{}
			x.byCluster[name] = keys
		}
		keys[k] = struct{}{}
	}
	if now.waiting {
		x.waiting[k] = struct{}{}
	}
}

// drop forgets a Placement.
func (x *index) drop(k Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropLocked(k)
}

// dropWorkspace forgets the Placements of a workspace.
func (x *index) dropWorkspace(name multicluster.ClusterName) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for k := range x.byWorkspace[name] {
		x.dropLocked(k)
	}
}

func (x *index) dropLocked(k Key) {
	for _, name := range x.interests[k].clusters {
		delete(x.byCluster[name], k)
		if len(x.byCluster[name]) == 0 {
			delete(x.byCluster, name)
		}
	}
	delete(x.waiting, k)
	delete(x.interests, k)
	delete(x.byWorkspace[k.Workspace], k)
	if len(x.byWorkspace[k.Workspace]) == 0 {
		delete(x.byWorkspace, k.Workspace)
	}
}

// affected returns the Placements that the changes of clusters can affect,
// sorted, each once.
func (x *index) affected(changes map[string]effect) []Key {
	x.mu.RLock()
	defer x.mu.RUnlock()
	set := map[Key]struct{}{}
	waiting := false
	for name, e := range changes {
		waiting = waiting || e.has(wakesWaiting) || e.has(wakesLater)
		if !e.has(wakesNamed) && !e.has(wakesCurious) {
			continue
		}
		for k := range x.byCluster[name] {
			if e.has(wakesNamed) || x.interests[k].properties {
				set[k] = struct{}{}
			}
		}
	}
	if waiting {
		for k := range x.waiting {
			set[k] = struct{}{}
		}
	}
	keys := make([]Key, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// in returns the Placements of a workspace, or with an empty name of all,
// sorted.
func (x *index) in(workspace multicluster.ClusterName) []Key {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var keys []Key
	if workspace != "" {
		for k := range x.byWorkspace[workspace] {
			keys = append(keys, k)
		}
	} else {
		for k := range x.interests {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// byPriority sorts keys so that Placements of greater priority come first.
func (x *index) byPriority(keys []Key) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	slices.SortStableFunc(keys, func(a, b Key) int { return cmp.Compare(x.interests[b].priority, x.interests[a].priority) })
}

// rank returns the place in the queue of a Placement: the magnitude of its
// priority. A queue has a gauge per rank, so they are few.
func (x *index) rank(k Key) (rank int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	step := 1
	p := int(x.interests[k].priority)
	if p < 0 {
		p, step = -p, -1
	}
	for ; p > 0; p /= 10 {
		rank += step
	}
	return rank
}

// amongWaiting returns those of some Placements that would take another
// cluster.
func (x *index) amongWaiting(keys []Key) (waiting []Key) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, k := range keys {
		if _, ok := x.waiting[k]; ok {
			waiting = append(waiting, k)
		}
	}
	return waiting
}

// counts returns the number of Placements, and of those that wait.
func (x *index) counts() (all, waiting int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.interests), len(x.waiting)
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
