package placement

import (
	"time"

	"github.com/tmc-sdk/tmc/cluster/facts"
)

// MostAllocated prefers clusters of which the greater part is used, by cpu and
// memory, to fill them before others; one of unknown capacity scores 50. It is
// what FreeCapacity is not.
type MostAllocated struct{}

var _ BatchScorer = MostAllocated{}

// Name implements Scorer.
func (MostAllocated) Name() string { return "MostAllocated" }

// Score implements Scorer.
func (MostAllocated) Score(r *Request, c *facts.State) int64 {
	return 100 - FreeCapacity{}.Score(r, c)
}

// ScoreChunk implements BatchScorer.
func (MostAllocated) ScoreChunk(r *Request, c *facts.Chunk, clusters facts.Mask, scores []int64) {
	FreeCapacity{}.ScoreChunk(r, c, clusters, scores)
	for i := range scores {
		scores[i] = 100 - scores[i]
	}
}

// Balance prefers clusters on which cpu and memory are used to like parts, so
// that neither is left over: 100 less the difference of the two, in percent.
// One of unknown capacity scores 50.
type Balance struct{}

var _ Scorer = Balance{}

// Name implements Scorer.
func (Balance) Name() string { return "Balance" }

// Score implements Scorer.
func (Balance) Score(_ *Request, c *facts.State) int64 {
	if !c.CapacityKnown {
		return 50
	}
	cpu := usedPercent(c.Allocatable.MilliCPU, c.Allocated.MilliCPU)
	memory := usedPercent(c.Allocatable.Memory, c.Allocated.Memory)
	return 100 - max(cpu-memory, memory-cpu)
}

func usedPercent(allocatable, allocated int64) int64 {
	if allocatable <= 0 {
		return 100
	}
	return int64(min(100, 100*float64(max(0, allocated))/float64(allocatable)))
}

// LeastUsed prefers clusters whose nodes use the least of their cpu and memory, as
// metrics-server measured it: the mean of the parts that are not used, in percent.
// Requests are what capacity is reckoned by; this is for work that shares the rest.
// A cluster that nobody measured, or not lately, scores 50.
type LeastUsed struct {
	// MaxAge of a measurement that counts. Default: 10 minutes.
	MaxAge time.Duration
}

var _ Scorer = LeastUsed{}

// mostUseAge is the default of LeastUsed.MaxAge: some rounds of asking, which is
// done once a minute.
const mostUseAge = 10 * time.Minute

// Name implements Scorer.
func (LeastUsed) Name() string { return "LeastUsed" }

// Score implements Scorer.
func (s LeastUsed) Score(r *Request, c *facts.State) int64 {
	age := s.MaxAge
	if age <= 0 {
		age = mostUseAge
	}
	if c.UsedAt.IsZero() || !c.CapacityKnown || r.Now.Sub(c.UsedAt) > age {
		return 50
	}
	return 100 - (usedPercent(c.Allocatable.MilliCPU, c.Used.MilliCPU)+usedPercent(c.Allocatable.Memory, c.Used.Memory))/2
}

// Stability prefers clusters that have work of the request: 100 for them, 0 for
// others. The engine keeps work where it is in any case; this scorer is for
// what compares scores, such as a rebalance.
type Stability struct{}

var _ Scorer = Stability{}

// Name implements Scorer.
func (Stability) Name() string { return "Stability" }

// Score implements Scorer.
func (Stability) Score(r *Request, c *facts.State) int64 {
	if r.On(c.Name) {
		return 100
	}
	return 0
}

// TopologySpread prefers failure domains with less work of the request's
// neighbours: over the topology keys of spec.spread, or regions where it has
// none, the mean of 100 for a domain without any work down to 0 for the one
// with the most. A cluster outside of all domains scores 0.
type TopologySpread struct{}

var _ RequestScorer = TopologySpread{}

// Name implements Scorer.
func (TopologySpread) Name() string { return "TopologySpread" }

// Score implements Scorer for no request in particular: without the fleet no
// domain is known. The engine asks ForRequest.
func (TopologySpread) Score(*Request, *facts.State) int64 { return 50 }

// ForRequest implements RequestScorer.
func (TopologySpread) ForRequest(r *Request, fleet *facts.Snapshot) Scorer {
	s := &spreading{}
	for i := range r.Spec.Spread {
		s.keys = append(s.keys, spreadKey{key: r.Spec.Spread[i].TopologyKey})
	}
	if len(s.keys) == 0 {
		s.keys = []spreadKey{{key: "region"}}
	}
	for k := range s.keys {
		s.keys[k].count(r, fleet)
	}
	return s
}

type spreading struct {
	TopologySpread
	keys []spreadKey
}

type spreadKey struct {
	key    string
	counts map[string]int64
	most   int64
}

func (k *spreadKey) count(r *Request, fleet *facts.Snapshot) {
	k.counts = map[string]int64{}
	for i := range r.Neighbours {
		n := &r.Neighbours[i]
		if n.is(r) {
			continue
		}
		for _, name := range n.Clusters {
			state, ok := fleet.Lookup(name)
			if !ok {
				continue
			}
			if value, ok := state.Topology(k.key); ok {
				k.counts[value]++
				k.most = max(k.most, k.counts[value])
			}
		}
	}
}

// Score implements Scorer.
func (s *spreading) Score(_ *Request, c *facts.State) int64 {
	sum := int64(0)
	for i := range s.keys {
		k := &s.keys[i]
		if value, ok := c.Topology(k.key); ok {
			sum += 100 - 100*k.counts[value]/max(1, k.most)
		}
	}
	return sum / int64(len(s.keys))
}
