package notify

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
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Options configure a Notifier.
type Options struct {
	// Source of all events, a URI reference, as "/tmc/prod". Default: "/tmc".
	Source string
	// Client makes the calls. Default: one with a timeout of 10 seconds.
	Client *http.Client
	// Queue holds so many events while the receiver is slow or away. Default:
	// 1,000.
	Queue int
	// Batch is how many events one call brings at most. Default: 100.
	Batch int
	// Retry is the first pause after a failed call; it doubles up to a minute.
	// Default: a second.
	Retry time.Duration
	// Now tells the time. Default: time.Now.
	Now func() time.Time
	// Registerer of the metrics tmc_notify_*. Nil: none.
	Registerer prometheus.Registerer
}

// Notifier sends events. Make one with New and add it to the manager, or call
// Start. It is safe for concurrent use.
type Notifier struct {
	url   string
	opts  Options
	queue chan Event
	sent  prometheus.Counter
	lost  *prometheus.CounterVec
}

var (
	_ manager.Runnable               = (*Notifier)(nil)
	_ manager.LeaderElectionRunnable = (*Notifier)(nil)
)

// New returns a notifier that posts to a URL.
func New(target string, opts Options) (*Notifier, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("notify: %q is no http or https URL", target)
	}
	if opts.Source == "" {
		opts.Source = "/tmc"
	}
	if opts.Client == nil {
		opts.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if opts.Queue <= 0 {
		opts.Queue = 1000
	}
	if opts.Batch <= 0 {
		opts.Batch = 100
	}
	if opts.Retry <= 0 {
		opts.Retry = time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	n := &Notifier{url: target, opts: opts, queue: make(chan Event, opts.Queue)}
	return n, n.register()
}

func (n *Notifier) register() error {
	n.sent = prometheus.NewCounter(prometheus.CounterOpts{Name: "tmc_notify_sent_total", Help: "Events that the receiver took."})
	n.lost = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tmc_notify_lost_total", Help: "Events that the receiver did not get, by why: Full (the queue was) or Refused (by the receiver).",
	}, []string{"reason"})
	if n.opts.Registerer == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{n.sent, n.lost} {
		if err := n.opts.Registerer.Register(c); err != nil {
			return fmt.Errorf("notify: register metrics: %w", err)
		}
	}
	return nil
}

// put queues an event, and drops it where there is no room.
func (n *Notifier) put(kind, subject string, data any) {
	select {
	case n.queue <- n.event(kind, subject, data):
	default:
		n.lost.WithLabelValues("Full").Inc()
	}
}

// NeedLeaderElection says that every replica sends what happened in it.
func (*Notifier) NeedLeaderElection() bool { return false }

// Start sends until ctx ends. What is queued then is not sent.
func (n *Notifier) Start(ctx context.Context) error {
	for {
		batch := n.gather(ctx)
		if len(batch) == 0 {
			return nil
		}
		if !n.deliver(ctx, batch) {
			return nil
		}
	}
}

// gather waits for an event, and takes those that are there besides. It returns
// none when ctx ended.
func (n *Notifier) gather(ctx context.Context) (batch []Event) {
	select {
	case <-ctx.Done():
		return nil
	case e := <-n.queue:
		batch = append(batch, e)
	}
	for len(batch) < n.opts.Batch {
		select {
		case e := <-n.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// deliver sends a batch until it is taken, or refused for good. It returns false
// if ctx ended before that.
func (n *Notifier) deliver(ctx context.Context, batch []Event) bool {
	body, err := json.Marshal(batch)
	for wait := n.opts.Retry; err == nil; wait = min(2*wait, time.Minute) {
		var again bool
		if again, err = n.post(ctx, body); err == nil {
			n.sent.Add(float64(len(batch)))
			return true
		}
		if !again {
			break
		}
		logr.FromContextOrDiscard(ctx).V(1).Info("Sending events failed and is tried again", "error", err.Error())
		err = nil
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
	n.lost.WithLabelValues("Refused").Add(float64(len(batch)))
	logr.FromContextOrDiscard(ctx).Error(err, "Events were refused", "events", len(batch))
	return true
}

// post makes one call; again says whether another could succeed.
func (n *Notifier) post(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Content-Type", "application/cloudevents-batch+json")
	resp, err := n.opts.Client.Do(req)
	if err != nil {
		return true, fmt.Errorf("call receiver: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
	_ = resp.Body.Close()
	if resp.StatusCode < 300 {
		return false, nil
	}
	busy := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode >= 500
	return busy, errors.New("the receiver answered " + resp.Status)
}
