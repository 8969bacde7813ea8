package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// granting is what quotas let the workloads of a Placement have.
type granting struct {
	// workloads with the replicas that are granted.
	workloads []placement.Workload
	// granted to go on record; nil where no quota bounds them.
	granted *v1alpha1.Granted
	// held says, for people, which of them are to grow and may not.
	held string
}

// grant decides which of the workloads may have the replicas that they ask for.
// What was granted stays, as far as it is still asked for; what is more needs a
// grant, for each workload in whole or not at all, in their order. A Placement
// that has its place when a quota first bounds it keeps all that it has.
func (c *Controller) grant(q *question) granting {
	quotas := quotasOf(q.policies)
	targets := slices.DeleteFunc(slices.Clone(q.placement.Status.Targets), func(t v1alpha1.Target) bool { return t.Leaving })
	had := q.placement.Status.Granted
	switch {
	case len(quotas) == 0:
		return granting{workloads: q.workloads}
	case had == nil && len(targets) > 0 && countReplicated(q.workloads) > v1alpha1.MostGrants:
		return granting{workloads: q.workloads} // no list could hold them: told, not bounded
	case had == nil:
		return recordGrants(q.workloads, nil) // what is new, all or nothing: see withinQuota
	}
	if len(targets) == 0 {
		targets = []v1alpha1.Target{{}} // it will be somewhere
	}
	others := c.usage.others(q.key())
	given := within(q.workloads, had)
	var held []string
	for i := range given {
		asked := q.workloads[i].Replicas
		if asked == nil || *asked <= *given[i].Replicas {
			continue
		}
		now := given[i].Replicas
		given[i].Replicas = asked
		n, over := overQuota(quotas, others.add(amountOf(given, targets)))
		if len(over) == 0 {
			continue
		}
		given[i].Replicas = now
		held = append(held, fmt.Sprintf("%s %s asks for %d replicas and stays at %d, for with them the Placements of the workspace would use %s, by layer %q",
			given[i].Kind.Kind, given[i].Name, *asked, *now, strings.Join(over, " and "), n.layer))
	}
	return recordGrants(given, held)
}

// tell puts on record what is granted, where the work has a place, and tells what
// is held.
func (g *granting) tell(d *placement.Decision, a *answer) {
	if len(d.Targets) > 0 || g.granted == nil {
		a.status.Granted = g.granted
	}
	if g.held == "" {
		return
	}
	if d.Reason == "" {
		d.Reason = ReasonQuotaExceeded
	}
	d.Message = strings.TrimSpace(d.Message + " " + g.held)
}

// mostHeld is how many workloads that may not grow are told of by name.
const mostHeld = 3

func recordGrants(workloads []placement.Workload, held []string) granting {
	g := granting{granted: &v1alpha1.Granted{}}
	for i := range workloads {
		if w := &workloads[i]; w.Replicas != nil {
			g.granted.Objects = append(g.granted.Objects, v1alpha1.Grant{Kind: w.Kind.GroupKind().String(), Name: w.Name, Replicas: *w.Replicas})
		}
	}
	slices.SortFunc(g.granted.Objects, func(a, b v1alpha1.Grant) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	if n := len(g.granted.Objects); n > v1alpha1.MostGrants {
		g.granted.Objects = g.granted.Objects[:v1alpha1.MostGrants]
		held = append(held, fmt.Sprintf("under a quota a Placement has at most %d objects with replicas, and %d of this one have none: give them a Placement of their own", v1alpha1.MostGrants, n-v1alpha1.MostGrants))
	}
	if n := len(held); n > mostHeld {
		held = append(held[:mostHeld], fmt.Sprintf("%d more may not grow", n-mostHeld))
	}
	if len(held) > 0 {
		g.held = strings.Join(held, "; ") + ". What runs goes on: delete or shrink work, or ask those who run the platform for more."
	}
	g.workloads = within(workloads, g.granted)
	return g
}

// within returns workloads with no more replicas than they have granted.
func within(workloads []placement.Workload, granted *v1alpha1.Granted) []placement.Workload {
	if granted == nil {
		return workloads
	}
	given := slices.Clone(workloads)
	for i := range given {
		if n := given[i].Replicas; n != nil {
			given[i].Replicas = new(granted.Of(given[i].Kind.GroupKind(), given[i].Name, *n))
		}
	}
	return given
}

func countReplicated(workloads []placement.Workload) (n int) {
	for i := range workloads {
		if workloads[i].Replicas != nil {
			n++
		}
	}
	return n
}

func quotasOf(policies []named) (quotas []named) {
	for _, n := range policies {
		if n.policy.Quota != nil {
			quotas = append(quotas, n)
		}
	}
	return quotas
}

// overQuota returns the first layer of whose quota there would be more, and what.
func overQuota(quotas []named, used amount) (n named, over []string) {
	for _, n := range quotas {
		if over := n.policy.Quota.over(used); len(over) > 0 {
			return n, over
		}
	}
	return named{}, nil
}
