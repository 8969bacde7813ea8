package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster/pull"
)

// An agent whose mailbox can't be reached when it starts waits, alive and not ready,
// says why, and begins when it can.
func TestAnAgentThatCannotBeginWaits(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	ask := func(path string) (int, string) {
		response, err := http.Get("http://" + address + path)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(body)
	}
	var waits []time.Duration
	p := patience{health: address, pause: func(_ context.Context, d time.Duration) bool {
		waits = append(waits, d)
		status, why := ask("/readyz")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, why, "waiting to begin: connection refused")
		status, _ = ask("/healthz")
		require.Equal(t, http.StatusOK, status, "it is not to be killed")
		return true
	}}
	tries := 0
	_, err = p.enter(t.Context(), func(context.Context) (*pull.Credentials, error) {
		if tries++; tries <= 7 {
			return nil, awayError{errors.New("connection refused")}
		}
		return nil, nil
	})
	require.NoError(t, err)
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, longestWait, longestWait}, waits)
	again, err := net.Listen("tcp", address)
	require.NoError(t, err, "the address is free for the manager")
	require.NoError(t, again.Close())
}

// What time does not mend ends the agent at once, and so does a stop.
func TestAnAgentWaitsForNothingElse(t *testing.T) {
	p := patience{health: "0", pause: func(context.Context, time.Duration) bool { return false }}
	_, err := p.enter(t.Context(), func(context.Context) (*pull.Credentials, error) { return nil, pull.ErrRefused })
	require.ErrorIs(t, err, pull.ErrRefused)
	away := awayError{errors.New("no route")}
	_, err = p.enter(t.Context(), func(context.Context) (*pull.Credentials, error) { return nil, away })
	require.ErrorContains(t, err, "stopped while waiting: no route")
}
