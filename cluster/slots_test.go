package cluster

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// TestFitsIsWhatHeadroomSays compares the slots of a state with the nodes
// themselves.
func TestFitsIsWhatHeadroomSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := newUsage()
		amount := func(what string) int64 { return rapid.Int64Range(0, 3).Draw(t, what) }
		for i := range rapid.IntRange(0, 6).Draw(t, "nodes") {
			n := &nodeItem{allocatable: Resources{MilliCPU: amount("cpu"), Memory: amount("memory"), Pods: amount("pods")}, ready: rapid.IntRange(0, 4).Draw(t, "ready") > 0}
			n.Name = fmt.Sprint("n", i)
			if gpus := amount("gpus"); gpus > 1 {
				n.allocatable.Extended = map[corev1.ResourceName]int64{"gpu": gpus}
			}
			u.setNode(n)
		}
		for i := range rapid.IntRange(0, 6).Draw(t, "pods") {
			u.setPod(pod(fmt.Sprint("p", i), fmt.Sprint("n", i), amount("request")))
		}
		u.nodesRead, u.podsRead = true, true
		c := u.capacity()
		st := &State{CapacityKnown: c.known, FreeSlots: c.slots, MoreSlots: c.moreSlots}
		want := Resources{MilliCPU: amount("cpu"), Memory: amount("memory"), Pods: 1}
		if gpus := amount("gpus"); gpus > 0 {
			want.Extended = map[corev1.ResourceName]int64{"gpu": gpus}
		}
		room, ok := u.headroom(&want)
		if !ok || st.Fits(want) != (room > 0) {
			t.Fatalf("fits %t, but there is room for %d; slots %v", st.Fits(want), room, st.FreeSlots)
		}
		st.NodeRoom = c.rooms
		if got, known := st.Room(&want, 1<<20); !known || got != room {
			t.Fatalf("room for %d (known %t), and headroom says %d; %v", got, known, room, c.rooms)
		}
		if got, _ := st.Room(&want, 2); got != min(2, room) {
			t.Fatalf("counting to two ends at %d of %d", got, room)
		}
		for i := range c.slots {
			for j := range c.slots {
				if i != j && dominates(&c.slots[i], &c.slots[j]) {
					t.Fatalf("slot %v is needless beside %v", c.slots[j], c.slots[i])
				}
			}
		}
	})
}

func TestWhatIsNotKnownFits(t *testing.T) {
	large := Resources{MilliCPU: 1 << 40, Pods: 1}
	require.True(t, (&State{}).Fits(large), "the capacity is not known")
	u := newUsage()
	for i := range mostSlots + 1 {
		n := &nodeItem{allocatable: Resources{MilliCPU: int64(i), Memory: int64(mostSlots - i), Pods: 1}, ready: true}
		n.Name = fmt.Sprint("n", i)
		u.setNode(n)
	}
	u.nodesRead, u.podsRead = true, true
	c := u.capacity()
	require.True(t, c.moreSlots, "no two of the nodes can be compared")
	require.True(t, (&State{CapacityKnown: true, MoreSlots: c.moreSlots, FreeSlots: c.slots}).Fits(large), "not all slots are known")
	require.False(t, (&State{CapacityKnown: true}).Fits(large), "there is no node")
}

// Of many nodes that all differ few lots are kept, and they promise no more than
// there is, and not much less.
func TestRoomOfManyNodesIsABound(t *testing.T) {
	u := newUsage()
	for i := range 3000 {
		n := &nodeItem{allocatable: Resources{MilliCPU: 20_000 + int64(i*7919%60_000), Memory: int64(64+i*31%192) << 30, Pods: 110}, ready: true}
		n.Name = fmt.Sprint("n", i)
		u.setNode(n)
		u.setPod(pod(fmt.Sprint("p", i), n.Name, int64(i)))
	}
	u.nodesRead, u.podsRead = true, true
	c := u.capacity()
	require.LessOrEqual(t, len(c.rooms), mostLots)
	require.LessOrEqual(t, len(c.lots), mostLots)
	var nodes, pods int64
	for _, lot := range c.rooms {
		nodes += lot.Count
	}
	for _, lot := range c.lots {
		pods += lot.Count
	}
	require.EqualValues(t, 3000, nodes)
	require.EqualValues(t, 3000, pods)
	st := &State{CapacityKnown: true, NodeRoom: c.rooms}
	want := Resources{MilliCPU: 3000, Memory: 2 << 30, Pods: 1}
	exact, _ := u.headroom(&want)
	got, ok := st.Room(&want, 1<<40)
	require.True(t, ok)
	require.LessOrEqual(t, got, exact)
	require.Greater(t, float64(got), 0.9*float64(exact))
	t.Logf("%d lots: room for %d of %d pods", len(c.rooms), got, exact)
}
