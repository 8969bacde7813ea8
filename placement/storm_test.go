package placement_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// storm is a fleet full of Placements, some clusters of which are lost.
type storm struct {
	fleet    *facts.Snapshot
	requests []*placement.Request
	on       map[string][]int // Placements by cluster
	lost     []string
}

// newStorm spreads Placements evenly over the clusters of the reference fleet
// that fit: each on 7 of them in 3 regions, with 10 replicas.
func newStorm(placements, clusters, lost int) *storm {
	s := &storm{fleet: referenceFleet(clusters), on: map[string][]int{}}
	byRegion := map[string][]string{}
	var regions []string
	for state := range s.fleet.All() {
		if state.Labels["env"] == "prod" && len(state.Taints) == 0 {
			if byRegion[state.Region] == nil {
				regions = append(regions, state.Region)
			}
			byRegion[state.Region] = append(byRegion[state.Region], state.Name)
		}
	}
	for i := range placements {
		r := referenceRequest()
		r.Name = fmt.Sprintf("p-%06d", i)
		r.Workloads[0].Replicas = new(int32(10))
		r.Workloads[0].Requests = facts.Resources{MilliCPU: 100, Memory: 1 << 20, Pods: 1}
		r.Spec.Count = &v1alpha1.Count{Min: new(int32(7)), Max: new(int32(7))}
		for k, n := range []int{3, 2, 2} {
			names := byRegion[regions[(i+k)%len(regions)]]
			for j := range n {
				share := int64(1)
				if j == 0 {
					share = 2
				}
				name := names[(i/len(regions)*3+j)%len(names)]
				r.Current = append(r.Current, v1alpha1.Target{Cluster: name, Share: &share})
				s.on[name] = append(s.on[name], i)
			}
		}
		slices.SortFunc(r.Current, func(a, b v1alpha1.Target) int { return strings.Compare(a.Cluster, b.Cluster) })
		s.requests = append(s.requests, r)
	}
	for i := range lost { // of every region as many
		names := byRegion[regions[i%len(regions)]]
		s.lost = append(s.lost, names[(i*17)%len(names)])
	}
	slices.Sort(s.lost)
	s.lost = slices.Compact(s.lost)
	return s
}

// affected are the Placements on lost clusters.
func (s *storm) affected() []int {
	var list []int
	for _, name := range s.lost {
		list = append(list, s.on[name]...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// strike decides anew what was on the lost clusters, on two cores, and counts
// what was decided as used.
func (s *storm) strike(tb testing.TB, engine *placement.Engine) []*placement.Decision {
	tb.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	after := s.fleet.Without(s.lost...)
	reserved := placement.NewReservations()
	affected := s.affected()
	decisions := make([]*placement.Decision, len(s.requests))
	for worker := range 2 {
		group.Go(func() {
			for k := worker; k < len(affected); k += 2 {
				r := s.requests[affected[k]]
				mu.Lock()
				fleet := reserved.Fleet(after)
				mu.Unlock()
				d, err := engine.Place(tb.Context(), r, fleet)
				if err != nil {
					tb.Error(err)
					return
				}
				mu.Lock()
				reserved.Reserve(r.Name, d.Needs(), time.Time{})
				mu.Unlock()
				decisions[affected[k]] = d
			}
		})
	}
	group.Wait()
	return decisions
}

// After a storm every Placement that was on a lost cluster is whole again, with
// all but what was lost where it was; and no other would be decided otherwise.
func TestStorm(t *testing.T) {
	engine, err := placement.NewEngine()
	require.NoError(t, err)
	s := newStorm(1000, 1000, 10)
	decisions := s.strike(t, engine)
	after := s.fleet.Without(s.lost...)
	affected := s.affected()
	require.NotEmpty(t, affected)
	for i, r := range s.requests {
		d := decisions[i]
		if d == nil {
			again, err := engine.Place(t.Context(), r, after)
			require.NoError(t, err)
			require.Equal(t, outcome(&placement.Decision{Targets: r.Current}), outcome(again))
			continue
		}
		require.Empty(t, d.Reason, d.Message)
		require.Len(t, d.Targets, 7)
		kept := 0
		for _, target := range d.Targets {
			require.NotContains(t, s.lost, target.Cluster)
			if r.On(target.Cluster) {
				kept++
			}
		}
		gone := 0
		for _, target := range r.Current {
			if slices.Contains(s.lost, target.Cluster) {
				gone++
			}
		}
		require.Equal(t, 7-gone, kept, "what is not lost stays")
	}
}

// BenchmarkStorm is 100 of 10,000 clusters lost under 100,000 Placements.
func BenchmarkStorm(b *testing.B) {
	engine, err := placement.NewEngine()
	require.NoError(b, err)
	s := newStorm(100_000, 10_000, 100)
	affected := len(s.affected())
	for b.Loop() {
		for i, d := range s.strike(b, engine) {
			if d != nil && d.Reason != "" {
				b.Fatal(i, d.Message)
			}
		}
	}
	b.ReportMetric(float64(affected), "affected")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(affected), "µs/decision")
}

// BenchmarkReplace is one cluster replaced in a snapshot, as when it reports its
// load, against making the snapshot anew; and the next decision over it.
func BenchmarkReplace(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		fleet := referenceFleet(n)
		state := new(*fleet.At(n / 2))
		state.Allocated.MilliCPU += 1000
		engine, err := placement.NewEngine()
		require.NoError(b, err)
		b.Run(fmt.Sprintf("clusters=%d/replace", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fleet.With(state)
			}
		})
		b.Run(fmt.Sprintf("clusters=%d/rebuild", n), func(b *testing.B) {
			states := slices.Collect(fleet.All())
			b.ReportAllocs()
			for b.Loop() {
				facts.NewSnapshot(states...)
			}
		})
		if n > 10_000 {
			continue
		}
		b.Run(fmt.Sprintf("clusters=%d/replace and decide", n), func(b *testing.B) {
			r := referenceRequest()
			for b.Loop() {
				if _, err := engine.Place(b.Context(), r, fleet.With(state)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
