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
	name     string
	url      string
	opts     WebhookOptions
	encode   func([]*Event) ([]byte, error)
	refused  func(answer []byte) (n int, why string) // of a call that succeeded; nil: none ever
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
	return newSender(&Webhook{name: "webhook", url: target, encode: encodeList}, opts)
}

// newSender completes a webhook that knows what it sends, and where.
func newSender(w *Webhook, opts WebhookOptions) (*Webhook, error) {
	target := w.url
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("audit: %s %q is no http or https URL", w.name, target)
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
	w.opts, w.queue, w.stopped = opts, make(chan *Event, opts.Queue), make(chan struct{})
	return w, w.register()
}

func (w *Webhook) register() error {
	w.lost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tmc_audit_" + w.name + "_lost_total", Help: "Events that were lost because the queue of the " + w.name + " was full, or it was stopped.",
	})
	w.rejected = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tmc_audit_" + w.name + "_rejected_total", Help: "Events that the receiver of the " + w.name + " refused for good.",
	})
	w.waiting = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tmc_audit_" + w.name + "_waiting_events", Help: "Events in the queue of the " + w.name + ".",
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
func (w *Webhook) Name() string { return w.name }

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
	body, err := w.encode(batch)
	for wait := w.opts.Retry; err == nil; wait = min(2*wait, time.Minute) {
		answer, again, failure := w.post(ctx, body)
		if failure == nil {
			w.countRefused(ctx, answer)
			return true
		}
		if !again {
			err = failure
			break
		}
		logr.FromContextOrDiscard(ctx).V(1).Info("Sending audit events failed and is tried again", "sink", w.name, "error", failure.Error())
		if pause(ctx, wait) != nil {
			return false
		}
	}
	w.rejected.Add(float64(len(batch)))
	logr.FromContextOrDiscard(ctx).Error(err, "Audit events were refused", "sink", w.name, "events", len(batch))
	return true
}

// countRefused counts what a receiver refused of a batch that it took.
func (w *Webhook) countRefused(ctx context.Context, answer []byte) {
	if w.refused == nil {
		return
	}
	if n, why := w.refused(answer); n > 0 {
		w.rejected.Add(float64(n))
		logr.FromContextOrDiscard(ctx).Error(errors.New(why), "Audit events were refused", "sink", w.name, "events", n)
	}
}

// encodeList is what API servers send.
func encodeList(batch []*Event) ([]byte, error) {
	list := auditv1.EventList{
		TypeMeta: metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "EventList"},
		Items:    make([]Event, 0, len(batch)),
	}
	for _, ev := range batch {
		list.Items = append(list.Items, *ev)
	}
	return json.Marshal(list)
}

// post makes one call; again says whether another could succeed.
func (w *Webhook) post(ctx context.Context, body []byte) (answer []byte, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, false, fmt.Errorf("audit: build request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.opts.Client.Do(req)
	if err != nil {
		return nil, true, fmt.Errorf("audit: call %s: %w", w.name, err)
	}
	answer, _ = io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // to the end, so that the connection is used again
	_ = resp.Body.Close()
	switch {
	case resp.StatusCode < 300:
		return answer, false, nil
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= 500:
		return nil, true, fmt.Errorf("audit: the %s answered %s", w.name, resp.Status)
	}
	return nil, false, fmt.Errorf("audit: the %s answered %s", w.name, resp.Status)
}
