package syncer

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Action is what the loop does, or is about to do, to an object on a physical
// cluster.
type Action string

// Actions. The set is closed.
const (
	// ActionCreated: a copy, or the namespace of copies, was made.
	ActionCreated Action = "created"
	// ActionConfigured: a copy was changed.
	ActionConfigured Action = "configured"
	// ActionDeleted: a copy, or the namespace of copies, was deleted.
	ActionDeleted Action = "deleted"
	// ActionOrphaned: a copy was left where it is, without our marks, as was asked
	// for; nothing was deleted.
	ActionOrphaned Action = "orphaned"
	// ActionReleased: nothing was written; the original no longer waits for a
	// copy that may remain.
	ActionReleased Action = "released"
)

// Cause is why the loop acted.
type Cause string

// Causes. The set is closed.
const (
	// CausePlaced: a decision names the cluster, and there was no copy.
	CausePlaced Cause = "Placed"
	// CauseChanged: the original, its decision, the cluster or the pipeline
	// changed what is rendered.
	CauseChanged Cause = "Changed"
	// CauseDrift: the copy lacked something of what was applied before.
	CauseDrift Cause = "Drift"
	// CauseAdopted: the owner of the original asked to adopt what stood there.
	CauseAdopted Cause = "Adopted"
	// CauseOriginalDeleted: the original is deleting or gone.
	CauseOriginalDeleted Cause = "OriginalDeleted"
	// CauseOriginalReplaced: another original bears the name now.
	CauseOriginalReplaced Cause = "OriginalReplaced"
	// CauseMoved: the decision no longer names the cluster.
	CauseMoved Cause = "Moved"
	// CauseUnmentioned: nothing on the cluster needs the related object any more.
	CauseUnmentioned Cause = "Unmentioned"
	// CauseWorkspaceGone: the workspace is proven to be deleted.
	CauseWorkspaceGone Cause = "WorkspaceGone"
	// CauseImmutable: a field that can't be changed has to, and the strategy of
	// the kind is StrategyRecreate.
	CauseImmutable Cause = "Immutable"
	// CauseUnmarked: the cluster took our marks off what was made just now, so
	// that it would have been out of sight.
	CauseUnmarked Cause = "Unmarked"
	// CauseEmpty: the namespace holds nothing any more.
	CauseEmpty Cause = "Empty"
	// CauseClusterLost: the cluster has not answered for longer than
	// ReleaseLostAfter allows.
	CauseClusterLost Cause = "ClusterLost"
	// CauseClusterRemoved: the cluster was removed from the fleet.
	CauseClusterRemoved Cause = "ClusterRemoved"
)

// Change is one thing that was done to an object on a physical cluster, or
// tried. It says who, what, where and why; it never holds content, so that no
// Secret gets into a log by it.
type Change struct {
	// Action that was done or tried.
	Action Action
	// Cause of it.
	Cause Cause
	// Installation that did it, and the field manager by which it wrote.
	Installation, Manager string
	// Original that the object is a copy of; for a namespace, the namespace in
	// the workspace.
	Original Key
	// OriginalUID is empty for a namespace.
	OriginalUID types.UID
	// Placement that decided, of the original's namespace; empty for what
	// follows other objects and for what is deleted.
	Placement string
	// Cluster is the physical cluster.
	Cluster string
	// Copy is where the object stands on it.
	Copy client.ObjectKey
	// CopyUID is empty where no object was reached.
	CopyUID types.UID
	// Before and After are the digests of what was rendered for the object
	// before and now; empty for none.
	Before, After string
	// Err says why it was not done; nil if it was.
	Err error
}

// String returns the change for people: one line, no content.
func (c Change) String() string {
	s := fmt.Sprintf("%s %s as %s on %s, because %s", c.Action, c.Original, c.Copy, c.Cluster, c.Cause)
	if c.Err != nil {
		s += ": " + c.Err.Error()
	}
	return s
}

// Auditor is told of every write to a physical cluster, and of every deletion
// there, after the answer: of those that succeeded and of those that failed,
// such as a Conflict. Audit must be quick and safe for concurrent use; what it
// keeps and where is its own business.
type Auditor interface {
	Audit(ctx context.Context, c Change)
}

// AuditFunc is an Auditor.
type AuditFunc func(ctx context.Context, c Change)

// Audit implements Auditor.
func (f AuditFunc) Audit(ctx context.Context, c Change) { f(ctx, c) }

var _ Auditor = AuditFunc(nil)

// WithAudit tells the auditor of every change. It may be given several times.
func WithAudit(a Auditor) Option {
	return func(o *options) { o.auditors = append(o.auditors, a) }
}

// audit completes a change and tells of it.
func (l *Loop) audit(ctx context.Context, c Change) {
	if len(l.opts.auditors) == 0 {
		return
	}
	c.Installation, c.Manager = l.installation, l.manager
	if c.Copy == (client.ObjectKey{}) {
		c.Copy = l.locate(c.Original)
	}
	for _, a := range l.opts.auditors {
		a.Audit(ctx, c)
	}
}

// auditNamespace tells of what was done to the namespace of copies.
func (l *lane) auditNamespace(ctx context.Context, ns namespaceKey, action Action, cause Cause, name string, uid types.UID, err error) {
	if apierrors.IsConflict(err) {
		return // it was there: nothing was done
	}
	l.loop.audit(ctx, Change{
		Action: action, Cause: cause, Cluster: l.name, Copy: client.ObjectKey{Name: name}, CopyUID: uid, Err: err,
		Original: Key{Kind: namespaceKind, Workspace: ns.workspace, Name: ns.namespace},
	})
}

// audit tells of a copy that was written, or not.
func (l *lane) audit(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent, applied *unstructured.Unstructured, err error) {
	c := Change{
		Action: todo.does(), Cause: todo.cause, Original: key, OriginalUID: original.GetUID(), Placement: todo.decided,
		Cluster: l.name, After: todo.digest, Err: err,
	}
	if todo.copied != nil {
		c.Before, c.CopyUID = digestOf(todo.copied), todo.copied.GetUID()
	}
	if applied != nil {
		c.CopyUID = applied.GetUID()
	}
	l.loop.audit(ctx, c)
}

// does says what an apply does to the copy.
func (i intent) does() Action {
	if i.copied == nil {
		return ActionCreated
	}
	return ActionConfigured
}
