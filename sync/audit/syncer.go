package audit

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	syncer "github.com/tmc-sdk/tmc/sync"
)

// Changes returns the auditor that records every change that a sync loop makes
// to a physical cluster, or tries to:
//
//	syncer.New(mgr, fleet, pipeline, syncer.WithAudit(log.Changes()), syncer.WithGate(log.Gate()), ...)
func (l *Log) Changes() syncer.Auditor { return syncer.AuditFunc(l.change) }

func (l *Log) change(ctx context.Context, c syncer.Change) {
	e := entryOf(c)
	// The write has happened: that its context ended is no reason not to
	// record it, if it can be recorded at once.
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
		done, cancel := context.WithTimeout(ctx, l.opts.retry)
		defer cancel()
		ctx = done
	}
	if err := l.Record(ctx, e); err != nil && !errors.Is(err, ErrClosed) {
		logr.FromContextOrDiscard(ctx).Error(err, "A change was not recorded", "change", e.Verb, "physicalCluster", e.Cluster)
	}
}

var verbs = map[syncer.Action]string{
	syncer.ActionCreated: VerbCreate, syncer.ActionConfigured: VerbPatch,
	syncer.ActionDeleted: VerbDelete, syncer.ActionOrphaned: VerbPatch, syncer.ActionReleased: VerbRelease,
}

func entryOf(c syncer.Change) Entry {
	verb, ok := verbs[c.Action]
	if !ok {
		verb = string(c.Action)
	}
	e := Entry{
		Verb: verb, Actor: c.Manager, Workspace: string(c.Original.Workspace), Cluster: c.Cluster, Cause: string(c.Cause),
		Object:   Object{Kind: c.Original.Kind, Namespace: c.Copy.Namespace, Name: c.Copy.Name, UID: c.CopyUID},
		Original: Object{Kind: c.Original.Kind, Namespace: c.Original.Namespace, Name: c.Original.Name, UID: c.OriginalUID},
		Before:   c.Before, After: c.After,
	}
	if c.Placement != "" {
		e.Message = "decided by Placement " + c.Placement
	}
	if c.Action == syncer.ActionCreated {
		e.Code = http.StatusCreated
	}
	if c.Err != nil {
		e.Code, e.Cause, e.Message = refused(c)
	}
	return e
}

// refused says what became of a change that was not made.
func refused(c syncer.Change) (code int32, cause, message string) {
	code, cause = http.StatusInternalServerError, string(c.Cause)
	if refusal, ok := errors.AsType[*syncer.RefusalError](c.Err); ok {
		code, cause = http.StatusConflict, refusal.Reason
	}
	var status apierrors.APIStatus
	if errors.As(c.Err, &status) {
		code = status.Status().Code
	}
	return code, cause, c.Err.Error()
}

// Gate returns the gate that lets nothing be written to a physical cluster
// while events are waiting to be recorded, or were lost and the chain can't say
// so. The auditor is told after a write; with the gate no more than the writes
// under way go unrecorded when a disk is full.
func (l *Log) Gate() syncer.Gate {
	return syncer.GateFunc("audit", func(ctx context.Context, _ *syncer.Proposal) error {
		if l.recording(ctx) {
			return nil
		}
		return errors.New("the audit log can't be written, so nothing is changed; the platform team has to make room for it")
	})
}

// recording says whether the last event was written, and tries if it was not.
func (l *Log) recording(ctx context.Context) bool {
	if l.stuck.Load() {
		return false // somebody is trying
	}
	if l.lost.Load() == 0 {
		return true
	}
	if err := l.take(ctx); err != nil {
		return false
	}
	defer l.release()
	return l.tellLost(ctx, Count) == nil
}
