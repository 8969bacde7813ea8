package placement

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Change is something that might happen.
type Change struct {
	// Lost are clusters that leave the fleet, by name.
	Lost []string
	// Clusters that join it, or that change.
	Clusters []*facts.State
	// Requests that are new, or that take the place of those with the same
	// workspace, namespace and name: a Placement that is changed, say.
	Requests []*Request
}

// Plan is what would follow from a Change.
type Plan struct {
	// Changed are the Placements whose decision would change, by workspace,
	// namespace and name.
	Changed []DecisionDiff
	// Clusters whose replicas would change, by name.
	Clusters []ReplicaDiff
	// Unchanged counts the Placements whose decision would stay.
	Unchanged int
	// Replicas that would start where they are not now.
	Replicas int64
}

// DecisionDiff is how the decision on one Placement would change.
type DecisionDiff struct {
	Workspace, Namespace, Name string
	// Before and After are the targets; Before is empty for a new Placement.
	Before, After []v1alpha1.Target
	// Reason and Message are empty where the decision would be complete.
	Reason, Message string
	// Clusters whose replicas would change, by name.
	Clusters []ReplicaDiff
}

// ReplicaDiff is how the replicas on one cluster would change.
type ReplicaDiff struct {
	Cluster       string
	Before, After int64
}

// WhatIf says what would follow from a change, over all requests and the whole
// fleet. It decides as the controller would, the highest priority first, and
// counts what it decides as used for those that come after. The decision before
// is Current; for a request without any, the one that would be made without the
// change. Those that the change can't concern are not decided again: work that is
// placed on clusters that stay as they are, and that no cluster which joins or
// changes can draw or complete.
func (e *Engine) WhatIf(ctx context.Context, requests []*Request, fleet *facts.Snapshot, change Change) (*Plan, error) {
	if fleet == nil {
		fleet = facts.NewSnapshot()
	}
	after := fleet.Without(change.Lost...).With(change.Clusters...)
	all := make(map[string]*question, len(requests))
	for _, r := range requests {
		if r != nil {
			all[r.key()] = &question{request: r, old: r}
		}
	}
	for _, r := range change.Requests {
		if r == nil {
			continue
		}
		q := &question{request: r}
		if was := all[r.key()]; was != nil {
			q.old = was.old
			if len(r.Current) == 0 {
				q.request = new(*r)
				q.request.Current = was.old.Current
			}
		}
		all[r.key()] = q
	}
	order := slices.SortedFunc(maps.Values(all), func(a, b *question) int {
		return cmp.Or(cmp.Compare(b.priority(), a.priority()), strings.Compare(a.request.key(), b.request.key()))
	})
	used := NewReservations()
	if err := e.before(ctx, order, fleet, used); err != nil {
		return nil, err
	}
	return e.plan(ctx, order, after, used, scopeOf(fleet, change))
}

// question is one request of a plan.
type question struct {
	request *Request
	old     *Request // as it was; nil if it is new
	before  []v1alpha1.Target
}

func (q *question) priority() int32 {
	if q.request.Spec == nil {
		return 0
	}
	return q.request.Spec.Priority
}

// before finds the decisions before the change. Those that are not carried out
// yet are reserved.
func (e *Engine) before(ctx context.Context, order []*question, fleet *facts.Snapshot, used *Reservations) error {
	for _, q := range order {
		if q.old == nil {
			continue
		}
		q.before = staying(q.old.Current)
		if len(q.before) > 0 {
			continue
		}
		d, err := e.Place(ctx, q.old, used.Fleet(fleet))
		if err != nil {
			return fmt.Errorf("%s: %w", join(q.old.Namespace, q.old.Name), err)
		}
		used.Reserve(q.old.key(), d.Needs(), time.Time{})
		q.before = d.Targets
		if len(q.request.Current) == 0 {
			q.request = new(*q.request)
			q.request.Current = d.Targets
		}
	}
	return nil
}

func staying(targets []v1alpha1.Target) []v1alpha1.Target {
	var list []v1alpha1.Target
	for i := range targets {
		if !targets[i].Leaving {
			list = append(list, targets[i])
		}
	}
	sortTargets(list)
	return list
}

