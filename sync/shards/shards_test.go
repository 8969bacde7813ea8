package shards_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"sigs.k8s.io/multicluster-runtime/pkg/manager/coordinator/sharded/sharder"

	"github.com/tmc-sdk/tmc/sync/shards"
	"github.com/tmc-sdk/tmc/transform"
)

// registry is one replica's view of who is there.
type registry struct {
	self sharder.PeerInfo

	mu    sync.Mutex
	peers []sharder.PeerInfo
}

func (r *registry) Self() sharder.PeerInfo { return r.self }

func (r *registry) Snapshot() []sharder.PeerInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.peers)
}

func (r *registry) set(peers ...sharder.PeerInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers = peers
}

func peersDrawn(rt *rapid.T) []sharder.PeerInfo {
	return rapid.SliceOfNDistinct(rapid.Custom(func(rt *rapid.T) sharder.PeerInfo {
		return sharder.PeerInfo{ID: rapid.StringMatching(`[a-z]-[0-9]{1,2}`).Draw(rt, "id"), Weight: rapid.Uint32Range(0, 4).Draw(rt, "weight")}
	}), 1, 8, func(p sharder.PeerInfo) string { return p.ID }).Draw(rt, "peers")
}

func TestEveryBucketIsOnesAndEveryWorkspaceGoesWithItsBucket(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		peers := peersDrawn(rt)
		workspace := rapid.StringMatching(`[a-z0-9]{16}`).Draw(rt, "workspace")
		taken := map[int]string{}
		for _, p := range peers {
			s := shards.New(&registry{self: p, peers: peers})
			mine := s.Buckets()
			require.True(rt, slices.IsSorted(mine))
			for _, b := range mine {
				require.Empty(rt, taken[b], "bucket %d is also %s's", b, p.ID)
				taken[b] = p.ID
			}
			require.Equal(rt, slices.Contains(mine, transform.BucketOf(workspace)), s.ShouldOwn(workspace, peers, p))
		}
		require.Len(rt, taken, transform.Buckets)
	})
}

func TestWhoComesOrGoesMovesItsOwnShareAlone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		peers := peersDrawn(rt)
		left := rapid.SampledFrom(peers).Draw(rt, "left")
		without := slices.DeleteFunc(slices.Clone(peers), func(p sharder.PeerInfo) bool { return p.ID == left.ID })
		for _, p := range without {
			before := shards.New(&registry{self: p, peers: peers}).Buckets()
			after := shards.New(&registry{self: p, peers: without}).Buckets()
			for _, b := range before {
				require.Contains(rt, after, b)
			}
		}
	})
}

func TestSharesGoByWeight(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		weights []uint32
	}{
		"alone":          {"one has all", []uint32{1}},
		"names in a row": {"hashes that differ in a last byte are not compared as they are", []uint32{1, 1, 1}},
		"weights":        {"half goes to who weighs as much as the others", []uint32{2, 1, 1}},
		"many":           {"", []uint32{1, 1, 1, 1, 1, 1, 1, 1}},
		"no weight":      {"counts as one", []uint32{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var peers []sharder.PeerInfo
			total := 0.0
			for i, w := range tc.weights {
				peers = append(peers, sharder.PeerInfo{ID: fmt.Sprintf("r-%d", i), Weight: w})
				total += float64(max(w, 1))
			}
			for _, p := range peers {
				got, want := len(shards.New(&registry{self: p, peers: peers}).Buckets()), transform.Buckets*float64(max(p.Weight, 1))/total
				require.InDelta(t, want, got, 0.5*want, "%s: %s", p.ID, tc.reason)
			}
		})
	}
}

func TestAChangeIsToldOnceAndUntilItIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := sharder.PeerInfo{ID: "a", Weight: 1}, sharder.PeerInfo{ID: "b", Weight: 1}
		r := &registry{self: a}
		s := shards.New(r)
		require.Empty(t, s.Buckets(), "nothing is ours before we are known to be there")
		require.False(t, s.ShouldOwn("1abc", nil, a))
		var told atomic.Int32
		cancelTold := s.Subscribe(func() { told.Add(1) })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Start(ctx) }()

		r.set(a)
		time.Sleep(3 * time.Second)
		require.EqualValues(t, 1, told.Load())
		require.Len(t, s.Buckets(), transform.Buckets)

		r.set(a, b)
		time.Sleep(3 * time.Second)
		require.EqualValues(t, 2, told.Load())
		require.Less(t, len(s.Buckets()), transform.Buckets)

		cancelTold()
		r.set(a)
		time.Sleep(3 * time.Second)
		require.EqualValues(t, 2, told.Load())
		require.Len(t, s.Buckets(), transform.Buckets)
		cancel()
		require.NoError(t, <-ended)
	})
}
