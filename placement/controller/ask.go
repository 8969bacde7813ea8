package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// ask asks the engine, with what others have reserved and where they are, and
// has the answer count among that for whoever asks next. One asks at a time: of
// two that would take the last room, or that keep away from each other, the
// second sees the first.
func (c *Controller) ask(ctx context.Context, q *question, spec *v1alpha1.PlacementSpec, fleet *cluster.Snapshot, a *answer) (d *placement.Decision, better bool, err error) {
	c.deciding.Lock()
	defer c.deciding.Unlock()
	k, current := q.key(), chosenOf(q.placement.Status.Targets)
	granted := c.grant(q)
	q.workloads = granted.workloads
	r := c.requestFor(q, spec)
	r.Neighbours = c.neighbours.of(k, spec)
	r.Reserved = c.ledger.open(k.String(), current, q.now)

	start := time.Now()
	d, err = c.engine.Place(ctx, r, fleet)
	c.metrics.duration.Observe(time.Since(start).Seconds())
	if err != nil {
		return nil, false, fmt.Errorf("place: %w", err)
	}
	if err := c.preempt(ctx, q, r, fleet, d, a); err != nil {
		return nil, false, err
	}
	if len(d.Targets) == 0 {
		if d.Targets, err = c.staying(ctx, q, spec, fleet); err != nil {
			return nil, false, err
		}
	}
	c.withinQuota(q, d)
	granted.tell(d, a)
	needs := d.Needs()
	rebalanced, err := c.rebalance(ctx, q, r, d, fleet, a)
	if err != nil {
		return nil, false, err
	}
	if rebalanced != nil {
		d, better, needs = rebalanced, true, rebalanced.Needs()
		maps.DeleteFunc(needs, func(name string, _ cluster.Resources) bool { return slices.Contains(current, name) })
	}
	if next := c.ledger.ends(q.now); d.Reason != "" && !next.IsZero() {
		a.again = sooner(a.again, max(next.Sub(q.now), time.Second)) // there may be room then
	}
	if !q.dry {
		c.ledger.reserve(k.String(), needs, q.now)
		a.concerned = append(a.concerned, c.neighbours.assume(k, q.placement, d.Targets)...)
		if c.usage.set(k, amountOf(q.workloads, d.Targets)) {
			a.concerned = append(a.concerned, c.index.in(k.Workspace)...) // there may be room in a quota
		}
	}
	return d, better, nil
}

// takeBack has an answer that was put off count no longer.
func (c *Controller) takeBack(q *question) {
	c.deciding.Lock()
	defer c.deciding.Unlock()
	c.ledger.open(q.key().String(), chosenOf(q.placement.Status.Targets), q.now)
	c.neighbours.assume(q.key(), q.placement, q.placement.Status.Targets)
	c.usage.set(q.key(), amountOf(within(q.workloads, q.placement.Status.Granted), q.placement.Status.Targets))
}

// restore has what was decided before a restart count for what is decided next
// in the workspace: who uses what, who is where, and what may not show in the
// capacity of clusters yet.
func (c *Controller) restore(ctx context.Context, workspace multicluster.ClusterName) {
	now := c.opts.now()
	for _, kind := range []schema.GroupVersionKind{placementKind, clusterPlacementKind} {
		known, err := c.decoded(ctx, workspace, kind, "")
		if err != nil {
			continue // nothing can be decided there either
		}
		workloads := c.survey(ctx, workspace, known)
		growing := c.growing(ctx, workspace, known)
		for _, p := range known {
			k := keyIn(workspace, p.Namespace, p.Name)
			c.neighbours.observe(k, p)
			c.usage.set(k, amountOf(workloads[k], p.Status.Targets))
			if grown := growing[k]; len(grown) > 0 {
				c.ledger.reserve(k.String(), use(grown, p.Status.Targets), now)
			}
			lately := decidedSince(p, now.Add(-c.opts.reserve))
			if len(lately) == 0 {
				continue
			}
			used := use(workloads[k], p.Status.Targets)
			for _, t := range lately {
				c.ledger.reserve(k.String(), map[string]cluster.Resources{t.Cluster: used[t.Cluster]}, t.Since.Time)
			}
		}
	}
}

// decidedSince returns the targets that were chosen after a time.
func decidedSince(p *v1alpha1.Placement, then time.Time) (lately []v1alpha1.Target) {
	for _, t := range p.Status.Targets {
		if !t.Leaving && t.Since != nil && t.Since.After(then) {
			lately = append(lately, t)
		}
	}
	return lately
}

func (q *question) key() Key {
	return keyIn(q.workspace, q.placement.Namespace, q.placement.Name)
}

func (c *Controller) requestFor(q *question, spec *v1alpha1.PlacementSpec) *placement.Request {
	p := q.placement
	return &placement.Request{
		Workspace: string(q.workspace), Namespace: p.Namespace, Name: p.Name, Labels: p.Labels,
		Spec: spec, Workloads: q.workloads, Current: currentOf(p), Now: q.now, Layers: q.layers, Evicted: evictionsFor(q.evicted),
		Scores: c.opts.scoresFor(&Scope{Workspace: q.workspace, Namespace: p.Namespace, Name: p.Name}, q.now),
	}
}
