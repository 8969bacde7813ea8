package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// WebhookOptions configure a Webhook.
type WebhookOptions struct {
	// Client makes the calls. Default: one with a timeout of 30 seconds.
	Client *http.Client
	// BatchSize and BatchWait bound a batch: it is sent when it is full, or so
	// long after its first event. Default: 400 and a second.
	BatchSize int
	BatchWait time.Duration
	// Queue holds so many events while the receiver is slow or away. Default:
	// 10,000.
	Queue int
	// Full is the back-pressure rule: what becomes of an event for which the
	// queue has no room. Default: Block.
	Full Loss
	// Retry is the first pause after a failed call; it doubles up to a minute.
	// Default: a second.
	Retry time.Duration
	// Drain bounds how long Start goes on to send after its context ended.
	// Default: 10 seconds.
	Drain time.Duration
	// Registerer of the metrics tmc_audit_webhook_*. Nil: none.
	Registerer prometheus.Registerer
}

// Webhook sends events to a URL as the audit webhook of API servers does: each
// call posts an EventList of audit.k8s.io/v1. A call that fails, is refused
// with 429 or meets a fault of the server is made again until it succeeds, so a
// batch may arrive twice; Verify counts such events once. A call that is
// refused for good is counted, told of, and not made again.
type Webhook struct {
	url      string
	opts     WebhookOptions
	queue    chan *Event
	stopped  chan struct{}
	lost     prometheus.Counter
	rejected prometheus.Counter
	waiting  prometheus.GaugeFunc
}

var _ Sink = (*Webhook)(nil)

// ErrFull says that a queue had no room for an event, which is lost.
var ErrFull = errors.New("the queue is full")

// NewWebhook returns a sink; add it to the manager, or call Start.
func NewWebhook(target string, opts WebhookOptions) (*Webhook, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("audit: webhook %q is no http or https URL", target)
	}
	if opts.Client == nil {
		opts.Client = &http.Client{Timeout: 30 * time.Second}
	}
	for _, n := range []struct {
		value    *int
		fallback int
	}{{&opts.BatchSize, 400}, {&opts.Queue, 10_000}} {
		if *n.value <= 0 {
			*n.value = n.fallback
		}
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&opts.BatchWait, time.Second}, {&opts.Retry, time.Second}, {&opts.Drain, 10 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	w := &Webhook{url: target, opts: opts, queue: make(chan *Event, opts.Queue), stopped: make(chan struct{})}
	return w, w.register()
}

func (w *Webhook) register() error {
	w.lost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tmc_audit_webhook_lost_total", Help: "Events that were lost because the webhook's queue was full, or it was stopped.",
	})
	w.rejected = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tmc_audit_webhook_rejected_total", Help: "Events that the webhook refused for good.",
	})
	w.waiting = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tmc_audit_webhook_waiting_events", Help: "Events in the webhook's queue.",
	}, func() float64 { return float64(len(w.queue)) })
	if w.opts.Registerer == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{w.lost, w.rejected, w.waiting} {
		if err := w.opts.Registerer.Register(c); err != nil {
			return fmt.Errorf("audit: register metrics: %w", err)
		}
	}
	return nil
}

// Name implements Sink.
func (*Webhook) Name() string { return "webhook" }

// Write implements Sink. With Block it waits for room in the queue.
func (w *Webhook) Write(ctx context.Context, events ...*Event) error {
	for i, ev := range events {
		if err := w.put(ctx, ev); err != nil {
			w.lost.Add(float64(len(events) - i))
			return err
		}
	}
	return nil
}

func (w *Webhook) put(ctx context.Context, ev *Event) error {
	select {
	case <-w.stopped:
		return ErrClosed
	default:
	}
	if w.opts.Full == Count {
		select {
		case w.queue <- ev:
			return nil
		default:
			return ErrFull
		}
	}
	select {
	case w.queue <- ev:
		return nil
	case <-w.stopped:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("wait for room in the queue: %w", context.Cause(ctx))
	}
}

// Start sends until ctx ends, and then, for a while, what is in the queue.
func (w *Webhook) Start(ctx context.Context) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(w.opts.Drain, cancel) })()
	for {
		batch, more := w.gather(ctx)
		if len(batch) > 0 && !w.deliver(sending, batch) {
			w.lost.Add(float64(len(batch)))
		}
		if !more {
			break
		}
	}
	close(w.stopped)
	w.lost.Add(float64(len(w.queue)))
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica
// sends what it recorded.
func (*Webhook) NeedLeaderElection() bool { return false }

// gather waits for a batch. It returns no more when the context ended and the
// queue is empty.
func (w *Webhook) gather(ctx context.Context) (batch []*Event, more bool) {
	select {
	case ev := <-w.queue:
		batch = append(batch, ev)
	case <-ctx.Done():
		select {
		case ev := <-w.queue:
			batch = append(batch, ev)
		default:
			return nil, false
		}
	}
	timer := time.NewTimer(w.opts.BatchWait)
	defer timer.Stop()
	for len(batch) < w.opts.BatchSize {
		select {
		case ev := <-w.queue:
			batch = append(batch, ev)
			continue
		default:
		}
		select {
		case ev := <-w.queue:
			batch = append(batch, ev)
		case <-timer.C:
			return batch, true
		case <-ctx.Done():
			return batch, true
		}
	}
	return batch, true
}

// deliver sends a batch until the receiver has it, or refuses it for good. It
// returns false if the context ended before that.
func (w *Webhook) deliver(ctx context.Context, batch []*Event) bool {
	list := auditv1.EventList{
		TypeMeta: metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "EventList"},
		Items:    make([]Event, 0, len(batch)),
	}
	for _, ev := range batch {
		list.Items = append(list.Items, *ev)
	}
	body, err := json.Marshal(list)
	for wait := w.opts.Retry; err == nil; wait = min(2*wait, time.Minute) {
		again, failure := w.post(ctx, body)
		if failure == nil {
			return true
		}
		if !again {
			err = failure
			break
		}
		logr.FromContextOrDiscard(ctx).V(1).Info("The audit webhook failed and is tried again", "error", failure.Error())
		if pause(ctx, wait) != nil {
			return false
		}
	}
	w.rejected.Add(float64(len(batch)))
	logr.FromContextOrDiscard(ctx).Error(err, "The audit webhook refused events", "events", len(batch))
	return true
}

// post makes one call; again says whether another could succeed.
func (w *Webhook) post(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("audit: build request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.opts.Client.Do(req)
	if err != nil {
		return true, fmt.Errorf("audit: call webhook: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
	_ = resp.Body.Close()
	switch {
	case resp.StatusCode < 300:
		return false, nil
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= 500:
		return true, fmt.Errorf("audit: the webhook answered %s", resp.Status)
	}
	return false, fmt.Errorf("audit: the webhook answered %s", resp.Status)
}
