package syncer

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Proposal is a write to a physical cluster, or a deletion there, that is about
// to happen.
type Proposal struct {
	// Action is ActionCreated, ActionConfigured or ActionDeleted.
	Action Action
	// Cause of it.
	Cause Cause
	// Cluster is the physical cluster.
	Cluster string
	// Key of the original.
	Key Key
	// Original as it was last seen; nil for one that is gone. It is shared and
	// must not be changed.
	Original *unstructured.Unstructured
	// Rendered is what is to be applied; nil for a deletion. It is shared and
	// must not be changed. It may be a Secret: do not log it.
	Rendered *unstructured.Unstructured
	// Copy is what is there; nil for none. It is shared and must not be changed.
	Copy *unstructured.Unstructured
}

// Gate may veto what is about to be written to, or deleted from, a physical
// cluster: a policy engine, a freeze of changes, a backup before a deletion. A
// veto is an error whose text tells the owner of the original what to do. It
// becomes the reason Vetoed of the condition Synced, and the gate is asked
// again, later and later. A deletion that is vetoed holds the original's.
//
// Admit is called on every try, right before the write, by several goroutines;
// ctx bounds it. A gate that panics vetoes.
type Gate interface {
	// Name stands in the condition before what Admit says.
	Name() string
	// Admit returns nil to let the proposal pass.
	Admit(ctx context.Context, p *Proposal) error
}

// GateFunc returns a gate of a name and a function.
func GateFunc(name string, admit func(ctx context.Context, p *Proposal) error) Gate {
	return gateFunc{name, admit}
}

type gateFunc struct {
	name  string
	admit func(context.Context, *Proposal) error
}

func (g gateFunc) Name() string                                 { return g.name }
func (g gateFunc) Admit(ctx context.Context, p *Proposal) error { return g.admit(ctx, p) }

var _ Gate = gateFunc{}

// WithGate asks the gate before every write to a physical cluster. It may be
// given several times; the first veto decides.
func WithGate(g Gate) Option {
	return func(o *options) { o.gates = append(o.gates, g) }
}

// admit asks all gates; it returns the refusal of the first that vetoes.
func (l *Loop) admit(ctx context.Context, p *Proposal) error {
	for _, g := range l.opts.gates {
		if err := ask(ctx, g, p); err != nil {
			return &RefusalError{Reason: ReasonVetoed, Cluster: p.Cluster, Message: g.Name() + ": " + err.Error(), Err: err}
		}
	}
	return nil
}

func ask(ctx context.Context, g Gate, p *Proposal) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the gate failed, so nothing passes it: %v", r)
		}
	}()
	return g.Admit(ctx, p)
}

// admit asks all gates whether the intent may be carried out on the cluster.
func (l *lane) admit(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent) error {
	return l.loop.admit(ctx, &Proposal{
		Action: todo.does(), Cause: todo.cause, Cluster: l.name, Key: key,
		Original: original, Rendered: todo.rendered, Copy: todo.copied,
	})
}
