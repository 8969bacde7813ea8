package planning

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/facts"
)

// mostNodeChecks bounds how many losses are looked at node by node: those that
// leave the least, of which sums say that they fit.
const mostNodeChecks = 64

// onNodes looks for a node for every pod that the lost clusters run, the largest
// first, on the first node that holds it: as good as a scheduler would do, and no
// proof that nobody could do better. It says nothing where a cluster does not say
// what is free on its nodes.
func (l *Loss) onNodes(fleet *cluster.Snapshot, lost func(*cluster.State) bool) {
	var pods, rooms []cluster.Lot
	for st := range fleet.All() {
		switch {
		case st.Reason == cluster.ReasonDuplicate || !st.CapacityKnown && !lost(st):
		case st.NodeRoom == nil: // nor is it known what it runs
			return
		case lost(st):
			pods = append(pods, st.Pods...)
		case st.Ready && !st.Unschedulable:
			rooms = append(rooms, st.NodeRoom...)
		}
	}
	l.NodesChecked = true
	slices.SortStableFunc(pods, func(a, b cluster.Lot) int {
		return cmp.Or(cmp.Compare(b.Each.MilliCPU, a.Each.MilliCPU), cmp.Compare(b.Each.Memory, a.Each.Memory))
	})
	for i := range pods {
		left := seat(&rooms, &pods[i])
		if left > 0 && l.Homeless == 0 {
			l.Largest = pods[i].Each.List()
			delete(l.Largest, corev1.ResourcePods)
		}
		l.Homeless += left
	}
}

// seat puts pods on nodes, and returns how many found none.
func seat(rooms *[]cluster.Lot, pods *cluster.Lot) (left int64) {
	left = pods.Count
	for i := 0; i < len(*rooms) && left > 0; i++ {
		lot := (*rooms)[i]
		each := facts.Times(&lot.Each, &pods.Each)
		if each <= 0 || lot.Count <= 0 {
			continue
		}
		full := min(lot.Count, left/each) // nodes that are filled up
		some := int64(0)                  // pods on one that is not
		if full < lot.Count {
			some = min(left-full*each, each)
		}
		left -= full*each + some
		(*rooms)[i].Count = lot.Count - full
		if some > 0 {
			(*rooms)[i].Count--
			*rooms = append(*rooms, cluster.Lot{Each: less(&lot.Each, &pods.Each, some), Count: 1})
		}
		if full > 0 {
			*rooms = append(*rooms, cluster.Lot{Each: less(&lot.Each, &pods.Each, each), Count: full})
		}
	}
	return left
}

// less takes so many pods off what is free on a node.
func less(free, pod *cluster.Resources, n int64) cluster.Resources {
	return free.Sub(cluster.Resources{
		MilliCPU: n * pod.MilliCPU, Memory: n * pod.Memory, EphemeralStorage: n * pod.EphemeralStorage, Pods: n * max(1, pod.Pods),
	})
}

// checkNodes looks at the losses that fit by their sums, the worst first, and puts
// those that find no room on nodes before the others.
func checkNodes(all []Loss, fleet *cluster.Snapshot, topologyKey string) {
	left, homeless := mostNodeChecks, false
	for i := range all {
		if left == 0 {
			break
		}
		if l := &all[i]; l.Fits() {
			l.onNodes(fleet, func(st *cluster.State) bool {
				value, ok := st.Topology(topologyKey)
				return ok && slices.Contains(l.Lost, value)
			})
			left--
			homeless = homeless || l.Homeless > 0
		}
	}
	if !homeless {
		return
	}
	slices.SortStableFunc(all, func(a, b Loss) int {
		switch {
		case a.Fits() == b.Fits():
			return 0
		case b.Fits():
			return -1
		}
		return 1
	})
}
