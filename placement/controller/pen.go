package controller

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// The filter and the reason under which clusters are rejected that a layer
// does not allow.
const (
	// FilterLayer is the filter.
	FilterLayer = "Layer"
	// ReasonForbidden is the reason.
	ReasonForbidden = "Forbidden"
)

// pen is the part of the fleet that layers allow, and who is outside and why.
type pen struct {
	fleet   *cluster.Snapshot
	outside []v1alpha1.Rejection
}

// pens remembers the pens in the fleet as it is now: most Placements are under
// the same layers.
type pens struct {
	mu    sync.Mutex
	fleet *cluster.Snapshot
	made  map[fence]*pen
}

// fence is what a pen is made of.
type fence struct {
	fleet  *cluster.Snapshot
	policy *Policy
	layer  string
}

// of returns the part of the fleet that the policies allow.
func (p *pens) of(fleet *cluster.Snapshot, policies []named) (*pen, error) {
	inside := &pen{fleet: fleet}
	for _, n := range policies {
		if n.policy.Clusters == nil {
			continue
		}
		next, err := p.within(fleet, fence{inside.fleet, n.policy, n.layer})
		if err != nil {
			return nil, err
		}
		inside = &pen{fleet: next.fleet, outside: slices.Concat(inside.outside, next.outside)}
	}
	return inside, nil
}

func (p *pens) within(root *cluster.Snapshot, f fence) (*pen, error) {
	p.mu.Lock()
	if p.fleet != root {
		p.fleet, p.made = root, map[fence]*pen{}
	}
	known := p.made[f]
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	made, err := f.close()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fleet == root && len(p.made) < maxPens {
		p.made[f] = made
	}
	return made, nil
}

const (
	// maxPens bounds what a layer costs that makes a new policy each time.
	maxPens = 1024
	// maxNames of rejected clusters are listed.
	maxNames = 8
	// maxRejections of a status.
	maxRejections = 16
)

// close sorts the fleet into inside and outside.
func (f fence) close() (*pen, error) {
	out := v1alpha1.Rejection{
		Filter: FilterLayer, Reason: ReasonForbidden,
		Message: fmt.Sprintf("Layer %q does not allow the cluster: ask those who run the platform.", f.layer),
	}
	inside := make([]*cluster.State, 0, f.fleet.Len())
	for state := range f.fleet.All() {
		ok, err := placement.Matches(f.policy.Clusters, state)
		if err != nil {
			return nil, fmt.Errorf("clusters that layer %q allows: %w", f.layer, err)
		}
		if ok {
			inside = append(inside, state)
			continue
		}
		out.Count++
		if len(out.Clusters) < maxNames {
			out.Clusters = append(out.Clusters, state.Name)
		}
	}
	made := &pen{fleet: cluster.NewSnapshot(inside...)}
	if out.Count > 0 {
		made.outside = []v1alpha1.Rejection{out}
	}
	return made, nil
}

// explain adds those outside to the rejections of a decision, the largest
// group first.
func (p *pen) explain(rejected []v1alpha1.Rejection) []v1alpha1.Rejection {
	if len(p.outside) == 0 {
		return rejected
	}
	all := slices.Concat(rejected, p.outside)
	slices.SortStableFunc(all, func(a, b v1alpha1.Rejection) int { return cmp.Compare(b.Count, a.Count) })
	return all[:min(len(all), maxRejections)]
}
