package syncer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/placement/trail"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// scope is the name under which the loop makes spans.
const scope = "github.com/tmc-sdk/tmc/sync"

// WithTracing makes spans of what the loop does: of Place, Transform and Apply,
// or of Retire, for every write to a cluster, and of Observe and Report for every
// status that is written. They belong to the trace of the original's version, see
// package trail, and link to that of the Placement that decided. Requests to
// clusters carry it on. Where nothing is written there are no spans. Default:
// none are made, and nothing is spent on them.
func WithTracing(p trace.TracerProvider) Option {
	return func(o *options) { o.tracing = p }
}

// tracing makes spans.
type tracing struct {
	trace.Tracer

	on  bool
	now func() time.Time
}

func newTracing(p trace.TracerProvider, now func() time.Time) tracing {
	if p == nil {
		return tracing{Tracer: noop.NewTracerProvider().Tracer(scope), now: now}
	}
	return tracing{Tracer: p.Tracer(scope), on: true, now: now}
}

// time returns the time, or nothing where nobody asks for it.
func (t *tracing) time() time.Time {
	if !t.on {
		return time.Time{}
	}
	return t.now()
}

// steps is when the steps before a write were taken. Spans are made of them
// once there is a write.
type steps struct {
	began, placed, rendered time.Time
	placement               *v1alpha1.Placement
}

// spanOf begins the span of a step for a version of an original.
func (t *tracing) spanOf(ctx context.Context, step string, key Key, uid types.UID, generation int64, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if !t.on {
		return ctx, noop.Span{}
	}
	return t.Start(trail.Context(ctx, uid, generation), step, append(opts, trace.WithAttributes(
		trail.Workspace.String(string(key.Workspace)), trail.Kind.String(key.Kind.Kind),
		trail.Namespace.String(key.Namespace), trail.Name.String(key.Name),
		trail.UID.String(string(uid)), trail.Generation.Int64(generation),
	))...)
}

// past makes a span of a step that is over.
func (t *tracing) past(ctx context.Context, step string, key Key, original *unstructured.Unstructured, from, to time.Time, opts ...trace.SpanStartOption) {
	_, span := t.spanOf(ctx, step, key, original.GetUID(), original.GetGeneration(), append(opts, trace.WithTimestamp(from))...)
	span.End(trace.WithTimestamp(to))
}

// traceApply makes spans of the steps that led to a copy that is about to be
// written, and begins that of writing it.
func (l *lane) traceApply(ctx context.Context, key Key, original *unstructured.Unstructured, todo intent) (context.Context, trace.Span) {
	t := &l.loop.tracing
	if !t.on {
		return ctx, noop.Span{}
	}
	on := trace.WithAttributes(trail.Cluster.String(l.name))
	placed := []trace.SpanStartOption{on}
	if p := todo.steps.placement; p != nil {
		placed = append(placed, trace.WithLinks(trail.LinkTo(p.UID, p.Status.ObservedGeneration)), trace.WithAttributes(trail.Placement.String(p.Name)))
	}
	t.past(ctx, trail.Place, key, original, todo.steps.began, todo.steps.placed, placed...)
	t.past(ctx, trail.Transform, key, original, todo.steps.placed, todo.steps.rendered, on)
	return t.spanOf(ctx, trail.Apply, key, original.GetUID(), original.GetGeneration(), trace.WithSpanKind(trace.SpanKindClient), on, trace.WithAttributes(
		trail.Action.String(string(todo.does())), trail.Cause.String(string(todo.cause)),
		trail.CopyNamespace.String(todo.rendered.GetNamespace()), trail.CopyName.String(todo.rendered.GetName()),
	))
}

// traceRetire begins the span of a deletion. Of an original that is gone no
// generation is known: it is 0.
func (l *lane) traceRetire(ctx context.Context, key Key, original, copied *unstructured.Unstructured, from types.UID, cause Cause) (context.Context, trace.Span) {
	t := &l.loop.tracing
	if !t.on {
		return ctx, noop.Span{}
	}
	var generation int64
	if original != nil && original.GetUID() == from {
		generation = original.GetGeneration()
	}
	return t.spanOf(ctx, trail.Retire, key, from, generation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		trail.Cluster.String(l.name), trail.Action.String(string(ActionDeleted)), trail.Cause.String(string(cause)),
		trail.CopyNamespace.String(copied.GetNamespace()), trail.CopyName.String(copied.GetName()), trail.CopyUID.String(string(copied.GetUID())),
	))
}

// traceReport makes a span of what was observed, and begins that of telling it.
func (l *Loop) traceReport(ctx context.Context, key Key, original *unstructured.Unstructured, seen *sighting) (context.Context, trace.Span) {
	t := &l.tracing
	if !t.on {
		return ctx, noop.Span{}
	}
	clusters := make([]string, 0, len(seen.copies))
	for i := range seen.copies {
		clusters = append(clusters, seen.copies[i].Cluster)
	}
	t.past(ctx, trail.Observe, key, original, seen.began, seen.ended, trace.WithAttributes(trail.Targets.StringSlice(clusters)))
	ctx, span := t.spanOf(ctx, trail.Report, key, original.GetUID(), original.GetGeneration(), trace.WithSpanKind(trace.SpanKindClient))
	if len(seen.refusals) > 0 {
		span.SetAttributes(trail.Reason.String(seen.refusals[0].Reason))
	}
	return ctx, span
}

// endSpan ends a span with what came of the write. An error shows as its reason:
// what servers say may quote what was written.
func endSpan(span trace.Span, err error, attributes ...attribute.KeyValue) {
	if err != nil {
		reason := "Failed"
		if refusal, ok := errors.AsType[*RefusalError](err); ok {
			reason = refusal.Reason
		} else if r := apierrors.ReasonForError(err); r != "" {
			reason = string(r)
		}
		span.SetAttributes(trail.Reason.String(reason))
		span.SetStatus(codes.Error, reason)
	}
	span.SetAttributes(attributes...)
	span.End()
}

// copyUID is that of what was written; none if nothing was.
func copyUID(applied *unstructured.Unstructured) []attribute.KeyValue {
	if applied == nil || applied.GetUID() == "" {
		return nil
	}
	return []attribute.KeyValue{trail.CopyUID.String(string(applied.GetUID()))}
}

// wrap has requests carry the trace on.
func (t *tracing) wrap(next http.RoundTripper) http.RoundTripper {
	if !t.on {
		return next
	}
	return carrying{next}
}

type carrying struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (c carrying) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace.SpanContextFromContext(r.Context()).IsValid() {
		r = r.Clone(r.Context())
		propagation.TraceContext{}.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
	}
	return c.next.RoundTrip(r)
}

// WrappedRoundTripper lets client-go find the transport below.
func (c carrying) WrappedRoundTripper() http.RoundTripper { return c.next }