// plan decides anew, and says what differs.
func (e *Engine) plan(ctx context.Context, order []*question, fleet *facts.Snapshot, used *Reservations, in scope) (*Plan, error) {
	p := &Plan{}
	sums := map[string]*ReplicaDiff{}
	for _, q := range order {
		if !in.concerns(q) {
			p.Unchanged++
			continue
		}
		d, err := e.Place(ctx, q.request, used.Fleet(fleet))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", join(q.request.Namespace, q.request.Name), err)
		}
		used.Reserve(q.request.key()+"\x00after", d.Needs(), time.Time{})
		diff := q.diff(d)
		if len(diff.Clusters) == 0 && sameClusters(q.before, d.Targets) {
			p.Unchanged++
			continue
		}
		p.Changed = append(p.Changed, diff)
		for _, c := range diff.Clusters {
			s := sums[c.Cluster]
			if s == nil {
				s = &ReplicaDiff{Cluster: c.Cluster}
				sums[c.Cluster] = s
			}
			s.Before, s.After = s.Before+c.Before, s.After+c.After
			p.Replicas += max(0, c.After-c.Before)
		}
	}
	slices.SortFunc(p.Changed, func(a, b DecisionDiff) int {
		return cmp.Or(strings.Compare(a.Workspace, b.Workspace), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		p.Clusters = append(p.Clusters, *sums[name])
	}
	return p, nil
}

// scope is what a change of the fleet touches.
type scope struct {
	fleet   *facts.Snapshot // before
	touched map[string]bool
	joins   bool // clusters join, or change, and may take work that they did not
}

func scopeOf(fleet *facts.Snapshot, change Change) scope {
	s := scope{fleet: fleet, touched: make(map[string]bool, len(change.Lost)+len(change.Clusters)), joins: len(change.Clusters) > 0}
	for _, name := range change.Lost {
		s.touched[name] = true
	}
	for _, state := range change.Clusters {
		if state != nil {
			s.touched[state.Name] = true
		}
	}
	return s
}

// concerns says whether the change can concern a request: if it is new or changed,
// if it was not where it is now, if the change touches where it is, or if a cluster
// that joins can complete it. A better cluster is no reason to move work.
func (s *scope) concerns(q *question) bool {
	r := q.request
	if q.old == nil || r != q.old || len(r.Current) == 0 {
		return true
	}
	n := 0
	for i := range r.Current {
		t := &r.Current[i]
		state, ok := s.fleet.Lookup(t.Cluster)
		if t.Leaving || !ok || s.touched[t.Cluster] || !state.Ready || state.Unschedulable || len(state.Taints) > 0 {
			return true // leaving, or not in good standing: whoever decides next looks at it
		}
		n++
	}
	if !s.joins || r.Spec == nil {
		return false
	}
	if len(r.Spec.Spread) > 0 || r.Spec.Affinity != nil || division(r) != v1alpha1.DivisionDuplicated {
		return true
	}
	c := r.Spec.Count
	return c != nil && (c.Max == nil || n < int(*c.Max))
}

func sameClusters(a, b []v1alpha1.Target) bool {
	return slices.EqualFunc(a, b, func(x, y v1alpha1.Target) bool { return x.Cluster == y.Cluster })
}

// diff says how a decision differs from the one before.
func (q *question) diff(d *Decision) DecisionDiff {
	r := q.request
	diff := DecisionDiff{Workspace: r.Workspace, Namespace: r.Namespace, Name: r.Name, Before: q.before, After: d.Targets, Reason: d.Reason, Message: d.Message}
	counts := map[string]*ReplicaDiff{}
	count := func(of *Request, targets []v1alpha1.Target, set func(*ReplicaDiff, int64)) {
		if of == nil {
			return
		}
		for name, n := range replicasOn(of, targets) {
			if counts[name] == nil {
				counts[name] = &ReplicaDiff{Cluster: name}
			}
			set(counts[name], n)
		}
	}
	count(q.old, q.before, func(c *ReplicaDiff, n int64) { c.Before = n })
	count(r, d.Targets, func(c *ReplicaDiff, n int64) { c.After = n })
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if c := counts[name]; c.Before != c.After {
			diff.Clusters = append(diff.Clusters, *c)
		}
	}
	return diff
}

// replicasOn returns how many replicas of all workloads are on each target.
func replicasOn(r *Request, targets []v1alpha1.Target) map[string]int64 {
	counts := make(map[string]int64, len(targets))
	for i := range r.Workloads {
		n := r.Workloads[i].Replicas
		if n == nil {
			continue
		}
		parts := Divide(*n, targets)
		for j := range targets {
			name := targets[j].Cluster
			if parts == nil {
				counts[name] += int64(max(0, *n))
			} else {
				counts[name] += int64(parts[name])
			}
		}
	}
	return counts
}

// Empty says that nothing would change.
func (p *Plan) Empty() bool { return len(p.Changed) == 0 }

// Explain says, for people, what would change.
func (p *Plan) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d placements change, %d stay; %d replicas start elsewhere\n", len(p.Changed), p.Unchanged, p.Replicas)
	for i := range p.Changed {
		c := &p.Changed[i]
		fmt.Fprintf(&b, "%s: %s -> %s", join(c.Namespace, c.Name), brief(c.Before), brief(c.After))
		if c.Reason != "" {
			fmt.Fprintf(&b, " (%s: %s)", c.Reason, c.Message)
		}
		b.WriteByte('\n')
	}
	for _, c := range p.Clusters {
		fmt.Fprintf(&b, "cluster %s: %d -> %d replicas\n", c.Cluster, c.Before, c.After)
	}
	return b.String()
}

// brief lists targets: "eu-1:6 us-1:4".
func brief(targets []v1alpha1.Target) string {
	if len(targets) == 0 {
		return "nowhere"
	}
	words := make([]string, 0, len(targets))
	for i := range targets {
		word := targets[i].Cluster
		if s := targets[i].Share; s != nil {
			word = fmt.Sprintf("%s:%d", word, *s)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}
