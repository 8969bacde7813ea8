package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Planner is implemented by an Engine that says what would follow from a change.
type Planner interface {
	Engine
	// WhatIf says what would follow from a change, over all requests.
	WhatIf(ctx context.Context, requests []*placement.Request, fleet *cluster.Snapshot, change placement.Change) (*placement.Plan, error)
}

var _ Planner = (*placement.Engine)(nil)

// WhatIf says what would follow, for the Placements of all workspaces that this
// controller knows now, if clusters were lost, were to join or to change, or if
// Placements were other ones. It changes nothing, and counts on nobody's budget.
// Placements that are suspended, dry runs, refused by a layer, or that cover
// nothing, stay.
func (c *Controller) WhatIf(ctx context.Context, change placement.Change) (*placement.Plan, error) {
	engine, ok := c.engine.(Planner)
	if !ok {
		return nil, errors.New("placement controller: the engine makes no plans: use placement.NewEngine")
	}
	var requests []*placement.Request
	for _, workspace := range c.gate.open() {
		for _, o := range c.others(ctx, workspace) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			requests = append(requests, o.request)
		}
	}
	return engine.WhatIf(ctx, requests, c.fleet.Snapshot(), change)
}

// known is a Placement that can be decided on, as its workspace has it.
type known struct {
	key     Key
	request *placement.Request
}

// others returns the Placements of a workspace that can be decided on, with
// what the layers above make of them.
func (c *Controller) others(ctx context.Context, workspace multicluster.ClusterName) (list []known) {
	now := c.opts.now()
	for _, kind := range []schema.GroupVersionKind{placementKind, clusterPlacementKind} {
		placements, err := c.decoded(ctx, workspace, kind, "")
		if err != nil {
			continue // nothing is known of them, and nothing is decided for them
		}
		workloads := c.survey(ctx, workspace, placements)
		for _, p := range placements {
			k := keyIn(workspace, p.Namespace, p.Name)
			if p.DeletionTimestamp != nil || p.Spec.Suspend || p.Spec.DryRun || len(workloads[k]) == 0 {
				continue
			}
			policies, err := c.policies(ctx, k)
			if err != nil {
				continue
			}
			n := narrow(&p.Spec, policies)
			if n.refusal != "" {
				continue
			}
			spec := *n.spec
			for _, above := range policies {
				spec.Clusters = both(spec.Clusters, above.policy.Clusters)
			}
			q := &question{workspace: workspace, placement: p, workloads: workloads[k], layers: n.layers, now: now}
			r := c.requestFor(q, &spec)
			r.Neighbours = c.neighbours.of(k, &spec)
			list = append(list, known{k, r})
		}
	}
	return list
}

// both returns a selector of the clusters that two selectors select.
func both(a, b *v1alpha1.ClusterSelector) *v1alpha1.ClusterSelector {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	s := a.DeepCopy()
	if len(b.Names) > 0 {
		if len(s.Names) > 0 {
			s.Names = slices.DeleteFunc(s.Names, func(name string) bool { return !slices.Contains(b.Names, name) })
			if len(s.Names) == 0 {
				s.Names = []string{noCluster}
			}
		} else {
			s.Names = slices.Clone(b.Names)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.MatchLabels)) {
		s.MatchExpressions = append(s.MatchExpressions, v1alpha1.Requirement{Key: key, Operator: v1alpha1.OpIn, Values: []string{b.MatchLabels[key]}})
	}
	s.MatchExpressions = append(s.MatchExpressions, b.MatchExpressions...)
	s.MatchProperties = append(s.MatchProperties, b.MatchProperties...)
	switch {
	case s.Expression == "":
		s.Expression = b.Expression
	case b.Expression != "":
		s.Expression = fmt.Sprintf("(%s) && (%s)", s.Expression, b.Expression)
	}
	return s
}

// noCluster is the name of none: it is no name that an API server allows.
const noCluster = "\x00"
