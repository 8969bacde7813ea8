package patient

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// pause between two looks at a server that is not ready.
	pause = 500 * time.Millisecond
	// lookTimeout bounds one look.
	lookTimeout = 5 * time.Second
)

// Config returns a copy of cfg whose requests wait while the server is not
// ready, if they are reads that can be cancelled and that are accepted by
// waits. A nil waits accepts all of them.
func Config(cfg *rest.Config, waits func(*http.Request) bool) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return newTransport(next, waits) })
	return cfg
}

type transport struct {
	next  http.RoundTripper
	waits func(*http.Request) bool
	// turn is held by the one request that looks whether the server is ready,
	// so that many that wait ask no more often than one.
	turn chan struct{}
}

func newTransport(next http.RoundTripper, waits func(*http.Request) bool) *transport {
	if waits == nil {
		waits = func(*http.Request) bool { return true }
	}
	return &transport{next: next, waits: waits, turn: make(chan struct{}, 1)}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if req.Method != http.MethodGet || ctx.Done() == nil || !t.waits(req) {
		return t.next.RoundTrip(req)
	}
	for again := false; ; again = true {
		resp, err := t.next.RoundTrip(req)
		if ctx.Err() != nil || (err == nil && !doubtful(resp.StatusCode)) {
			return resp, err
		}
		waited, ended := t.untilReady(ctx, req)
		if ended || (!waited && (err == nil || again)) {
			// It is ready and said so, or failed twice though it is.
			return resp, err
		}
		if err == nil {
			discard(resp)
		}
	}
}

// WrappedRoundTripper returns the transport that this one wraps.
func (t *transport) WrappedRoundTripper() http.RoundTripper { return t.next }

// doubtful says whether a server that is starting, or stopping, answers so to
// what it would grant when it is ready.
func doubtful(status int) bool {
	switch status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}

// untilReady waits until the server is ready. It says whether it had to wait,
// and whether the request ended meanwhile.
func (t *transport) untilReady(ctx context.Context, req *http.Request) (waited, ended bool) {
	for {
		select {
		case t.turn <- struct{}{}:
		case <-ctx.Done():
			return waited, true
		}
		ok := t.ready(ctx, req)
		if !ok {
			sleep(ctx, pause*9/10+rand.N(pause/5))
		}
		<-t.turn
		switch {
		case ctx.Err() != nil:
			return waited, true
		case ok:
			return waited, false
		}
		waited = true
	}
}

// ready asks the server whether it is. One that does not know the question, or
// may not answer it, is taken to be ready.
func (t *transport) ready(ctx context.Context, req *http.Request) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	look := req.Clone(ctx)
	look.URL = &url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: "/readyz"}
	resp, err := t.next.RoundTrip(look)
	if err != nil {
		return false
	}
	defer discard(resp)
	return resp.StatusCode < http.StatusInternalServerError && resp.StatusCode != http.StatusTooManyRequests
}

// discard ends with a response, so that its connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
