package controller

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/tmc-sdk/tmc/placement/trail"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// scope is the name under which the controller makes spans.
const scope = "github.com/tmc-sdk/tmc/placement/controller"

// WithTracing makes a span of every decision that is recorded, in the trace of
// the Placement's version, see package trail; the sync loop's spans link to it. A
// decision that stays what it was makes none. Default: none are made.
func WithTracing(p trace.TracerProvider) Option {
	return func(o *options) { o.tracing = p }
}

// traceTime returns the time, or nothing where nobody asks for it.
func (c *Controller) traceTime() time.Time {
	if c.opts.tracing == nil {
		return time.Time{}
	}
	return c.opts.now()
}

// traceDecision begins the span of a decision that is about to be recorded. The
// step began when the question was asked.
func (c *Controller) traceDecision(ctx context.Context, k Key, p *v1alpha1.Placement, a *answer) (context.Context, trace.Span) {
	if c.opts.tracing == nil {
		return ctx, noop.Span{}
	}
	names := make([]string, 0, len(a.status.Targets))
	for _, t := range a.status.Targets {
		if !t.Leaving {
			names = append(names, t.Cluster)
		}
	}
	ctx = trail.Context(ctx, p.UID, p.Generation)
	ctx, span := c.opts.tracing.Tracer(scope).Start(ctx, trail.Place, trace.WithTimestamp(a.began), trace.WithAttributes(
		trail.Workspace.String(string(k.Workspace)), trail.Kind.String(k.kind().Kind),
		trail.Namespace.String(k.Namespace), trail.Name.String(k.Name),
		trail.UID.String(string(p.UID)), trail.Generation.Int64(p.Generation), trail.Targets.StringSlice(names),
	))
	if outcome := placed(&a.status); outcome != nil {
		span.SetAttributes(trail.Reason.String(outcome.Reason))
	}
	return ctx, span
}

// endDecision ends the span with what came of the write.
func endDecision(span trace.Span, err error) {
	if err != nil {
		reason := string(apierrors.ReasonForError(err))
		if reason == "" {
			reason = "Failed"
		}
		span.SetStatus(codes.Error, reason)
	}
	span.End()
}
