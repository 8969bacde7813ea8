package controller

import (
	"maps"
	"sync"
	"time"

	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// recent remembers, by Placement, what was done a moment ago and need not be
// done again. Losing it, as a restart does, costs at most a vain request.
type recent struct {
	mu      sync.Mutex
	entries map[Key]memory
}

type memory struct {
	// wrote is the resourceVersion that the last write replaced: while the
	// cache still shows it, the cache is behind.
	wrote string
	// created is when the default was created, until the cache shows it.
	created time.Time
	// refreshed is when details of the status were written last.
	refreshed time.Time
	// granted are the clusters that the limiter let work leave, until the
	// decision is recorded.
	granted string
	// held is when moves were first put off that still are.
	held time.Time
	// gainSince is since when rebalancing would be a gain.
	gainSince time.Time
	// told is the refusal that an event was last written for.
	told string
}

func newRecent() *recent { return &recent{entries: map[Key]memory{}} }

func (r *recent) of(k Key) memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[k]
}

func (r *recent) update(k Key, change func(*memory)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.entries[k]
	change(&m)
	if m == (memory{}) {
		delete(r.entries, k)
		return
	}
	r.entries[k] = m
}

func (r *recent) drop(k Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.entries, k)
}

func (r *recent) dropWorkspace(name multicluster.ClusterName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.entries, func(k Key, _ memory) bool { return k.Workspace == name })
}
