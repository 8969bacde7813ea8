package cluster

import "github.com/tmc-sdk/tmc/cluster/facts"

// Headroom says how many more pods with the given requests have room on the
// nodes of a cluster, node by node: unlike the sums of a State it knows that
// free capacity on two nodes does not hold one large pod. RequestsOfSpec makes
// requests of a pod template.
//
// It looks at resources alone, not at taints, affinity or topology. It costs
// time in proportion to the nodes. ok is false if the cluster is not in the
// fleet, or its capacity is not known.
func (f *Fleet) Headroom(name string, requests Resources) (pods int64, ok bool) {
	f.mu.Lock()
	m, found := f.members[name]
	var u *usage
	if found {
		u = m.usage
	}
	f.mu.Unlock()
	if u == nil {
		return 0, false
	}
	return u.headroom(&requests)
}

// FleetHeadroom says how many more pods with the given requests have room on
// the clusters that take new work, in all. unknown counts those of them whose
// capacity is not known, which are not in the sum.
func (f *Fleet) FleetHeadroom(requests Resources) (pods int64, unknown int) {
	for st := range f.Snapshot().All() {
		if !st.Ready || st.Unschedulable {
			continue
		}
		n, ok := f.Headroom(st.Name, requests)
		if !ok {
			unknown++
		}
		pods += n
	}
	return pods, unknown
}

func (u *usage) headroom(requests *Resources) (pods int64, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.nodesRead || !u.podsRead {
		return 0, false
	}
	for _, n := range u.nodes {
		if n.counted {
			free := n.allocatable.Sub(n.allocated)
			pods += facts.Times(&free, requests)
		}
	}
	return pods, true
}
