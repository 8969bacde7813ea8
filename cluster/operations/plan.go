package operations

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tmc-sdk/tmc/cluster/planning"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// Plan is what a call changed, or with DryRun would change.
type Plan struct {
	// Cluster that is operated on.
	Cluster string
	// Changes of the object, for people; empty if it is already as asked for.
	Changes []string
	// Elsewhere says whether the other clusters have room for what the cluster
	// runs; nil if the operation moves nothing, or the work of one tenant, or
	// without WithFleet.
	Elsewhere *planning.Loss

	object *v1alpha1.PhysicalCluster
}

// String prints the plan for people.
func (p *Plan) String() string {
	var b strings.Builder
	if len(p.Changes) == 0 {
		fmt.Fprintf(&b, "%s: nothing to change\n", p.Cluster)
	}
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s: %s\n", p.Cluster, c)
	}
	switch l := p.Elsewhere; {
	case l == nil:
	case l.Unknown > 0:
		fmt.Fprintf(&b, "%s: its capacity is not known, so neither is whether its work has room elsewhere\n", p.Cluster)
	case l.Fits():
		fmt.Fprintf(&b, "%s: its work has room elsewhere (afterwards %.0f%% of %s are used there)\n", p.Cluster, 100*l.Used, l.Tightest)
	default:
		for _, name := range slices.Sorted(maps.Keys(l.Short)) {
			fmt.Fprintf(&b, "%s: its work has no room elsewhere: %s %s are missing\n", p.Cluster, planning.Format(l.Short[name], name), name)
		}
		if l.Homeless > 0 {
			fmt.Fprintf(&b, "%s: %d of its pods find no node elsewhere that has room for one of them\n", p.Cluster, l.Homeless)
		}
	}
	return b.String()
}

// Progress is how far an operation has come.
type Progress struct {
	// Cluster that is operated on.
	Cluster string
	// Work that is left, as last counted.
	Work v1alpha1.Work
	// Reason and Message of the condition Drained; empty before it is written.
	Reason, Message string
	// Gone says that the object is gone.
	Gone bool
	// Done says that there is nothing left to wait for.
	Done bool
}

// String prints the progress for people.
func (p Progress) String() string {
	switch {
	case p.Gone:
		return p.Cluster + ": removed"
	case p.Reason == "":
		return p.Cluster + ": waiting for the work to be counted"
	}
	return fmt.Sprintf("%s: %s: %s", p.Cluster, p.Reason, p.Message)
}

// progressOf compares what was asked for with the object as it is now.
func progressOf(asked, now *v1alpha1.PhysicalCluster, notFound bool) Progress {
	p := Progress{Cluster: asked.Name}
	if notFound || now.UID != asked.UID {
		p.Gone, p.Done = true, true
		return p
	}
	if now.Status.Work != nil {
		p.Work = *now.Status.Work
	}
	c := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionDrained)
	if c == nil || c.ObservedGeneration < asked.Generation {
		return p
	}
	p.Reason, p.Message = c.Reason, c.Message
	p.Done = c.Status == metav1.ConditionTrue && now.DeletionTimestamp == nil && leaving(now)
	return p
}
