package syncer_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement/trail"
	syncer "github.com/tmc-sdk/tmc/sync"
)

// The trace of a version holds the steps that it took, whoever took them; it is
// found from the original alone, and from its copy.
func TestOneTraceShowsTheStepsOfAVersion(t *testing.T) {
	w := newWorld(t, 1)
	var carried parents
	w.fleet = w.startFleet(func(c *tmcenvtest.Cluster) *rest.Config {
		cfg := rest.CopyConfig(c.Config())
		cfg.Wrap(carried.wrap)
		return cfg
	})
	spans := tracetest.NewInMemoryExporter()
	traced := syncer.WithTracing(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	w.start(traced)
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	w.setStatus("east", copied, ready(1))
	original := w.waitOriginal(0, d, condition("Healthy", "True", "Healthy"))

	first := trail.Of(original.GetUID(), original.GetGeneration())
	w.waitSpans(spans, first, "Place", "Transform", "Apply", "Observe", "Report")
	ours := spansOf(spans, first)
	p := object(placementKind, "default", "default")
	require.NoError(t, w.tenant(0).Get(t.Context(), client.ObjectKeyFromObject(p), p))
	for _, s := range ours {
		require.Equal(t, first.SpanID(), s.Parent.SpanID(), "%s", s.Name)
		require.False(t, s.EndTime.Before(s.StartTime), "%s", s.Name)
		require.Contains(t, s.Attributes, trail.Workspace.String(string(w.tenants[0].Cluster)))
		require.Contains(t, s.Attributes, trail.Name.String("web"))
		switch s.Name {
		case trail.Place:
			require.Len(t, s.Links, 1)
			require.True(t, trail.Of(p.GetUID(), p.GetGeneration()).Equal(s.Links[0].SpanContext), "it links to the decision's trace")
		case trail.Apply:
			require.Contains(t, s.Attributes, trail.Cluster.String("east"))
			require.Contains(t, s.Attributes, trail.CopyUID.String(string(copied.GetUID())))
			require.Contains(t, s.Attributes, trail.Cause.String("Placed"))
			require.Contains(t, carried.seen(), fmt.Sprintf("00-%s-%s-01", s.SpanContext.TraceID(), s.SpanContext.SpanID()), "the cluster was told the trace")
		}
	}

	// In steady state nothing is written, and nothing traced.
	w.stopLoop()
	spans.Reset()
	w.start(traced)
	sentinel := deployment("sentinel", 1) // it is behind all that was there before
	require.NoError(t, w.tenant(0).Create(t.Context(), sentinel.DeepCopy()))
	w.waitOriginal(0, sentinel, condition("Synced", "True", "Synced"))
	eventually(t, "the queue is empty", w.queueEmpty)
	require.Empty(t, spansOf(spans, first))

	// What cannot be applied is an error, told by its reason alone.
	broken := w.waitOriginal(0, d)
	require.NoError(t, unstructured.SetNestedField(broken.Object, "quoted-value", "spec", "template", "spec", "restartPolicy"))
	require.NoError(t, w.tenant(0).Update(t.Context(), broken))
	w.waitOriginal(0, d, condition("Synced", "False", "Refused"))
	second := trail.Of(broken.GetUID(), broken.GetGeneration())
	w.waitSpans(spans, second, "Place", "Transform", "Apply", "Observe", "Report")
	for _, s := range spansOf(spans, second) {
		require.NotContains(t, fmt.Sprintf("%+v", s), "quoted-value")
		if s.Name == trail.Apply {
			require.Equal(t, sdktrace.Status{Code: codes.Error, Description: "Invalid"}, s.Status)
		}
	}

	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
	var retired []string
	for _, s := range spans.GetSpans() {
		if s.Name == trail.Retire {
			retired = append(retired, s.Name)
			require.Contains(t, s.Attributes, trail.UID.String(string(original.GetUID())))
			require.Contains(t, s.Attributes, trail.CopyUID.String(string(copied.GetUID())))
		}
	}
	require.NotEmpty(t, retired)
}

// waitSpans waits until a trace has spans of these names, and no others.
func (w *world) waitSpans(from *tracetest.InMemoryExporter, in trace.SpanContext, names ...string) {
	w.t.Helper()
	slices.Sort(names)
	eventually(w.t, "spans", func() error {
		var got []string
		for _, s := range spansOf(from, in) {
			got = append(got, s.Name)
		}
		slices.Sort(got)
		if diff := cmp.Diff(names, slices.Compact(got)); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// spansOf returns the spans of a trace.
func spansOf(from *tracetest.InMemoryExporter, in trace.SpanContext) (of tracetest.SpanStubs) {
	for _, s := range from.GetSpans() {
		if s.SpanContext.TraceID() == in.TraceID() {
			of = append(of, s)
		}
	}
	return of
}

// parents are the values of the header traceparent that a server got.
type parents struct {
	mu   sync.Mutex
	list []string
}

func (p *parents) wrap(next http.RoundTripper) http.RoundTripper { return parentsOf{p, next} }

func (p *parents) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

type parentsOf struct {
	p    *parents
	next http.RoundTripper
}

func (p parentsOf) RoundTrip(r *http.Request) (*http.Response, error) {
	if parent := r.Header.Get("Traceparent"); parent != "" {
		p.p.mu.Lock()
		p.p.list = append(p.p.list, parent)
		p.p.mu.Unlock()
	}
	return p.next.RoundTrip(r)
}
