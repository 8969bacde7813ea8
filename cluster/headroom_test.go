package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestHeadroom(t *testing.T) {
	gpu := corev1.ResourceName("example.com/gpu")
	sized := func(name string, cpu, memory, pods int64, mods ...func(*nodeItem)) *nodeItem {
		n := node(name, cpu)
		n.allocatable = Resources{MilliCPU: cpu, Memory: memory, Pods: pods}
		for _, mod := range mods {
			mod(n)
		}
		return n
	}
	cases := map[string]struct {
		reason   string
		nodes    []*nodeItem
		pods     []*podItem
		requests Resources
		want     int64
	}{
		"node by node": {
			"half of each of two nodes does not hold a pod that needs three quarters",
			[]*nodeItem{sized("a", 4000, 1<<30, 110), sized("b", 4000, 1<<30, 110)},
			[]*podItem{pod("x", "a", 0), pod("y", "a", 0)},
			Resources{MilliCPU: 3000},
			2,
		},
		"free on none":   {"two halves are not a whole", []*nodeItem{sized("a", 2000, 0, 110), sized("b", 2000, 0, 110)}, nil, Resources{MilliCPU: 3000}, 0},
		"scarcest":       {"the resource that runs out first decides", []*nodeItem{sized("a", 4000, 1000, 110)}, nil, Resources{MilliCPU: 100, Memory: 400}, 2},
		"places":         {"a pod that requests nothing takes a place", []*nodeItem{sized("a", 4000, 1000, 3)}, []*podItem{pod("x", "a", 0)}, Resources{}, 2},
		"cordoned":       {"nodes that take no pods have no room", []*nodeItem{sized("a", 4000, 1000, 3, func(n *nodeItem) { n.unschedulable = true })}, nil, Resources{}, 0},
		"no such":        {"a resource that no node has does not fit", []*nodeItem{sized("a", 4000, 1000, 3)}, nil, Resources{Extended: map[corev1.ResourceName]int64{gpu: 1}}, 0},
		"extended":       {"extended resources count", []*nodeItem{sized("a", 4000, 1000, 30, func(n *nodeItem) { n.allocatable.Extended = map[corev1.ResourceName]int64{gpu: 5} })}, nil, Resources{Extended: map[corev1.ResourceName]int64{gpu: 2}}, 2},
		"over-committed": {"a node with more on it than it has holds no more", []*nodeItem{sized("a", 100, 1<<40, 110)}, []*podItem{pod("x", "a", 500)}, Resources{MilliCPU: 1}, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			u := newUsage()
			_, ok := u.headroom(&tc.requests)
			require.False(t, ok, "nothing has been read")
			u.replaceNodes(tc.nodes)
			u.replacePods(tc.pods)
			got, ok := u.headroom(&tc.requests)
			require.True(t, ok)
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

func TestHeadroomOfTheFleet(t *testing.T) {
	f := standing(t, 4, 2)
	f.mu.Lock()
	cordoned := f.members["cluster-0001"]
	cordoned.reg.Unschedulable = true
	f.publishLocked(cordoned, false, false)
	unknown := f.members["cluster-0002"]
	unknown.usage = newUsage()
	f.publishLocked(unknown, false, false)
	f.mu.Unlock()
	request := Resources{MilliCPU: 32_000, Pods: 1}
	one, ok := f.Headroom("cluster-0000", request)
	require.True(t, ok)
	require.Positive(t, one)
	pods, missing := f.FleetHeadroom(request)
	require.Equal(t, 2*one, pods, "neither the cordoned cluster counts, nor the unknown one")
	require.Equal(t, 1, missing)
}
