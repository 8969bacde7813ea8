package placement

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Taints refuses clusters with taints that the request does not tolerate, but for
// those that concern another workspace:
// NoSchedule for new work, NoExecute for all. As a scorer it prefers clusters
// without PreferNoSchedule taints. Reasons: Tainted, Evicted.
type Taints struct{}

var (
	_ BatchFilter = Taints{}
	_ BatchScorer = Taints{}
)

// Name implements Filter and Scorer.
func (Taints) Name() string { return "Taints" }

// Filter implements Filter.
func (Taints) Filter(r *Request, c *facts.State) *Reason {
	if len(c.Taints) == 0 {
		return nil
	}
	on := r.target(c.Name)
	taint := untolerated(r, c.Taints, on)
	if taint == nil {
		return nil
	}
	code := "Tainted"
	if on != nil {
		code = "Evicted"
	}
	whose := ""
	if taint.Workspace != "" {
		whose = " for this workspace"
	}
	return &Reason{code, fmt.Sprintf("the cluster has the taint %s=%s:%s%s, which %s does not tolerate", taint.Key, taint.Value, taint.Effect, whose, r.field("tolerations"))}
}

// untolerated returns the first of the taints that refuses a cluster on which
// the request has a target or, with nil, none.
func untolerated(r *Request, taints []clusterv1alpha1.Taint, on *v1alpha1.Target) *clusterv1alpha1.Taint {
	for i := range taints {
		taint := &taints[i]
		switch {
		case !concerns(taint, r):
		case taint.Effect == corev1.TaintEffectPreferNoSchedule:
		case taint.Effect == corev1.TaintEffectNoSchedule && on != nil:
		case !tolerated(r, taint, on):
			return taint
		}
	}
	return nil
}

// concerns says whether a taint is meant for the work of the request.
func concerns(taint *clusterv1alpha1.Taint, r *Request) bool {
	return taint.Workspace == "" || taint.Workspace == r.Workspace
}

// FilterChunk implements BatchFilter.
func (Taints) FilterChunk(r *Request, c *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	sets := c.Facts().TaintSets
	var refused facts.Mask
	for i := range sets {
		if untolerated(r, sets[i].Taints, nil) != nil {
			refused = refused.Or(sets[i].Clusters)
		}
	}
	refuse("Tainted", refused.And(clusters))
}

// Score implements Scorer.
func (Taints) Score(r *Request, c *facts.State) int64 {
	if shunned(r, c.Taints) {
		return 0
	}
	return 100
}

// shunned says whether a taint says that a cluster is better not chosen.
func shunned(r *Request, taints []clusterv1alpha1.Taint) bool {
	for i := range taints {
		if taints[i].Effect == corev1.TaintEffectPreferNoSchedule && concerns(&taints[i], r) && !tolerated(r, &taints[i], nil) {
			return true
		}
	}
	return false
}

// ScoreChunk implements BatchScorer.
func (Taints) ScoreChunk(r *Request, c *facts.Chunk, clusters facts.Mask, scores []int64) {
	for i, ok := clusters.Next(0); ok; i, ok = clusters.Next(i + 1) {
		scores[i] = 100
	}
	sets := c.Facts().TaintSets
	for s := range sets {
		if !shunned(r, sets[s].Taints) {
			continue
		}
		low := sets[s].Clusters.And(clusters)
		for i, ok := low.Next(0); ok; i, ok = low.Next(i + 1) {
			scores[i] = 0
		}
	}
}

var _ evenScorer = Taints{}

func (Taints) even(c *facts.Chunk, clusters facts.Mask) (int64, bool) {
	return 100, clusters.And(c.Facts().Tainted) == facts.Mask{}
}
