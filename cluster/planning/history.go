package planning

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tmc-sdk/tmc/cluster"
)

// Sample is what one cluster offered and held at one moment.
type Sample struct {
	// At is when.
	At time.Time
	// Allocatable and Allocated as in cluster.State.
	Allocatable, Allocated cluster.Resources
	// Used as in cluster.State; zero where nobody tells.
	Used cluster.Resources
}

// History holds the latest samples of each cluster. It is safe for concurrent
// use, and takes about 150 bytes a sample.
type History struct {
	keep int

	mu     sync.RWMutex
	series map[string]*ring
}

// ring holds the latest samples; next is where the following one goes.
type ring struct {
	samples []Sample
	next    int
}

// HistoryOption changes what a History keeps.
type HistoryOption func(*History)

// Keep sets how many samples of a cluster are kept, at least two. The default
// is 336: two weeks, hour by hour.
func Keep(samples int) HistoryOption { return func(h *History) { h.keep = max(2, samples) } }

// NewHistory returns an empty history.
func NewHistory(opts ...HistoryOption) *History {
	h := &History{keep: 336, series: map[string]*ring{}}
	for _, opt := range opts {
		opt(h)
	}
	return h
}

// Add adds a sample of a cluster. One that is not later than the latest is
// left out.
func (h *History) Add(name string, s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.series[name]
	if r == nil {
		r = &ring{}
		h.series[name] = r
	}
	if n := len(r.samples); n > 0 && !s.At.After(r.samples[(r.next+n-1)%n].At) {
		return
	}
	if len(r.samples) < h.keep {
		r.samples = append(r.samples, s)
		return
	}
	r.samples[r.next] = s
	r.next = (r.next + 1) % h.keep
}

// Observe adds a sample of each cluster whose capacity is known, and forgets
// those that are no longer in the fleet.
func (h *History) Observe(now time.Time, fleet *cluster.Snapshot) {
	for st := range fleet.All() {
		if st.CapacityKnown && st.Reachable {
			h.Add(st.Name, Sample{At: now, Allocatable: st.Allocatable, Allocated: st.Allocated, Used: st.Used})
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.series {
		if _, ok := fleet.Lookup(name); !ok {
			delete(h.series, name)
		}
	}
}

// Clusters returns the names of the clusters of which there are samples,
// sorted.
func (h *History) Clusters() []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Sorted(maps.Keys(h.series))
}

// Series returns the samples of a cluster, the oldest first. The caller owns
// the result.
func (h *History) Series(name string) []Sample {
	h.mu.RLock()
	defer h.mu.RUnlock()
	r := h.series[name]
	if r == nil {
		return nil
	}
	return append(slices.Clone(r.samples[r.next:]), r.samples[:r.next]...)
}

// Snapshotter is what a Recorder records: a cluster.Fleet is one.
type Snapshotter interface {
	Snapshot() *cluster.Snapshot
}

// Recorder feeds a History. It is a manager.Runnable and runs on every replica.
type Recorder struct {
	fleet   Snapshotter
	history *History
	every   time.Duration
}

// NewRecorder returns a recorder that samples the fleet at the given interval,
// an hour if it is zero.
func NewRecorder(fleet Snapshotter, history *History, every time.Duration) *Recorder {
	if every <= 0 {
		every = time.Hour
	}
	return &Recorder{fleet: fleet, history: history, every: every}
}

// NeedLeaderElection says that each replica has a history of its own, so that
// a new leader has one too.
func (*Recorder) NeedLeaderElection() bool { return false }

// Start records until ctx is done.
func (r *Recorder) Start(ctx context.Context) error {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			r.history.Observe(now, r.fleet.Snapshot())
		}
	}
}
