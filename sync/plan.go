package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

// Step is one write or deletion that the loop would do now.
type Step struct {
	// Action and Cause of it.
	Action Action
	Cause  Cause
	// Original of the copy.
	Original Key
	// Cluster and Copy say which object.
	Cluster string
	Copy    client.ObjectKey
	// Differences between what is there and what would be, of an object that
	// is made or changed. Values of Secrets are hidden.
	Differences []Difference
	// Waits says what stops the step: a suspension, a refusal that was not
	// tried again yet. Empty if nothing does.
	Waits string
}

// String returns the step as a line.
func (s Step) String() string {
	line := fmt.Sprintf("%s %s on %s as %s (%s)", s.Action, s.Original, s.Cluster, s.Copy, s.Cause)
	if s.Waits != "" {
		line += ", waits: " + s.Waits
	}
	return line
}

// Plan is what the loop would do now. In steady state it is empty.
type Plan struct {
	// Steps, sorted by cluster and original.
	Steps []Step
	// Refused are the copies that the loop can't make or change as things are, each
	// with why.
	Refused []Refused
	// Unknown counts copies of which nothing can be told, since their workspace
	// is not engaged. They would not be touched.
	Unknown int
}

// Refused is a copy that the loop can't make or change.
type Refused struct {
	// Original of the copy.
	Original Key
	// Cluster that it should be on.
	Cluster string
	// Reason in CamelCase, and a sentence that says what to do: those that the
	// owner is told in the condition Synced.
	Reason, Message string
}

// String returns the refusal as a line.
func (r Refused) String() string {
	return fmt.Sprintf("refused %s on %s: %s: %s", r.Original, r.Cluster, r.Reason, r.Message)
}

// Print writes the plan as a diff.
func (p *Plan) Print(w io.Writer) error {
	for _, s := range p.Steps {
		if _, err := fmt.Fprintln(w, s); err != nil {
			return err
		}
		for _, d := range s.Differences {
			if _, err := fmt.Fprintln(w, "  ", d); err != nil {
				return err
			}
		}
	}
	for _, r := range p.Refused {
		if _, err := fmt.Fprintln(w, r); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d steps; %d copies of workspaces that can't be seen stay as they are\n", len(p.Steps), p.Unknown)
	return err
}

// Plan tells what the loop would write to clusters and delete from them, from
// its caches alone: no server is called, nothing is changed, whether the loop
// is suspended or not. Deletions are what the loop would try: each would still
// need its live proof. It returns an error until the caches of all lanes are
// filled.
func (l *Loop) Plan(ctx context.Context) (*Plan, error) {
	p := &Plan{}
	for _, lane := range l.allLanes() {
		if !lane.knowsAll() {
			return nil, fmt.Errorf("plan: copies on cluster %s: %w", lane.name, errUnknown)
		}
		seen := map[Key]bool{}
		for _, key := range l.originalsFor(ctx, lane) {
			if !seen[key] {
				seen[key] = true
				l.planFor(ctx, p, lane, key)
			}
		}
	}
	p.sort()
	return p, nil
}

// originalsFor returns the originals that have, or should have, a copy on a
// cluster; some of them twice.
func (l *Loop) originalsFor(ctx context.Context, lane *lane) []Key {
	var keys []Key
	for _, kind := range l.kinds() {
		for _, ns := range l.namespacesOn(lane.name) {
			items, err := l.watcher.List(ctx, ns.workspace, kind, ns.namespace)
			if err != nil {
				continue // not known yet, so nothing would be done
			}
			for i := range items {
				keys = append(keys, keyFor(ns.workspace, &items[i]))
			}
		}
		keys = append(keys, lane.allCopies(ctx, kind)...)
	}
	return keys
}

// planFor adds what would be done for an original on a cluster.
func (l *Loop) planFor(ctx context.Context, p *Plan, lane *lane, key Key) {
	step := Step{Original: key, Cluster: lane.name, Copy: l.locate(key)}
	copied, err := lane.copyOf(ctx, key)
	if err != nil {
		return
	}
	original, err := l.original(ctx, key)
	if errors.Is(err, errUnknown) {
		if copied != nil {
			p.Unknown++
		}
		return
	}
	if err != nil {
		return
	}
	if original == nil || original.GetDeletionTimestamp() != nil {
		if copied == nil {
			return
		}
		step.Action, step.Cause, step.Waits = ActionDeleted, CauseOriginalDeleted, l.retirementSuspended(lane.name, key, original)
		p.Steps = append(p.Steps, step)
		return
	}
	where, err := l.place(ctx, key, original)
	if err != nil {
		return
	}
	todo := l.decide(ctx, lane, key, original, where)
	if r := todo.refusal; r != nil {
		p.Refused = append(p.Refused, Refused{Original: key, Cluster: lane.name, Reason: r.Reason, Message: r.Message})
		return
	}
	switch todo.action {
	case nothing:
		if l.planLater(ctx, &step, lane, key, original, where, todo) {
			p.Steps = append(p.Steps, step)
		}
		return
	case retire:
		step.Action, step.Cause = ActionDeleted, l.causeOfRetirement(key, original, copied)
	case apply:
		step.Action, step.Cause = todo.does(), todo.cause
		step.Differences = differencesOf(todo.rendered, todo.copied)
		if todo.copied != nil {
			step.Differences = append(step.Differences, dropped(lane.complete(todo.rendered), todo.copied, l.manager)...)
		}
	}
	step.Waits = l.suspension(lane.name, where.placement)
	if o := lane.outcome(key); step.Waits == "" && todo.triedBefore(o) {
		step.Waits = o.refusal.Error()
	}
	if step.Waits == "" && step.Cause == CauseUnmentioned && lane.holdsBack(ctx, key, original) {
		step.Waits = "until no copy on the cluster mentions it"
	}
	p.Steps = append(p.Steps, step)
}

// planLater makes the step of what waits for other copies of the original; it
// returns whether anything does.
func (l *Loop) planLater(ctx context.Context, step *Step, lane *lane, key Key, original *unstructured.Unstructured, where *assignment, todo intent) bool {
	switch {
	case todo.awaited:
		return false
	case todo.staged:
		refusal := where.staged.refusal()
		if refusal == nil {
			return false
		}
		step.Action, step.Cause, step.Waits = ActionConfigured, CauseChanged, refusal.Error()
		step.Differences = differencesOf(todo.rendered, todo.copied)
		return true
	case where.leaving(lane.name) && todo.copied != nil && todo.copied.GetDeletionTimestamp() == nil:
		step.Action, step.Cause = ActionDeleted, l.causeOfRetirement(key, original, todo.copied)
		step.Waits = "until its copies on " + strings.Join(where.clusters(), ", ") + " are healthy"
		return len(where.clusters()) > 0
	case where.names(lane.name) && todo.copied == nil && l.breaksFirst(where) && l.anyLeft(ctx, key, where):
		rendered, refusal := l.render(ctx, lane.name, key, original, where)
		if refusal != nil {
			return false
		}
		step.Action, step.Cause, step.Waits = ActionCreated, CausePlaced, "until the copies that leave are gone"
		step.Differences = differencesOf(rendered, nil)
		return true
	}
	return false
}

// causeOfRetirement says why the copy of an original that is there would go.
func (l *Loop) causeOfRetirement(key Key, original, copied *unstructured.Unstructured) Cause {
	marks, _ := transform.ReadMarks(copied)
	switch {
	case marks.UID != original.GetUID():
		return CauseOriginalReplaced
	case l.isRelated(key.Kind):
		return CauseUnmentioned
	}
	return CauseMoved
}
