package placement

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Bounds of what goes into a status, as its schema has them.
const (
	mostGroups  = 16
	mostNames   = 8
	mostMessage = 512
)

// otherReasons stands for the codes of a filter that has too many.
const otherReasons = "Other"

// refusals are the clusters refused, by filter and code. They hold no more than
// what goes into a status.
type refusals struct {
	filters []Filter
	groups  []refusalGroup
}

type refusalGroup struct {
	filter int
	code   string
	count  int
	first  []*facts.State
	reason *Reason // of the first; nil if it was refused in a batch
}

func (x *refusals) group(filter int, code string) *refusalGroup {
	for i := range x.groups {
		if g := &x.groups[i]; g.filter == filter && g.code == code {
			return g
		}
	}
	if len(x.groups) >= 4*mostGroups && code != otherReasons {
		return x.group(filter, otherReasons) // codes should be few
	}
	x.groups = append(x.groups, refusalGroup{filter: filter, code: code, first: make([]*facts.State, 0, mostNames)})
	return &x.groups[len(x.groups)-1]
}

func (x *refusals) add(filter int, reason *Reason, c *facts.State) {
	g := x.group(filter, reason.Code)
	if g.count++; g.count == 1 {
		g.reason = reason
	}
	if len(g.first) < mostNames {
		g.first = append(g.first, c)
	}
}

func (x *refusals) addMask(filter int, code string, chunk *facts.Chunk, clusters facts.Mask) {
	g := x.group(filter, code)
	g.count += clusters.Count()
	for i, ok := clusters.Next(0); ok && len(g.first) < mostNames; i, ok = clusters.Next(i + 1) {
		g.first = append(g.first, chunk.At(i))
	}
}

// rejections returns the groups, the largest first.
func (x *refusals) rejections(r *Request) []v1alpha1.Rejection {
	name := func(g *refusalGroup) string { return x.filters[g.filter].Name() }
	slices.SortFunc(x.groups, func(a, b refusalGroup) int {
		return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(name(&a), name(&b)), strings.Compare(a.code, b.code))
	})
	if len(x.groups) == 0 {
		return nil
	}
	list := make([]v1alpha1.Rejection, 0, min(len(x.groups), mostGroups))
	for i := range x.groups[:min(len(x.groups), mostGroups)] {
		g := &x.groups[i]
		rejection := v1alpha1.Rejection{Filter: name(g), Reason: g.code, Count: int32(g.count), Clusters: make([]string, 0, len(g.first))}
		for _, c := range g.first {
			rejection.Clusters = append(rejection.Clusters, c.Name)
		}
		slices.Sort(rejection.Clusters)
		if g.reason == nil {
			g.reason = x.filters[g.filter].Filter(r, g.first[0])
		}
		if g.reason != nil {
			rejection.Message = shorten(g.reason.Message, mostMessage)
		}
		list = append(list, rejection)
	}
	return list
}
