package placement

import (
	"github.com/tmc-sdk/tmc/cluster"
)

// FreeCapacity prefers clusters of which the greater part is free, by cpu and
// memory; one of unknown capacity scores 50.
type FreeCapacity struct{}

var _ Scorer = FreeCapacity{}

// Name implements Scorer.
func (FreeCapacity) Name() string { return "FreeCapacity" }

// Score implements Scorer.
func (FreeCapacity) Score(_ *Request, c *cluster.State) int64 {
	if !c.CapacityKnown {
		return 50
	}
	return (freePercent(c.Allocatable.MilliCPU, c.Allocated.MilliCPU) + freePercent(c.Allocatable.Memory, c.Allocated.Memory)) / 2
}

func freePercent(allocatable, allocated int64) int64 {
	if allocatable <= 0 {
		return 0
	}
	return int64(100 * float64(max(0, allocatable-allocated)) / float64(allocatable))
}

// Preferred scores 50 and adds the weights of all preferences of the request
// that select the cluster.
type Preferred struct{}

var _ Scorer = Preferred{}

// Name implements Scorer.
func (Preferred) Name() string { return "Preferred" }

// Score implements Scorer.
func (Preferred) Score(r *Request, c *cluster.State) int64 {
	score := int64(50)
	for i := range r.Spec.Preferred {
		p := &r.Spec.Preferred[i]
		if ok, err := Matches(&p.Clusters, c); ok && err == nil {
			score += int64(p.Weight)
		}
	}
	return score
}
