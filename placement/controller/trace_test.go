package controller_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/trail"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// A decision that is recorded is one span, in the trace of the Placement's
// version; one that stays what it was is none.
func TestADecisionIsASpan(t *testing.T) {
	m, f := newMemory(1), newFleet(state("a"))
	spans := tracetest.NewInMemoryExporter()
	m.run(t, f, placementcontroller.WithTracing(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))))
	ws := m.names[0]
	m.app(t, ws, "web", "{}", "1m", 1)
	m.eventually(t, ws, "web", on("a"))
	m.app(t, ws, "api", "{clusters: {names: [nowhere]}}", "1m", 1)
	m.eventually(t, ws, "api", refused(v1alpha1.ReasonNoClusterFits))
	// It is asked again, and nothing is new.
	f.set(state("b"))
	m.app(t, ws, "last", "{}", "1m", 1)
	m.eventually(t, ws, "last", func(p *v1alpha1.Placement) bool { return len(p.Status.Targets) == 1 })

	byName := map[string]tracetest.SpanStubs{}
	for _, s := range spans.GetSpans() {
		require.Equal(t, trail.Place, s.Name)
		for _, a := range s.Attributes {
			if a.Key == trail.Name {
				byName[a.Value.AsString()] = append(byName[a.Value.AsString()], s)
			}
		}
	}
	require.Len(t, byName["web"], 1)
	web, p := byName["web"][0], m.get(ws, "default", "web")
	require.Equal(t, trail.Of(p.UID, p.Generation).TraceID(), web.SpanContext.TraceID())
	require.Contains(t, web.Attributes, trail.Targets.StringSlice([]string{"a"}))
	require.Contains(t, web.Attributes, trail.Workspace.String(string(ws)))
	require.Contains(t, web.Attributes, trail.Reason.String(v1alpha1.ReasonPlaced))
	require.Contains(t, byName["api"][0].Attributes, trail.Reason.String(v1alpha1.ReasonNoClusterFits))
}
