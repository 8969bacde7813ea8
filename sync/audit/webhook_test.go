package audit_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/tmc-sdk/tmc/sync/audit"
)

// receiver answers as it is told and keeps what it was sent.
type receiver struct {
	mu      sync.Mutex
	answers []int // the last one for ever
	calls   int
	sizes   []int
	lines   [][]byte
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	code := r.answers[min(r.calls, len(r.answers)-1)]
	r.calls++
	resp := &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader("")), Request: req}
	var list auditv1.EventList
	if err := json.NewDecoder(req.Body).Decode(&list); err != nil {
		return nil, err
	}
	if code == http.StatusOK {
		r.sizes = append(r.sizes, len(list.Items))
		for i := range list.Items {
			line, err := audit.Line(&list.Items[i])
			if err != nil {
				return nil, err
			}
			r.lines = append(r.lines, line)
		}
	}
	return resp, nil
}

func webhook(t *testing.T, r *receiver, opts audit.WebhookOptions) (*audit.Webhook, *audit.Log) {
	t.Helper()
	opts.Client = &http.Client{Transport: r}
	w, err := audit.NewWebhook("https://audit.example/events", opts)
	require.NoError(t, err)
	log, err := audit.Open(audit.Writer("a"), audit.To(w))
	require.NoError(t, err)
	return w, log
}

func TestAWebhookGetsEveryEventInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []int{500, 429, 200}}
		w, log := webhook(t, r, audit.WebhookOptions{BatchSize: 4})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Start(ctx) }()
		record(t, log, 1, 9)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []int{4, 4, 2}, r.sizes, "two calls failed and were made again")
		record(t, log, 10, 10)
		cancel()
		require.NoError(t, <-done)
		require.Len(t, r.lines, 11, "what was in the queue was sent at the end")
		report, err := audit.Verify(source(r.lines...))
		require.NoError(t, err)
		require.Equal(t, log.Head(), report.Chains[0].Head)
	})
}

func TestAFullQueueBlocksOrCounts(t *testing.T) {
	for name, full := range map[string]audit.Loss{"block": audit.Block, "count": audit.Count} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				metrics := prometheus.NewRegistry()
				r := &receiver{answers: []int{200}}
				w, log := webhook(t, r, audit.WebhookOptions{Queue: 3, Full: full, Registerer: metrics})
				done := make(chan struct{})
				failed := 0
				go func() {
					for n := range 5 {
						if log.Record(t.Context(), entry(n)) != nil {
							failed++
						}
					}
					close(done)
				}()
				synctest.Wait()
				ctx, cancel := context.WithCancel(t.Context())
				stopped := make(chan error)
				go func() { stopped <- w.Start(ctx) }()
				<-done
				time.Sleep(time.Minute)
				cancel()
				require.NoError(t, <-stopped)
				if full == audit.Block {
					require.Zero(t, failed)
					require.Len(t, r.lines, 6)
					return
				}
				require.Equal(t, 3, failed, "the caller is told")
				require.Len(t, r.lines, 3, "start and two entries")
				require.Equal(t, 3.0, counted(t, metrics, "tmc_audit_webhook_lost_total"))
			})
		})
	}
}

func TestWhatIsRefusedForGoodIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		metrics := prometheus.NewRegistry()
		r := &receiver{answers: []int{400, 200}}
		w, log := webhook(t, r, audit.WebhookOptions{Registerer: metrics})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Start(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		record(t, log, 1, 1)
		time.Sleep(time.Minute)
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, 2, r.calls)
		require.Len(t, r.lines, 1)
		_, err := audit.Verify(source(r.lines...))
		require.ErrorContains(t, err, "events 1 to 1 of writer a.", "the gap shows")
	})
}

func TestAWebhookThatStaysAwayDoesNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answers: []int{503}}
		w, log := webhook(t, r, audit.WebhookOptions{Drain: 5 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Start(ctx) }()
		record(t, log, 1, 3)
		cancel()
		require.NoError(t, <-done)
		require.ErrorIs(t, log.Record(t.Context(), entry(4)), audit.ErrClosed)
	})
}

func TestAWebhookNeedsAURL(t *testing.T) {
	for _, target := range []string{"", "file:///x", "audit.example", "https://"} {
		_, err := audit.NewWebhook(target, audit.WebhookOptions{})
		require.Error(t, err, target)
	}
}
