package cluster

import (
	"fmt"
	"runtime"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// standing returns a fleet of n clusters with the given number of nodes each,
// as it is once all have been read. Nothing runs.
func standing(tb testing.TB, clusters, nodes int) *Fleet {
	tb.Helper()
	f, err := NewFleet()
	if err != nil {
		tb.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range clusters {
		m := &member{
			name: fmt.Sprintf("cluster-%04d", i), usage: newUsage(),
			health: health{known: true, reachable: true},
			reg: Registration{
				Labels: map[string]string{"tier": "gold"}, Region: fmt.Sprint("region-", i%5), Zone: fmt.Sprint("zone-", i%15),
				Properties: map[string]string{"cost": "0.35"}, Config: &rest.Config{Host: fmt.Sprintf("https://%d.example.com", i)},
			},
		}
		f.setIdentityLocked(m, types.UID(fmt.Sprintf("6b1f0e4c-0000-4000-8000-%012d", i)))
		m.facts.apisTried, m.facts.capacityTried, m.facts.version = true, true, "v1.36.3"
		for n := range nodes {
			m.usage.setNode(node(fmt.Sprint("node-", n), 64_000))
		}
		m.usage.nodesRead, m.usage.podsRead = true, true
		f.members[m.name] = m
		f.publishLocked(m, false, false)
	}
	return f
}

// BenchmarkPublish is one event of one node in a fleet of 1,000 clusters with
// 100 nodes each, up to the snapshot that shows it.
func BenchmarkPublish(b *testing.B) {
	f := standing(b, 1000, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m := f.members[fmt.Sprintf("cluster-%04d", i*7919%1000)]
		n := node("node-7", 64_000)
		n.unschedulable = i/1000%2 == 0
		m.usage.setNode(n)
		f.mu.Lock()
		f.publishLocked(m, false, false)
		f.mu.Unlock()
	}
}

// TestMemoryPerCluster measures what the fleet keeps of a cluster without
// nodes, its connection apart.
func TestMemoryPerCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the heap")
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const clusters = 2000
	start := heap()
	f := standing(t, clusters, 0)
	got := (heap() - start) / clusters
	t.Logf("%d bytes per cluster", got)
	if got > 20<<10 {
		t.Errorf("want at most 20 KiB per cluster, got %d bytes", got)
	}
	runtime.KeepAlive(f)
}
