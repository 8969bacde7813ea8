package planning

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster"
)

// Loss says what the loss of some clusters would mean.
type Loss struct {
	// Lost are the values of the topology key that are lost together: names of
	// clusters, zones, regions.
	Lost []string `json:"lost"`
	// Clusters that are lost, and how many of them have no known capacity, so
	// that what they run is not in the sums.
	Clusters int `json:"clusters"`
	Unknown  int `json:"unknown,omitempty"`
	// Short is how much room would be missing, by resource, in cores, bytes
	// or pieces. Empty: the rest has room for all.
	Short map[corev1.ResourceName]float64 `json:"short,omitempty"`
	// Tightest is the resource of which the rest would have the least left,
	// and Used the part of it that would be allocated; more than 1 if short,
	// and where no cluster is left that offers any, 1 and what is needed.
	Tightest corev1.ResourceName `json:"tightest,omitempty"`
	Used     float64             `json:"used,omitempty"`
	// NodesChecked says that a node was looked for, too, for every pod that the lost
	// clusters run, but for those that request extended resources. It is done where
	// all clusters say what is free on their nodes, and only of the worst losses.
	NodesChecked bool `json:"nodesChecked,omitempty"`
	// Homeless are the pods that would find no node, though the sums fit, and Largest
	// is what the largest of them requests.
	Homeless int64               `json:"homeless,omitempty"`
	Largest  corev1.ResourceList `json:"largest,omitempty"`
}

// Fits says whether what the lost clusters run has room elsewhere: by sums, and on
// nodes where they were looked at.
func (l *Loss) Fits() bool { return len(l.Short) == 0 && l.Homeless == 0 }

// group is all clusters with one value of the topology key.
type group struct {
	name              string
	clusters, unknown int
	allocated         cluster.Resources
	// room and held are what the clusters that take work offer and hold.
	room, held cluster.Resources
}

// Losses returns what the loss of any n groups of clusters would mean, the
// worst first; n is 1 or 2. Groups have one value of a topology key each:
// "cluster", "zone", "region", "provider", or a label. Clusters without a value
// are never lost, and take what they can.
func Losses(fleet *cluster.Snapshot, topologyKey string, n int) ([]Loss, error) {
	if n != 1 && n != 2 {
		return nil, fmt.Errorf("plan for the loss of %d groups: ask for 1 or 2", n)
	}
	groups, total := groupBy(fleet, topologyKey)
	resources := names(&total.allocated)
	var all []Loss
	for i, a := range groups {
		if n == 1 {
			all = append(all, lose(&total, resources, a))
			continue
		}
		for _, b := range groups[i+1:] {
			all = append(all, lose(&total, resources, a, b))
		}
	}
	slices.SortStableFunc(all, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(b.Used, a.Used), slices.Compare(a.Lost, b.Lost))
	})
	checkNodes(all, fleet, topologyKey)
	return all, nil
}

// LossOf returns what the loss of the given clusters would mean. Names that are
// not in the fleet are ignored.
func LossOf(fleet *cluster.Snapshot, clusters ...string) Loss {
	groups, total := groupBy(fleet, "cluster")
	lost := slices.DeleteFunc(groups, func(g *group) bool { return !slices.Contains(clusters, g.name) })
	l := []Loss{lose(&total, names(&total.allocated), lost...)}
	checkNodes(l, fleet, "cluster")
	return l[0]
}

func groupBy(fleet *cluster.Snapshot, topologyKey string) (groups []*group, total group) {
	byValue := map[string]*group{}
	for st := range fleet.All() {
		value, ok := st.Topology(topologyKey)
		g := byValue[value]
		if ok && g == nil {
			g = &group{name: value}
			byValue[value] = g
		}
		for _, to := range []*group{g, &total} {
			if to != nil {
				to.count(st)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byValue)) {
		groups = append(groups, byValue[name])
	}
	return groups, total
}

// count a cluster into a group.
func (g *group) count(st *cluster.State) {
	if st.Reason == cluster.ReasonDuplicate {
		return // it is in the fleet under another name
	}
	g.clusters++
	if !st.CapacityKnown {
		g.unknown++
		return
	}
	g.allocated = g.allocated.Add(st.Allocated)
	if st.Ready && !st.Unschedulable {
		g.room, g.held = g.room.Add(st.Allocatable), g.held.Add(st.Allocated)
	}
}

// lose compares what the lost groups run with what the others have free.
func lose(total *group, resources []corev1.ResourceName, lost ...*group) Loss {
	l := Loss{Lost: make([]string, 0, len(lost))}
	room, held := total.room, total.held
	var homeless cluster.Resources
	for _, g := range lost {
		l.Lost = append(l.Lost, g.name)
		l.Clusters += g.clusters
		l.Unknown += g.unknown
		homeless = homeless.Add(g.allocated)
		room, held = minus(room, g.room), minus(held, g.held)
	}
	for _, name := range resources {
		need, have := amount(&homeless, name), amount(&room, name)
		if need == 0 {
			continue
		}
		used := 1.0
		if have > 0 {
			used = (amount(&held, name) + need) / have
		} else {
			used = 1 + need // nothing is left that offers any
		}
		if missing := amount(&held, name) + need - have; missing > 0 {
			if l.Short == nil {
				l.Short = map[corev1.ResourceName]float64{}
			}
			// Clusters that are over-full already are short without us.
			l.Short[name] = min(missing, need)
		}
		if used > l.Used {
			l.Tightest, l.Used = name, used
		}
	}
	return l
}

// minus subtracts a part from the sum that it is in.
func minus(sum, part cluster.Resources) cluster.Resources {
	out := cluster.Resources{
		MilliCPU: sum.MilliCPU - part.MilliCPU, Memory: sum.Memory - part.Memory,
		EphemeralStorage: sum.EphemeralStorage - part.EphemeralStorage, Pods: sum.Pods - part.Pods,
	}
	if len(sum.Extended) > 0 {
		out.Extended = maps.Clone(sum.Extended)
		for name, v := range part.Extended {
			out.Extended[name] -= v
		}
	}
	return out
}

// homeless says how many pods find no node, for people.
func (l *Loss) homeless() string {
	var requests []string
	for _, name := range slices.Sorted(maps.Keys(l.Largest)) {
		q := l.Largest[name]
		requests = append(requests, fmt.Sprintf("%s %s", q.String(), name))
	}
	return fmt.Sprintf("nodes for %d pods, the largest of %s", l.Homeless, cmp.Or(strings.Join(requests, ", "), "no requests"))
}

// FormatLosses prints the worst losses as a table for people, at most the given
// number of them.
func FormatLosses(all []Loss, most int) string {
	rows := [][]string{{"LOST", "CLUSTERS", "FITS", "TIGHTEST", "USED AFTER", "SHORT OF"}}
	for i := range all[:min(most, len(all))] {
		l := &all[i]
		var short []string
		for _, name := range slices.Sorted(maps.Keys(l.Short)) {
			short = append(short, fmt.Sprintf("%s %s", Format(l.Short[name], name), name))
		}
		if l.Homeless > 0 {
			short = append(short, l.homeless())
		}
		fits, used := "yes", fmt.Sprintf("%.0f%%", 100*l.Used)
		switch {
		case len(l.Short) > 0:
			fits, used = "no", "full"
		case !l.Fits():
			fits = "no"
		}
		rows = append(rows, []string{
			strings.Join(l.Lost, " + "), strconv.Itoa(l.Clusters), fits,
			cmp.Or(string(l.Tightest), "-"), used, cmp.Or(strings.Join(short, ", "), "-"),
		})
	}
	return table(rows)
}
