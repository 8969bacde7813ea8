package audit_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tmc-sdk/tmc/sync/audit"
)

// collector takes logs by the schema of OTLP itself, which knows no other fields.
type collector struct {
	mu       sync.Mutex
	answers  []string // "429" and so on, or the body of a success
	calls    int
	records  []*logs.LogRecord
	resource map[string]string
}

func (c *collector) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.answers[min(c.calls, len(c.answers)-1)]
	c.calls++
	code := http.StatusOK
	if _, err := fmt.Sscanf(answer, "%d", &code); err == nil {
		return &http.Response{StatusCode: code, Status: answer, Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var got collogs.ExportLogsServiceRequest
	if err := protojson.Unmarshal(body, &got); err != nil {
		return nil, err
	}
	for _, r := range got.GetResourceLogs() {
		c.resource = attributes(r.GetResource().GetAttributes())
		for _, s := range r.GetScopeLogs() {
			c.records = append(c.records, s.GetLogRecords()...)
		}
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(answer)), Request: req}, nil
}

func attributes(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		m[kv.GetKey()] = kv.GetValue().GetStringValue()
	}
	return m
}

func TestEventsAreLogsOfOpenTelemetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		metrics := prometheus.NewRegistry()
		c := &collector{answers: []string{"503", "429", `{}`, `{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}`}}
		sink, err := audit.NewOTLP("https://collector.example/v1/logs", audit.OTLPOptions{
			Resource:       map[string]string{"service.instance.id": "controller-0"},
			WebhookOptions: audit.WebhookOptions{Client: &http.Client{Transport: c}, Registerer: metrics},
		})
		require.NoError(t, err)
		log, err := audit.Open(audit.Writer("a"), audit.To(sink))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- sink.Start(ctx) }()
		record(t, log, 1, 2)
		require.NoError(t, log.Record(t.Context(), audit.Entry{Verb: audit.VerbRefuse, Workspace: "ws", Cause: "NoClusterFits"}))
		time.Sleep(time.Minute)
		synctest.Wait()
		record(t, log, 3, 4)
		cancel()
		require.NoError(t, <-done)

		require.Equal(t, map[string]string{"service.name": "tmc", "service.instance.id": "controller-0"}, c.resource)
		require.Len(t, c.records, 6)
		var lines [][]byte
		for _, r := range c.records {
			lines = append(lines, []byte(r.GetBody().GetStringValue()))
		}
		report, err := audit.Verify(source(lines...))
		require.NoError(t, err, "the chain is whole at the collector")
		require.Equal(t, log.Head(), report.Chains[0].Head)

		patched, refused := c.records[1], c.records[3]
		require.Equal(t, "INFO", patched.GetSeverityText())
		require.NotZero(t, patched.GetTimeUnixNano())
		said := attributes(patched.GetAttributes())
		require.Equal(t, "patch", said["audit.verb"])
		require.Equal(t, "eu-1", said[audit.AnnotationCluster])
		require.Equal(t, "web", said["k8s.object.name"])
		require.Equal(t, "200", said["http.response.status_code"])
		require.Equal(t, logs.SeverityNumber_SEVERITY_NUMBER_WARN, refused.GetSeverityNumber())
		require.Equal(t, 2.0, counted(t, metrics, "tmc_audit_otlp_rejected_total"), "what the collector refuses is counted")
	})
}

func TestOTLPNeedsAURL(t *testing.T) {
	_, err := audit.NewOTLP("collector:4317", audit.OTLPOptions{})
	require.ErrorContains(t, err, "otlp")
}
