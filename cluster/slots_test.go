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
