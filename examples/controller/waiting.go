package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tmc-sdk/tmc/cluster/pull"
)

// awayError says that a server can't be reached, which time may mend.
type awayError struct{ error }

// Unwrap returns the cause.
func (e awayError) Unwrap() error { return e.error }

// longestWait is the longest time between two tries to enter.
const longestWait = 30 * time.Second

// patience tries again and again to enter while servers are away. An agent that ended
// instead would be started again later and later, and nobody would see why.
type patience struct {
	// health is the address at which probes are answered meanwhile: alive, and not
	// ready.
	health string
	// pause waits; false if ctx ended.
	pause func(ctx context.Context, d time.Duration) bool
}

// enter returns what try returns, unless that is an awayError.
func (p patience) enter(ctx context.Context, try func(context.Context) (*pull.Credentials, error)) (*pull.Credentials, error) {
	var room *waitingRoom
	defer func() { room.close() }()
	for wait := time.Second; ; wait = min(2*wait, longestWait) {
		credentials, err := try(ctx)
		away, ok := err.(awayError) //nolint:errorlint // it is what try itself returns, and nothing within
		if !ok {
			return credentials, err
		}
		if room == nil {
			if room, err = openWaitingRoom(p.health); err != nil {
				return nil, err
			}
		}
		reason := away.Error()
		room.reason.Store(&reason)
		log.FromContext(ctx).Info("The agent can't begin yet; it tries again", "in", wait.String(), "reason", reason)
		if !p.pause(ctx, wait) {
			return nil, fmt.Errorf("stopped while waiting: %w", away)
		}
	}
}

// waitingRoom answers probes before there is a manager that does.
type waitingRoom struct {
	server http.Server
	reason atomic.Pointer[string]
}

func openWaitingRoom(address string) (*waitingRoom, error) {
	room := &waitingRoom{}
	if address == "0" {
		return room, nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "ok") }) // a prober that went away
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "waiting to begin: "+*room.reason.Load(), http.StatusServiceUnavailable)
	})
	room.server = http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	empty := ""
	room.reason.Store(&empty)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serving.health: %w", err)
	}
	go func() { _ = room.server.Serve(listener) }() // it ends when it is closed
	return room, nil
}

func (r *waitingRoom) close() {
	if r != nil {
		_ = r.server.Close() // nobody is to be waited for
	}
}

// waitFor waits; false if ctx ended.
func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
