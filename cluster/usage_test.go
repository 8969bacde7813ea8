package cluster

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func pod(uid, node string, milliCPU int64) *podItem {
	p := &podItem{node: node, requests: Resources{MilliCPU: milliCPU, Memory: milliCPU << 20, Pods: 1}}
	p.UID = types.UID(uid)
	return p
}

// TestUsageIsWhatARecountGives drives usage with events in any order, and
// compares its sums with those of a recount of what exists.
func TestUsageIsWhatARecountGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := newUsage()
		nodes, pods := map[string]*nodeItem{}, map[string]*podItem{}
		nodeName := rapid.SampledFrom([]string{"n0", "n1", "n2", "n3"})
		podName := rapid.SampledFrom([]string{"p0", "p1", "p2", "p3", "p4", "p5"})
		drawNode := func(t *rapid.T) *nodeItem {
			n := node(nodeName.Draw(t, "node"), rapid.Int64Range(0, 4).Draw(t, "cpu")*1000)
			n.ready, n.unschedulable = rapid.Bool().Draw(t, "ready"), rapid.Bool().Draw(t, "cordoned")
			n.kind.region = rapid.SampledFrom([]string{"", "eu", "us"}).Draw(t, "region")
			return n
		}
		drawPod := func(t *rapid.T) *podItem {
			p := pod(podName.Draw(t, "pod"), rapid.SampledFrom([]string{"", "n0", "n1", "n2", "n9"}).Draw(t, "on"), rapid.Int64Range(0, 3).Draw(t, "request")*100)
			p.ended = rapid.IntRange(0, 4).Draw(t, "ended") == 0
			if rapid.IntRange(0, 3).Draw(t, "extended") == 0 {
				p.requests.Extended = map[corev1.ResourceName]int64{"example.com/gpu": rapid.Int64Range(1, 2).Draw(t, "gpu")}
			}
			return p
		}
		t.Repeat(map[string]func(*rapid.T){
			"set node": func(t *rapid.T) { n := drawNode(t); nodes[n.Name] = n; u.setNode(n) },
			"set pod":  func(t *rapid.T) { p := drawPod(t); pods[string(p.UID)] = p; u.setPod(p) },
			"remove node": func(t *rapid.T) {
				name := nodeName.Draw(t, "node")
				delete(nodes, name)
				u.removeNode(name)
			},
			"remove pod": func(t *rapid.T) {
				name := podName.Draw(t, "pod")
				delete(pods, name)
				u.removePod(types.UID(name))
			},
			"list nodes": func(t *rapid.T) {
				n := drawNode(t)
				nodes = map[string]*nodeItem{n.Name: n}
				u.replaceNodes([]*nodeItem{n})
			},
			"list pods": func(t *rapid.T) {
				p := drawPod(t)
				pods = map[string]*podItem{string(p.UID): p}
				u.replacePods([]*podItem{p})
			},
			"": func(t *rapid.T) {
				got := u.capacity()
				want := recount(nodes, pods)
				want.slots, want.moreSlots = got.slots, got.moreSlots // TestFitsIsWhatHeadroomSays
				want.rooms, want.lots = got.rooms, got.lots           // and TestRoomOfManyNodesIsABound
				want.known, want.nodesRead = got.known, got.nodesRead
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(capacity{}, nodeKind{}, inUse{}), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("capacity (-recount +usage):\n%s", diff)
				}
			},
		})
	})
}

func recount(nodes map[string]*nodeItem, pods map[string]*podItem) capacity {
	var c capacity
	kinds := map[nodeKind]bool{}
	for _, n := range nodes {
		kinds[n.kind] = true
		c.existing++
		if n.ready {
			c.ready++
		}
		if n.ready && !n.unschedulable {
			c.nodes++
			add(&c.allocatable, &n.allocatable, 1)
		}
	}
	for _, p := range pods {
		if n, ok := nodes[p.node]; ok && !p.ended && n.ready && !n.unschedulable {
			add(&c.allocated, &p.requests, 1)
		}
	}
	c.allocated, c.allocatable = settled(c.allocated), settled(c.allocatable)
	c.kinds = slices.SortedFunc(maps.Keys(kinds), compareKinds)
	return c
}

func TestUsageForgetsWhatIsGone(t *testing.T) {
	u := newUsage()
	for i := range 100 {
		u.setNode(node(fmt.Sprint("n", i), 1000))
		u.setPod(pod(fmt.Sprint("p", i), fmt.Sprint("n", i), int64(i)))
	}
	u.replaceNodes(nil)
	u.replacePods(nil)
	u.replaceNodes(nil)
	if len(u.nodes)+len(u.pods)+len(u.shapes)+len(u.kinds) != 0 {
		t.Errorf("%d nodes, %d pods and %d shapes are left", len(u.nodes), len(u.pods), len(u.shapes))
	}
}

// TestUsageMemory measures what is kept per node and per pod.
func TestUsageMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the heap")
	}
	const nodes, perNode = 10_000, 30
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	u := newUsage()
	start := heap()
	for i := range nodes {
		u.setNode(node(fmt.Sprintf("ip-10-0-%d-%d.eu-west-1.compute.internal", i/256, i%256), 64_000))
	}
	withNodes := heap()
	for i := range nodes * perNode {
		u.setPod(pod(uuid.NewString(), fmt.Sprintf("ip-10-0-%d-%d.eu-west-1.compute.internal", i%nodes/256, i%nodes%256), int64(i%17)*100))
	}
	end := heap()
	perNodeBytes, perPodBytes := (withNodes-start)/nodes, (end-withNodes)/(nodes*perNode)
	t.Logf("%d bytes per node, %d bytes per pod", perNodeBytes, perPodBytes)
	if perNodeBytes > 300 || perPodBytes > 100 {
		t.Errorf("want at most 300 bytes per node and 100 per pod, got %d and %d", perNodeBytes, perPodBytes)
	}
	runtime.KeepAlive(u)
}

func BenchmarkUsageEvent(b *testing.B) {
	u := newUsage()
	for i := range 1000 {
		u.setNode(node(fmt.Sprint("n", i), 64_000))
	}
	pods := make([]*podItem, 30_000)
	for i := range pods {
		pods[i] = pod(uuid.NewString(), fmt.Sprint("n", rand.IntN(1000)), int64(i%17)*100)
		u.setPod(pods[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := *pods[i%len(pods)]
		p.requests.MilliCPU += int64(i%2) * 100
		u.setPod(&p)
	}
}
