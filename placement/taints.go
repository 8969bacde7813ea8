package placement

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/cluster/facts"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Taints refuses clusters with taints that the request does not tolerate:
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
	taint := untolerated(r, c, on)
	if taint == nil {
		return nil
	}
	code := "Tainted"
	if on != nil {
		code = "Evicted"
	}
	return &Reason{code, fmt.Sprintf("the cluster has the taint %s=%s:%s, which %s does not tolerate", taint.Key, taint.Value, taint.Effect, r.field("tolerations"))}
}

// untolerated returns the first taint that refuses a cluster on which the
// request has a target or, with nil, none.
func untolerated(r *Request, c *facts.State, on *v1alpha1.Target) *clusterv1alpha1.Taint {
	for i := range c.Taints {
		taint := &c.Taints[i]
		switch {
		case taint.Effect == corev1.TaintEffectPreferNoSchedule:
		case taint.Effect == corev1.TaintEffectNoSchedule && on != nil:
		case !tolerated(r, taint, on):
			return taint
		}
	}
	return nil
}

// FilterChunk implements BatchFilter.
func (Taints) FilterChunk(r *Request, c *facts.Chunk, clusters facts.Mask, refuse func(string, facts.Mask)) {
	refused := clusters.And(c.Facts().Tainted)
	for i, ok := refused.Next(0); ok; i, ok = refused.Next(i + 1) {
		if untolerated(r, c.At(i), nil) == nil {
			refused.Clear(i)
		}
	}
	refuse("Tainted", refused)
}

// Score implements Scorer.
func (Taints) Score(r *Request, c *facts.State) int64 {
	for i := range c.Taints {
		if c.Taints[i].Effect == corev1.TaintEffectPreferNoSchedule && !tolerated(r, &c.Taints[i], nil) {
			return 0
		}
	}
	return 100
}

// ScoreChunk implements BatchScorer.
func (t Taints) ScoreChunk(r *Request, c *facts.Chunk, clusters facts.Mask, scores []int64) {
	tainted := &c.Facts().Tainted
	for i, ok := clusters.Next(0); ok; i, ok = clusters.Next(i + 1) {
		scores[i] = 100
		if tainted.Has(i) {
			scores[i] = t.Score(r, c.At(i))
		}
	}
}

var _ evenScorer = Taints{}

func (Taints) even(c *facts.Chunk, clusters facts.Mask) (int64, bool) {
	return 100, clusters.And(c.Facts().Tainted) == facts.Mask{}
}
