package cluster

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
)

// TestAFleetThatStopsLeavesNoGoroutine probes and reads a cluster over the
// network, lets it leave and come back, stops, and looks for what still runs.
func TestAFleetThatStopsLeavesNoGoroutine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/readyz":
			_, _ = w.Write([]byte("ok"))
		case r.URL.Path == "/api/v1/namespaces/kube-system":
			_, _ = w.Write([]byte(`{"metadata":{"uid":"u"}}`))
		case r.URL.Query().Get("watch") != "": // a cluster that hangs
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	before := goleak.IgnoreCurrent()
	source := make(script)
	f, err := NewFleet(WithSource(source), WithProbe(ProbePolicy{Interval: 200 * time.Millisecond, Timeout: 5 * time.Second, FailureThreshold: 3, SuccessThreshold: 1}))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Start(ctx) }()
	east := Registration{Name: "east", Config: &rest.Config{Host: server.URL}}
	known := func() bool {
		st, ok := f.Snapshot().Lookup("east")
		return ok && st.UID == "u"
	}
	source <- func(s Sink) { s.Set(east) }
	require.Eventually(t, known, time.Minute, 10*time.Millisecond)
	source <- func(s Sink) { s.Remove("east") }
	require.Eventually(t, func() bool { _, ok := f.Snapshot().Lookup("east"); return !ok }, time.Minute, 10*time.Millisecond)
	source <- func(s Sink) { s.Set(east) }
	require.Eventually(t, known, time.Minute, 10*time.Millisecond)
	require.Error(t, goleak.Find(before), "what runs is seen")
	cancel()
	require.NoError(t, <-done)
	require.Eventually(t, func() bool {
		server.CloseClientConnections() // what is kept alive is the transport's
		return goleak.Find(before) == nil
	}, time.Minute, 50*time.Millisecond, "%v", goleak.Find(before))
}
