package controller_test

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// pickOne is an Engine that takes one cluster.
type pickOne struct{}

func (pickOne) Place(_ context.Context, r *placement.Request, fleet *tmccluster.Snapshot) (*placement.Decision, error) {
	if r.Spec.Clusters != nil && r.Spec.Clusters.Expression != "" {
		return &placement.Decision{Reason: v1alpha1.ReasonInvalid, Message: "spec.clusters.expression: bad"}, nil
	}
	d := &placement.Decision{}
	var fit []string
	cur := map[string]bool{}
	for _, t := range r.Current {
		cur[t.Cluster] = !t.Leaving
	}
	reject := map[string]*v1alpha1.Rejection{}
	for s := range fleet.All() {
		reason := ""
		if r.Spec.Clusters != nil && len(r.Spec.Clusters.Names) > 0 && !slices.Contains(r.Spec.Clusters.Names, s.Name) {
			reason = "LabelMismatch"
		}
		for k, v := range lab(r.Spec) {
			if s.Labels[k] != v {
				reason = "LabelMismatch"
			}
		}
		for _, t := range s.Taints {
			if t.Effect == corev1.TaintEffectNoExecute || t.Effect == corev1.TaintEffectNoSchedule && !cur[s.Name] {
				reason = "Tainted"
			}
		}
		if !s.Ready && !cur[s.Name] {
			reason = "NotReady"
		}
		if reason != "" {
			if reject[reason] == nil {
				reject[reason] = &v1alpha1.Rejection{Filter: "F", Reason: reason, Message: reason}
			}
			reject[reason].Count++
			continue
		}
		fit = append(fit, s.Name)
	}
	for _, reason := range []string{"LabelMismatch", "NotReady", "Tainted"} {
		if reject[reason] != nil {
			d.Rejected = append(d.Rejected, *reject[reason])
		}
	}
	pick := ""
	for _, f := range fit {
		if cur[f] || pick == "" && !cur[pick] {
			pick = f
		}
	}
	if pick == "" {
		d.Reason, d.Message = v1alpha1.ReasonNoClusterFits, "no cluster fits"
		return d, nil
	}
	d.Targets = []v1alpha1.Target{{Cluster: pick, Score: 50}}
	return d, nil
}

func lab(s *v1alpha1.PlacementSpec) map[string]string {
	if s.Clusters == nil {
		return nil
	}
	return s.Clusters.MatchLabels
}
