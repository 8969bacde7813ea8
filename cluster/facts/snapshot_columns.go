package facts

import (
	"math"
	"slices"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Facts are columns over the clusters of a Chunk: what most filters and scorers
// look at. They are shared and must not be changed.
type Facts struct {
	// Ready, Unschedulable and CapacityKnown as in State; Tainted have a
	// taint of any effect.
	Ready, Unschedulable, CapacityKnown, Tainted Mask
	// MilliCPU, Memory, EphemeralStorage and Pods are free, never less than
	// zero.
	MilliCPU, Memory, EphemeralStorage, Pods []int64
	// Least is the least of each of them among the clusters of known capacity, and
	// the greatest number there is if there are none: what asks for no more need
	// not look at each.
	Least Resources
	// FreePercent is the mean of the free parts of cpu and memory, 0 to 100.
	FreePercent []uint8
	// TaintSets hold each of the tainted clusters once.
	TaintSets []TaintSet
	// APIs are the distinct sets of APIs, nil for unknown; APISet is the index
	// of the set of each cluster.
	APIs   []*APISet
	APISet []uint16
}

// Facts returns the columns of the facts.
func (c *Chunk) Facts() *Facts {
	if f := c.facts.Load(); f != nil {
		return f
	}
	f := c.computeFacts()
	c.facts.Store(f) // whoever computes it computes the same
	return f
}

func (c *Chunk) computeFacts() *Facts {
	n := len(c.states)
	numbers := make([]int64, 4*n)
	f := &Facts{
		MilliCPU: numbers[:n:n], Memory: numbers[n : 2*n : 2*n], EphemeralStorage: numbers[2*n : 3*n : 3*n], Pods: numbers[3*n:],
		Least:       mostResources,
		FreePercent: make([]uint8, n), APISet: make([]uint16, n),
	}
	for i, s := range c.states {
		if s.Ready {
			f.Ready.Set(i)
		}
		if s.Unschedulable {
			f.Unschedulable.Set(i)
		}
		if s.CapacityKnown {
			f.CapacityKnown.Set(i)
		}
		if len(s.Taints) > 0 {
			f.addTaints(i, s.Taints)
		}
		f.MilliCPU[i] = max(0, s.Allocatable.MilliCPU-s.Allocated.MilliCPU)
		f.Memory[i] = max(0, s.Allocatable.Memory-s.Allocated.Memory)
		f.EphemeralStorage[i] = max(0, s.Allocatable.EphemeralStorage-s.Allocated.EphemeralStorage)
		f.Pods[i] = max(0, s.Allocatable.Pods-s.Allocated.Pods)
		if s.CapacityKnown {
			f.Least.lower(f.MilliCPU[i], f.Memory[i], f.EphemeralStorage[i], f.Pods[i])
		}
		f.FreePercent[i] = uint8(s.FreePercent())
		at := slices.Index(f.APIs, s.APIs)
		if at < 0 {
			at = len(f.APIs)
			f.APIs = append(f.APIs, s.APIs)
		}
		f.APISet[i] = uint16(at)
	}
	return f
}

// TaintSet are clusters that have the same taints.
type TaintSet struct {
	Taints   []v1alpha1.Taint
	Clusters Mask
}

// mostTaintSets bounds how many sets are looked through for one that is the
// same: of clusters that are lost one by one, each has taints of a time of its own.
const mostTaintSets = 16

// SameTaint says whether two taints are the same, and were added at the same time.
func SameTaint(a, b v1alpha1.Taint) bool {
	return a.Key == b.Key && a.Value == b.Value && a.Effect == b.Effect && a.Workspace == b.Workspace && a.TimeAdded.Equal(b.TimeAdded)
}

// addTaints puts a cluster into the set of its taints.
func (f *Facts) addTaints(i int, taints []v1alpha1.Taint) {
	f.Tainted.Set(i)
	for j := range f.TaintSets[:min(len(f.TaintSets), mostTaintSets)] {
		if slices.EqualFunc(f.TaintSets[j].Taints, taints, SameTaint) {
			f.TaintSets[j].Clusters.Set(i)
			return
		}
	}
	f.TaintSets = append(f.TaintSets, TaintSet{Taints: taints})
	f.TaintSets[len(f.TaintSets)-1].Clusters.Set(i)
}

// mostResources are more than any request.
var mostResources = Resources{MilliCPU: math.MaxInt64, Memory: math.MaxInt64, EphemeralStorage: math.MaxInt64, Pods: math.MaxInt64}

// lower lowers each resource to what is given.
func (r *Resources) lower(cpu, memory, storage, pods int64) {
	r.MilliCPU, r.Memory = min(r.MilliCPU, cpu), min(r.Memory, memory)
	r.EphemeralStorage, r.Pods = min(r.EphemeralStorage, storage), min(r.Pods, pods)
}

// FreePercent returns the mean of the free parts of cpu and memory, 0 to 100;
// 0 for a resource that is not allocatable.
func (s *State) FreePercent() int {
	return (freePercent(s.Allocatable.MilliCPU, s.Allocated.MilliCPU) + freePercent(s.Allocatable.Memory, s.Allocated.Memory)) / 2
}

func freePercent(allocatable, allocated int64) int {
	free := allocatable - allocated
	if allocatable <= 0 || free <= 0 {
		return 0
	}
	return int(min(100, 100*float64(free)/float64(allocatable)))
}

// Column is one text per cluster of a Chunk, each distinct text once: a rule
// over it need look at each text once. It is shared and must not be changed.
type Column struct {
	// Values are the distinct texts. The first stands for "no value".
	Values []string
	// Codes are the indices into Values, by cluster.
	Codes []uint16
	// masks are the clusters of each value, where there are few values.
	masks []Mask
}

// mostMasks bounds the values of which a column keeps masks, 32 bytes each.
const mostMasks = 16

// Select returns the clusters whose value satisfies a rule.
func (c *Column) Select(rule func(value string, exists bool) bool) (m Mask) {
	if c.masks != nil {
		for i := range c.masks {
			value := ""
			if i > 0 {
				value = c.Values[i]
			}
			if rule(value, i > 0) {
				m = m.Or(c.masks[i])
			}
		}
		return m
	}
	var some [ChunkSize + 1]bool
	first, all := rule("", false), true
	some[0] = first
	for i := 1; i < len(c.Values); i++ {
		some[i] = rule(c.Values[i], true)
		all = all && some[i]
	}
	if all && first {
		return FullMask(len(c.Codes))
	}
	for i, code := range c.Codes {
		if some[code] {
			m.Set(i)
		}
	}
	return m
}

// source of the values of a column.
type source uint8

const (
	labels source = iota
	properties
	topology
)

type keyedColumn struct {
	source source
	key    string
	*Column
}

// mostColumns bounds the columns that a chunk keeps: keys come from tenants.
// What is beyond is computed each time.
const mostColumns = 32

// Label returns the column of a label.
func (c *Chunk) Label(key string) *Column { return c.column(labels, key) }

// Property returns the column of the texts of a property.
func (c *Chunk) Property(key string) *Column { return c.column(properties, key) }

// Topology returns the column of a topology key, as State.Topology has it.
func (c *Chunk) Topology(key string) *Column { return c.column(topology, key) }

func (c *Chunk) column(from source, key string) *Column {
	known := c.columns.Load()
	if known != nil {
		for i := range *known {
			if k := &(*known)[i]; k.source == from && k.key == key {
				return k.Column
			}
		}
	}
	made := c.computeColumn(from, key)
	var list []keyedColumn
	if known != nil {
		list = *known
	}
	if len(list) < mostColumns {
		list = append(slices.Clone(list), keyedColumn{from, key, made})
		c.columns.CompareAndSwap(known, &list) // lost to another: computed again
	}
	return made
}

func (c *Chunk) computeColumn(from source, key string) *Column {
	col := &Column{Values: []string{""}, Codes: make([]uint16, len(c.states))}
	var index map[string]uint16
	for i, s := range c.states {
		value, ok := s.value(from, key)
		if !ok {
			continue
		}
		// Neighbours often agree; few values are found by looking.
		code := uint16(0)
		if len(col.Values) <= 16 {
			code = uint16(1 + slices.Index(col.Values[1:], value))
		} else {
			if index == nil {
				index = make(map[string]uint16, ChunkSize)
				for j, v := range col.Values[1:] {
					index[v] = uint16(j + 1)
				}
			}
			code = index[value]
		}
		if code == 0 {
			code = uint16(len(col.Values))
			col.Values = append(col.Values, value)
			if index != nil {
				index[value] = code
			}
		}
		col.Codes[i] = code
	}
	if len(col.Values) <= mostMasks {
		col.masks = make([]Mask, len(col.Values))
		for i, code := range col.Codes {
			col.masks[code].Set(i)
		}
	}
	return col
}

func (s *State) value(from source, key string) (string, bool) {
	switch from {
	case labels:
		v, ok := s.Labels[key]
		return v, ok
	case properties:
		p, ok := s.Properties[key]
		return p.Text, ok
	case topology:
	}
	return s.Topology(key)
}
