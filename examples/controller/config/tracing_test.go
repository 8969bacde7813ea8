package config_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tmc-sdk/tmc/placement/trail"
)

// A collector gets the spans of the versions that are sampled, and of all
// replicas those of the same ones.
func TestSpansReachTheCollector(t *testing.T) {
	names := map[string]int{}
	var resource string
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		var got coltrace.ExportTraceServiceRequest
		require.NoError(t, proto.Unmarshal(body, &got))
		for _, rs := range got.GetResourceSpans() {
			resource = rs.GetResource().String()
			for _, s := range rs.GetScopeSpans() {
				for _, span := range s.GetSpans() {
					names[string(span.GetTraceId())]++
				}
			}
		}
	}))
	defer collector.Close()
	c, err := load(t, "tracing: {endpoint: "+collector.URL+"/v1/traces, sampleRatio: 0.5}\n")
	require.NoError(t, err)
	const versions, replicas = 200, 2
	for range replicas {
		provider, err := c.Tracing.Open(t.Context(), c.Installation, "v1")
		require.NoError(t, err)
		for generation := range int64(versions) {
			_, span := provider.Tracer("test").Start(trail.Context(t.Context(), "uid", generation), trail.Apply)
			span.End()
		}
		require.NoError(t, provider.Shutdown(t.Context()))
	}
	require.Contains(t, resource, "prod")
	require.InDelta(t, versions/2, len(names), versions/4, "one in two")
	for id, spans := range names {
		require.Equal(t, replicas, spans, "trace %x is whole", id)
	}
}
