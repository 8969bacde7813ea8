package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Defaults of v1alpha1.Rebalance, and how often it is looked for a gain. A gain
// must be there at two looks, so that no peak moves work.
const (
	defaultMinGain  = 5
	defaultMinStay  = time.Hour
	rebalanceLook   = 5 * time.Minute
	rebalanceSettle = 4 * time.Minute
)

// rebalance returns a decision that is so much better than the one that keeps
// everything where it is, that the policy of the Placement has the work moved;
// nil if there is none. Hysteresis is of three kinds: the gain has a least
// size, it must last, and what came lately stays.
func (c *Controller) rebalance(ctx context.Context, q *question, r *placement.Request, kept *placement.Decision, fleet *cluster.Snapshot, a *answer) (*placement.Decision, error) {
	p := q.placement
	if r.Spec.Moves == nil || r.Spec.Moves.Rebalance == nil || kept.Reason != "" || p.Status.ObservedGeneration != p.Generation || !atRest(p, kept) {
		return nil, nil
	}
	policy := r.Spec.Moves.Rebalance
	if wait := stays(p, policy).Sub(q.now); wait > 0 {
		a.again = sooner(a.again, wait)
		return nil, nil
	}
	a.again = sooner(a.again, rebalanceLook)
	better, gain, err := c.gain(ctx, r, kept, fleet)
	if err != nil || better == nil || gain < minGain(policy) {
		return nil, err
	}
	a.gainSince = q.gainSince
	if a.gainSince.IsZero() {
		a.gainSince = q.now
	}
	if q.now.Sub(a.gainSince) < rebalanceSettle {
		return nil, nil
	}
	better.Message = fmt.Sprintf("The work goes to %s, which suits it better by %d points.", summarize(better.Targets), gain)
	return better, nil
}

// gain asks the engine where the work would go if it were nowhere yet, and
// returns how much better that is. What the work itself uses counts for no
// cluster: else it would look worse wherever it is.
func (c *Controller) gain(ctx context.Context, r *placement.Request, kept *placement.Decision, fleet *cluster.Snapshot) (*placement.Decision, int64, error) {
	empty := fleet
	for name, used := range use(r.Workloads, kept.Targets) {
		if state, ok := fleet.Lookup(name); ok {
			without := *state
			without.Allocated = state.Allocated.Sub(used)
			without.FreeSlots, without.MoreSlots, without.NodeRoom = nil, true, nil // its pods leave nodes, too
			empty = empty.With(&without)
		}
	}
	anew := *r
	anew.Current = nil
	better, err := c.engine.Place(ctx, &anew, empty)
	if err != nil {
		return nil, 0, fmt.Errorf("place anew: %w", err)
	}
	if better.Reason != "" || sameClusters(better.Targets, kept.Targets) {
		return nil, 0, nil
	}
	stay, err := c.engine.Place(ctx, r, empty)
	if err != nil {
		return nil, 0, fmt.Errorf("place as it is: %w", err)
	}
	return better, meanScore(better.Targets) - meanScore(stay.Targets), nil
}

// atRest says whether nothing moves: the decision keeps what is on record, and
// no cluster is being left.
func atRest(p *v1alpha1.Placement, kept *placement.Decision) bool {
	for _, t := range p.Status.Targets {
		if t.Leaving {
			return false
		}
	}
	return sameClusters(p.Status.Targets, kept.Targets)
}

// stays returns until when the work stays where it is for all that.
func stays(p *v1alpha1.Placement, policy *v1alpha1.Rebalance) (until time.Time) {
	stay := defaultMinStay
	if policy.MinStaySeconds != nil {
		stay = time.Duration(*policy.MinStaySeconds) * time.Second
	}
	for _, t := range p.Status.Targets {
		if t.Since != nil && t.Since.Add(stay).After(until) {
			until = t.Since.Add(stay)
		}
	}
	return until
}

func minGain(policy *v1alpha1.Rebalance) int64 {
	if policy.MinGain != nil {
		return int64(*policy.MinGain)
	}
	return defaultMinGain
}

func meanScore(targets []v1alpha1.Target) int64 {
	var sum int64
	for _, t := range targets {
		sum += t.Score
	}
	return sum / max(1, int64(len(targets)))
}

// sameClusters compares two lists sorted by name.
func sameClusters(a, b []v1alpha1.Target) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Cluster != b[i].Cluster {
			return false
		}
	}
	return true
}
