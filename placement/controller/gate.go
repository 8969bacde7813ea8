package controller

import (
	"slices"
	"sync"

	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// gate holds the keys of a workspace back until all its objects are known:
// nothing may be concluded from what has not been seen yet.
type gate struct {
	mu    sync.Mutex
	rooms map[multicluster.ClusterName]*room
}

// room is one engagement of a workspace.
type room struct {
	open   bool
	round  int    // how often it was closed anew
	await  func() // opens it when all is known
	parked map[Key]struct{}
}

func newGate() *gate { return &gate{rooms: map[multicluster.ClusterName]*room{}} }

// enter begins an engagement. It replaces one that has not left yet.
func (g *gate) enter(name multicluster.ClusterName) *room {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := &room{parked: map[Key]struct{}{}}
	g.rooms[name] = r
	return r
}

// leave ends an engagement; it returns whether no newer one took its place.
func (g *gate) leave(name multicluster.ClusterName, r *room) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rooms[name] != r {
		return false
	}
	delete(g.rooms, name)
	return true
}

// closeAll closes every room that is open, since there is more to know now. It
// returns them by workspace.
func (g *gate) closeAll() map[multicluster.ClusterName]*room {
	g.mu.Lock()
	defer g.mu.Unlock()
	closed := map[multicluster.ClusterName]*room{}
	for name, r := range g.rooms {
		r.round++
		if r.open {
			r.open, r.parked = false, map[Key]struct{}{}
			closed[name] = r
		}
	}
	return closed
}

// roundOf returns how often a room was closed anew.
func (g *gate) roundOf(r *room) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return r.round
}

// unlock opens a room, unless it was closed anew since the given round, and
// returns the keys that waited.
func (g *gate) unlock(r *room, round int) (keys []Key, opened bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.round != round {
		return nil, false
	}
	r.open = true
	keys = make([]Key, 0, len(r.parked))
	for k := range r.parked {
		keys = append(keys, k)
	}
	r.parked = nil
	return keys, true
}

// pass says whether a key may be worked on. One that may not waits until its
// workspace is known, or is forgotten if that is not engaged.
func (g *gate) pass(k Key) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	r, ok := g.rooms[k.Workspace]
	switch {
	case !ok:
		return false
	case !r.open:
		r.parked[k] = struct{}{}
		return false
	}
	return true
}

// open returns the workspaces that are worked on, sorted.
func (g *gate) open() []multicluster.ClusterName {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []multicluster.ClusterName
	for name, r := range g.rooms {
		if r.open {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
