package placement

import (
	"math"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// level is one spread, ready for the solver.
type level struct {
	key       string
	soft      bool
	low, high int // groups
	skew      int // clusters by which two groups may differ; unlimited for none
}

const unlimited = math.MaxInt32

func newLevel(s *v1alpha1.Spread) level {
	l := level{key: s.TopologyKey, soft: s.WhenUnsatisfiable == corev1.ScheduleAnyway, low: 1, high: unlimited, skew: unlimited}
	if s.MinGroups != nil {
		l.low = max(1, int(*s.MinGroups))
	}
	if s.MaxGroups != nil {
		l.high = int(*s.MaxGroups)
	}
	if s.MaxSkew != nil {
		l.skew = int(*s.MaxSkew)
	}
	return l
}

// bare says that the level demands no more than that a cluster has a value.
func (l *level) bare() bool { return l.low <= 1 && l.high >= unlimited && l.skew >= unlimited }

// grouping is the candidates by their value of one level.
type grouping struct {
	level
	ids    []int32 // by candidate; -1 without a value
	groups int
	parent []int32 // by group: the group of the level above; nil at the top
	// children by group, where there is a level below.
	children [][]int32
}

// groupBy groups the candidates by a level, in the order of their names.
func (s *screened) groupBy(l level) grouping {
	g := grouping{level: l, ids: make([]int32, len(s.fitting))}
	index := map[string]int32{}
	var buffers [2][facts.ChunkSize + 1]int32
	codes, before := buffers[0][:0], buffers[1][:0] // of the chunk, and of the one before it
	var values, valuesBefore []string
	for i := 0; i < len(s.fitting); {
		chunk := s.fitting[i].chunk
		col := s.chunks[chunk].Topology(l.key)
		valuesBefore, values = values, col.Values
		codes, before = append(before[:0], -1), codes
		for j, v := range values[1:] {
			if j+1 < len(before) && valuesBefore[j+1] == v {
				codes = append(codes, before[j+1])
				continue
			}
			codes = append(codes, -2) // not looked up yet
		}
		for ; i < len(s.fitting) && s.fitting[i].chunk == chunk; i++ {
			code := col.Codes[s.fitting[i].at]
			id := codes[code]
			if id == -2 {
				id = g.number(values[code], index)
				codes[code] = id
			}
			g.ids[i] = id
		}
	}
	return g
}

// number returns the group of a value, a new one for a value that is new.
func (g *grouping) number(value string, index map[string]int32) int32 {
	id, ok := index[value]
	if !ok {
		id = int32(g.groups)
		index[value] = id
		g.groups++
	}
	return id
}
