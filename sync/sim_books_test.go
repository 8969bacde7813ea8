package syncer

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// books are the auditor and the gate of a process. They hold what each task wrote
// against what the loop tells of it, and against what was let pass.
type books struct {
	process *process
	owed    map[*task]*simEntry // written, and not told of yet
	passed  map[*task]simWrite  // what the gate let pass last
}

// simWrite names what a write is about.
type simWrite struct {
	cluster string
	client.ObjectKey
}

// simEntry is a write, as the loop knows how it went.
type simEntry struct {
	simWrite
	request string
	verb    apisim.Verb
	failed  bool
}

var (
	_ Auditor = (*books)(nil)
	_ Gate    = (*books)(nil)
)

func newBooks(p *process) *books {
	return &books{process: p, owed: map[*task]*simEntry{}, passed: map[*task]simWrite{}}
}

// wrote takes note of a write to a cluster that the loop was answered, or not, and
// that is to be told of before the next. One that met what it did not expect did
// nothing, and is tried otherwise.
func (b *books) wrote(server *simServer, r *apisim.Request, err error) {
	p := b.process
	t := p.world.scheduler.current
	if p.dead || t == nil {
		return
	}
	b.settle(t)
	if apierrors.IsConflict(err) {
		return
	}
	b.owed[t] = &simEntry{simWrite{server.name, client.ObjectKey{Namespace: r.Namespace, Name: r.Name}}, r.String(), r.Verb, err != nil}
}

// settle finds what was written and not told of.
func (b *books) settle(t *task) {
	if e := b.owed[t]; e != nil {
		delete(b.owed, t)
		b.process.world.checker.fault("audit", "%s: %s on %s has no record", b.process.name, e.request, e.cluster)
	}
}

// ended closes the books over what a task did for one item.
func (b *books) ended(t *task) {
	b.settle(t)
	delete(b.passed, t)
}

// Audit implements Auditor.
func (b *books) Audit(_ context.Context, c Change) {
	w := b.process.world
	switch {
	case w.sabotage.silent && w.scheduler.chance(5):
		return
	case w.sabotage.chatty && w.scheduler.chance(5):
		b.audit(c)
	}
	b.audit(c)
}

// simVerbs are the verbs by which what an action says is done.
var simVerbs = map[Action]apisim.Verb{ActionCreated: apisim.Apply, ActionConfigured: apisim.Apply, ActionDeleted: apisim.Delete, ActionOrphaned: apisim.Patch}

func (b *books) audit(c Change) {
	check, t := b.process.world.checker, b.process.world.scheduler.current
	if c.Cause == "" || c.Installation != simInstallation || c.Cluster == "" {
		check.fault("audit", "%s: the record %q is incomplete", b.process.name, c)
	}
	if c.Action == ActionReleased {
		return // nothing is written
	}
	e := b.owed[t]
	delete(b.owed, t)
	at := simWrite{c.Cluster, c.Copy}
	switch {
	case e == nil && c.Err == nil:
		check.fault("audit", "%s: %q is told of, and was not done, or was told of before", b.process.name, c)
	case e != nil && (e.simWrite != at || e.failed != (c.Err != nil) || simVerbs[c.Action] != e.verb):
		check.fault("audit", "%s: %s on %s is told of as %q", b.process.name, e.request, e.cluster, c)
	}
}

// Name implements Gate.
func (*books) Name() string { return "freeze" }

// Admit implements Gate: it vetoes now and then, until the calm.
func (b *books) Admit(_ context.Context, proposal *Proposal) error {
	w := b.process.world
	t := w.scheduler.current
	delete(b.passed, t)
	if !w.calm && w.scheduler.chance(4) {
		w.scheduler.note("%s: a gate vetoes %s of %s on %s", b.process.name, proposal.Action, proposal.Key, proposal.Cluster)
		if w.sabotage.ajar {
			return nil
		}
		return errors.New("changes are frozen; wait until it is over")
	}
	b.passed[t] = simWrite{proposal.Cluster, b.process.loop.locate(proposal.Key)}
	return nil
}

// admitted: what no gate let pass is not written.
func (c *checker) admitted(s *simServer, a *acting, commit apisim.Commit) {
	r := commit.Request
	if !c.world.gated || a.late || r.Kind == namespaceKind {
		return
	}
	if r.Verb == apisim.Delete && commit.Before != nil && !transform.HasMarks(commit.Before) {
		return // what lost its marks in the write that made it is taken back
	}
	if at := (simWrite{s.name, client.ObjectKey{Namespace: r.Namespace, Name: r.Name}}); a.process.books.passed[a.task] != at {
		c.fault("gate", "%s: %s on %s, and no gate let it pass", a.process.name, r, s.name)
	}
}

// fault is violate for what is none of the ten laws.
func (c *checker) fault(what, format string, args ...any) {
	line := what + ": " + fmt.Sprintf(format, args...)
	c.violations = append(c.violations, line)
	c.world.scheduler.note("VIOLATED %s", line)
}
