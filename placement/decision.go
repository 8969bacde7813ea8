package placement

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Decision is what the engine made of a Request. It refers to the request and
// the snapshot, to explain itself on demand: keep it no longer than needed.
type Decision struct {
	// Targets, sorted by cluster; none of them is leaving. Empty if no choice
	// satisfies the request.
	Targets []v1alpha1.Target
	// Reason is empty for a complete decision, or one of the reasons of
	// v1alpha1.ConditionPlaced.
	Reason string
	// Message says what to do about Reason.
	Message string
	// Rejected clusters, grouped, the largest group first, bounded in size.
	Rejected []v1alpha1.Rejection
	// Recheck is when the decision may change by the passing of time alone: a
	// toleration that runs out. Zero: never.
	Recheck time.Time

	engine  *Engine
	request *Request
	fleet   *cluster.Snapshot
}

func sortTargets(targets []v1alpha1.Target) {
	slices.SortFunc(targets, func(a, b v1alpha1.Target) int { return cmp.Compare(a.Cluster, b.Cluster) })
}

// Bounds of what goes into a status, as its schema has them.
const (
	mostGroups = 16
	mostNames  = 8
)

// group groups refusals by filter and reason, the largest group first.
func group(refusals []refusal) []v1alpha1.Rejection {
	var groups []v1alpha1.Rejection
	index := map[[2]string]int{}
	for _, r := range refusals {
		key := [2]string{r.filter, r.reason.Code}
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, v1alpha1.Rejection{Filter: r.filter, Reason: r.reason.Code, Message: r.reason.Message})
		}
		groups[i].Count++
		if len(groups[i].Clusters) < mostNames {
			groups[i].Clusters = append(groups[i].Clusters, r.cluster)
		}
	}
	slices.SortFunc(groups, func(a, b v1alpha1.Rejection) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Filter, b.Filter), strings.Compare(a.Reason, b.Reason))
	})
	return groups[:min(len(groups), mostGroups)]
}
