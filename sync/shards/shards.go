package shards

import (
	"context"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"sigs.k8s.io/multicluster-runtime/pkg/manager/coordinator/sharded/sharder"

	"github.com/tmc-sdk/tmc/transform"
)

// Registry knows who shares the work: a peers.Registry of multicluster-runtime.
type Registry interface {
	Self() sharder.PeerInfo
	// Snapshot returns the replicas that are known to live. It must be quick.
	Snapshot() []sharder.PeerInfo
}

// lookEvery is the pause between two looks at who is there, which cost nothing.
const lookEvery = time.Second

// Shards says which workspaces are this replica's. It is the Sharder of a sharded
// coordinator and the share of a sync loop, which so agree, and a Runnable that the
// manager has to run. It is safe for concurrent use.
type Shards struct {
	registry Registry

	mu      sync.Mutex
	mine    []int
	told    map[int]func()
	tellers int
}

var _ sharder.Sharder = (*Shards)(nil)

// New returns the shares of those in a registry. Until the registry knows this
// replica itself, nothing is its own.
func New(registry Registry) *Shards {
	s := &Shards{registry: registry, told: map[int]func(){}}
	s.mine = s.look()
	return s
}

// ShouldOwn says whether a workspace, by the name of its logical cluster, is self's
// among the given peers; nothing is anybody's who is not among them.
func (s *Shards) ShouldOwn(workspace string, among []sharder.PeerInfo, self sharder.PeerInfo) bool {
	return owner(transform.BucketOf(workspace), among) == self.ID
}

// Buckets returns the buckets that are this replica's, in order.
func (s *Shards) Buckets() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mine)
}

// Subscribe has fn called after each change of the buckets, one call at a time,
// until cancel is called.
func (s *Shards) Subscribe(fn func()) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.tellers
	s.tellers++
	s.told[id] = fn
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.told, id)
	}
}

// Start follows who is there until ctx ends. The manager calls it.
func (s *Shards) Start(ctx context.Context) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		s.renew()
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// NeedLeaderElection says that every replica follows who is there.
func (s *Shards) NeedLeaderElection() bool { return false }

func (s *Shards) renew() {
	now := s.look()
	s.mu.Lock()
	same := slices.Equal(now, s.mine)
	s.mine = now
	var told []func()
	for _, fn := range s.told {
		told = append(told, fn)
	}
	s.mu.Unlock()
	if same {
		return
	}
	for _, fn := range told {
		fn()
	}
}

// look reckons what is this replica's now.
func (s *Shards) look() []int {
	self, among := s.registry.Self(), s.registry.Snapshot()
	var mine []int
	for bucket := range transform.Buckets {
		if owner(bucket, among) == self.ID {
			mine = append(mine, bucket)
		}
	}
	return mine
}

// owner returns whose a bucket is: the peer with the highest score, and of equals
// the first by name; nobody's if there are none.
func owner(bucket int, among []sharder.PeerInfo) string {
	best, most := "", math.Inf(-1)
	for _, p := range among {
		switch s := score(bucket, p); {
		case s > most, s == most && p.ID < best:
			best, most = p.ID, s
		}
	}
	return best
}

// score draws a number for a bucket and a peer. The greatest of several is each
// one's with a chance in proportion to its weight, of which 0 counts as 1.
func score(bucket int, p sharder.PeerInfo) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.Itoa(bucket) + "|" + p.ID)) // never fails
	// 53 bits of a hash that is mixed, as a number above 0 and below 1.
	drawn := (float64(mix(h.Sum64())>>11) + 0.5) / (1 << 53)
	return float64(max(p.Weight, 1)) / -math.Log(drawn)
}

// mix spreads every bit over all: the finalizer of MurmurHash3 by Austin Appleby,
// which is in the public domain.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
