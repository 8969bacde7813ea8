package patient

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
)

var errRefused = errors.New("connection refused")

// server is one that can be down, starting, or ready. It needs no network, so
// that a test can run in virtual time.
type server struct {
	mu    sync.Mutex
	state string
	// asked counts requests by path.
	asked map[string]int
	// answer is the status of every path but /readyz while it is ready.
	answer int
	// broken fails every request but /readyz while it is ready.
	broken bool
}

func newServer() *server {
	return &server{state: "ready", asked: map[string]int{}, answer: http.StatusOK}
}

func (s *server) become(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

func (s *server) times(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	s.asked[req.URL.Path]++
	status := s.answer
	switch {
	case s.state == "down":
		return nil, errRefused
	case s.state == "starting":
		status = http.StatusForbidden
		if req.URL.Path == "/readyz" {
			status = http.StatusInternalServerError
		}
	case req.URL.Path == "/readyz":
		status = http.StatusOK
	case s.broken:
		return nil, errRefused
	}
	body := ""
	if status == http.StatusOK {
		text, err := json.Marshal(&corev1.ConfigMapList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}})
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

func get(ctx context.Context, t *testing.T, rt http.RoundTripper, path string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://kcp.example.com"+path, nil)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestWhatWaits(t *testing.T) {
	cases := map[string]struct {
		reason string
		server func(*server)
		ctx    func(*testing.T) context.Context
		path   string
		status int
		err    error
		waited time.Duration
	}{
		"ready": {
			reason: "what works is passed on", path: "/list", status: 200,
		},
		"down for a while": {
			reason: "the request waits until the server is back", path: "/list", status: 200, waited: 20 * time.Second,
			server: func(s *server) { s.become("down"); time.AfterFunc(20*time.Second, func() { s.become("ready") }) },
		},
		"starting": {
			reason: "refusals of a server that is not ready mean nothing", path: "/list", status: 200, waited: 7 * time.Second,
			server: func(s *server) { s.become("starting"); time.AfterFunc(7*time.Second, func() { s.become("ready") }) },
		},
		"refused": {
			reason: "a server that is ready means what it says", path: "/list", status: 403,
			server: func(s *server) { s.answer = 403 },
		},
		"broken": {
			reason: "a request that fails though the server is ready is sent twice, not for ever", path: "/list", err: errRefused,
			server: func(s *server) { s.broken = true },
		},
		"cancelled": {
			reason: "a request that its owner gives up ends", path: "/list", err: errRefused, waited: 3 * time.Second,
			server: func(s *server) { s.become("down") },
			ctx: func(t *testing.T) context.Context {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				t.Cleanup(cancel)
				return ctx
			},
		},
		"nobody can cancel it": {
			reason: "it would outlive its owner", path: "/list", err: errRefused,
			server: func(s *server) { s.become("down") },
			ctx:    func(*testing.T) context.Context { return context.Background() },
		},
		"not accepted": {
			reason: "only what is asked for waits", path: "/other", err: errRefused,
			server: func(s *server) { s.become("down") },
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer()
				if tc.server != nil {
					tc.server(s)
				}
				ctx := t.Context()
				if tc.ctx != nil {
					ctx = tc.ctx(t)
				}
				start := time.Now()
				rt := newTransport(s, func(req *http.Request) bool { return req.URL.Path == "/list" })
				status, err := get(ctx, t, rt, tc.path)
				require.ErrorIs(t, err, tc.err, tc.reason)
				require.Equal(t, tc.status, status, tc.reason)
				require.InDelta(t, tc.waited.Seconds(), time.Since(start).Seconds(), 1, tc.reason)
			})
		})
	}
}

// TestManyThatWaitAskAsOne has a hundred requests wait for one server.
func TestManyThatWaitAskAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.become("down")
		rt := newTransport(s, nil)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				status, err := get(t.Context(), t, rt, "/list")
				if err != nil || status != http.StatusOK {
					t.Errorf("want 200, got %d, %v", status, err)
				}
			})
		}
		time.Sleep(10 * time.Second)
		if n := s.times("/readyz"); n > 25 {
			t.Errorf("want about 20 looks in ten seconds, got %d", n)
		}
		s.become("ready")
		start := time.Now()
		wg.Wait()
		if d := time.Since(start); d > time.Second {
			t.Errorf("want all to go on within a second, took %s", d)
		}
	})
}

// TestAReflectorComesBackAtOnce runs client-go's reflector against a server
// that is down for half a minute, with patience and without.
func TestAReflectorComesBackAtOnce(t *testing.T) {
	late := func(t *testing.T, rt func(http.RoundTripper) http.RoundTripper) (delay time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.become("down")
			transport := rt(s)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			listed := make(chan struct{}, 1)
			lw := &toolscache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
					if _, err := get(ctx, t, transport, "/list"); err != nil {
						return nil, err
					}
					listed <- struct{}{}
					return &corev1.ConfigMapList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, nil
				},
				WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
					return watch.NewFake(), nil
				},
			}
			r := toolscache.NewReflector(plain{lw}, &corev1.ConfigMap{}, toolscache.NewStore(toolscache.MetaNamespaceKeyFunc), 0)
			done := make(chan struct{})
			go func() { defer close(done); r.RunWithContext(ctx) }()
			time.Sleep(30 * time.Second)
			s.become("ready")
			start := time.Now()
			<-listed
			delay = time.Since(start)
			cancel()
			<-done
		})
		return delay
	}
	// The handler that pauses compares with the time at which the program began,
	// which in virtual time is far in the future.
	handlers := utilruntime.ErrorHandlers
	utilruntime.ErrorHandlers = nil
	t.Cleanup(func() { utilruntime.ErrorHandlers = handlers })
	with := late(t, func(rt http.RoundTripper) http.RoundTripper { return newTransport(rt, nil) })
	require.Less(t, with, time.Second)
	without := late(t, func(rt http.RoundTripper) http.RoundTripper { return rt })
	t.Logf("back after %s; without patience after %s", with, without)
}

// plain lists before it watches.
type plain struct{ *toolscache.ListWatch }

// IsWatchListSemanticsUnSupported is what client-go asks for.
func (plain) IsWatchListSemanticsUnSupported() bool { return true }

func TestConfigLeavesTheOriginalAlone(t *testing.T) {
	cfg := &rest.Config{Host: "https://kcp.example.com"}
	got := Config(cfg, nil)
	require.Nil(t, cfg.WrapTransport)
	require.NotNil(t, got.WrapTransport)
	s := newServer()
	wrapped, ok := got.WrapTransport(s).(*transport)
	require.True(t, ok)
	require.Equal(t, s, wrapped.WrappedRoundTripper())
}
