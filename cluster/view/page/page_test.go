package page

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/view"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fleet is a fleet that tests change.
type fleet struct {
	atomic.Pointer[cluster.Snapshot]
}

func (f *fleet) Snapshot() *cluster.Snapshot { return f.Load() }

func state(name string, change ...func(*cluster.State)) *cluster.State {
	s := &cluster.State{
		Name: name, Region: "eu", Zone: "eu-a", Ready: true, Reachable: true, Version: "v1.36.3", Nodes: 3, CapacityKnown: true,
		Allocatable: cluster.Resources{MilliCPU: 48000, Memory: 192 << 30}, Allocated: cluster.Resources{MilliCPU: 12500, Memory: 64 << 30},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func silent(s *cluster.State) {
	s.Ready, s.Reachable, s.UnreachableSince = false, false, start.Add(-3*time.Minute)
	s.Reason, s.Message = cluster.ReasonUnreachable, "dial tcp: i/o timeout"
}

// world is a fleet and workspaces to look at.
func world(t *testing.T) (*fleet, *view.View) {
	t.Helper()
	f := &fleet{}
	f.Store(cluster.NewSnapshot(
		state("eu-1"), state("us-1", silent),
		state("eu-2", func(s *cluster.State) { s.Unschedulable, s.Draining = true, true }),
		state("new", func(s *cluster.State) { s.Ready, s.CapacityKnown, s.Reason = false, false, cluster.ReasonConnecting }),
	))
	v := newView(t, f)
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	v.Set("1a2b3c", view.Object{Kind: deployment, KindName: "Deployment.apps", Namespace: "default", Name: "web", Health: view.Healthy, Clusters: []string{"eu-1"}})
	v.Set("9f8e7d", view.Object{Kind: deployment, KindName: "Deployment.apps", Namespace: "shop", Name: "cart", Health: view.Unsynced, Reason: "Conflict", Clusters: []string{"eu-1"}})
	return f, v
}

// newView returns a view of a fleet that nobody feeds with workspaces.
func newView(t *testing.T, f *fleet) *view.View {
	t.Helper()
	tenants, err := workspaces.NewProvider(&rest.Config{}, "tmc", workspaces.Options{})
	require.NoError(t, err)
	v := view.New()
	_, err = view.NewFeed(v, tenants, f, schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"})
	require.NoError(t, err)
	return v
}

func newPage(f *fleet, v *view.View) *Page {
	p := New(f, v)
	// Every look is a little later, so that nothing is old news.
	var looks atomic.Int64
	p.every = 10 * time.Millisecond
	p.now = func() time.Time { return start.Add(time.Duration(looks.Add(1)) * p.every) }
	return p
}

func get(t *testing.T, p *Page) (http.Header, string) {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/fleet", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Header(), w.Body.String()
}

func TestPageSaysHowTheFleetIs(t *testing.T) {
	f, v := world(t)
	_, body := get(t, newPage(f, v))
	for _, want := range []string{
		"2 of 4", // ready
		"silent for 3m0s; Unreachable: dial tcp: i/o timeout",
		`class="state draining"`, "not known",
		"35.5 free", "128.0 Gi free",
		"<td>9f8e7d<td>Deployment.apps shop/cart", "Conflict",
	} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, "default/web", "what is well is counted, not listed")
	require.Less(t, strings.Index(body, "us-1"), strings.Index(body, "<td>eu-1"), "what needs somebody comes first")
}

func TestPageOfNothing(t *testing.T) {
	f := &fleet{}
	f.Store(cluster.NewSnapshot())
	_, body := get(t, newPage(f, newView(t, f)))
	require.Contains(t, body, "There are no clusters")
	require.Contains(t, body, "Everything that is known is well")
}

func TestPageIsBounded(t *testing.T) {
	f, v := world(t)
	for i := range 3 * mostTroubles {
		kind := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
		v.Set(fmt.Sprintf("tenant-%d", i%7), view.Object{Kind: kind, Name: fmt.Sprint("web-", i), Health: view.Unplaced})
	}
	c := newPage(f, v).gather(start)
	require.Len(t, c.Troubles, mostTroubles)
	require.Equal(t, 2*mostTroubles+1, c.More)
}

// TestPageRunsNothingOfTenants: a name, a reason or a message is text.
func TestPageRunsNothingOfTenants(t *testing.T) {
	f, v := world(t)
	evil := `<img src=x onerror=alert(1)>"'</script>`
	f.Store(cluster.NewSnapshot(state("eu-1", func(s *cluster.State) { s.Ready, s.Message, s.Region = false, evil, evil })))
	v.Set(evil, view.Object{Name: evil, Namespace: evil, Health: view.Unsynced, Reason: evil})
	header, body := get(t, newPage(f, v))
	require.NotContains(t, body, "<img")
	require.Equal(t, 1, strings.Count(body, "</script>"))
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	require.NotContains(t, header.Get("Content-Security-Policy"), "script-src 'unsafe-inline'")
}

func TestPageIsOnlyRead(t *testing.T) {
	f, v := world(t)
	w := httptest.NewRecorder()
	newPage(f, v).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/fleet", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
}

// serve serves a page as a controller does.
func serve(t *testing.T, p *Page) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/fleet", p)
	mux.Handle("/fleet/events", p.Events())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/fleet"
}

func TestChangesAreSent(t *testing.T) {
	f, v := world(t)
	url := serve(t, newPage(f, v))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // it was read
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))

	lines := bufio.NewScanner(resp.Body)
	until := func(want string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		require.Fail(t, "the stream ended", "%s: %v", want, lines.Err())
	}
	until("2 of 4")
	f.Store(f.Load().With(state("us-1")))
	until("3 of 4")
}

// TestInABrowser looks at the page in a real browser, changes the fleet, and
// sees the document change by itself. TMC_SCREENSHOT names a file for a picture.
func TestInABrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" || testing.Short() {
		t.Skip("NOT TESTED in a browser: there is no chromium on the path, or -short is set")
	}
	f, v := world(t)
	url := serve(t, newPage(f, v))
	look := func(args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, browser, append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir(), "--window-size=1200,760",
		}, append(args, url)...)...)
		cmd.WaitDelay = 10 * time.Second
		out, err := cmd.Output()
		require.NoError(t, err)
		return string(out)
	}
	if file := os.Getenv("TMC_SCREENSHOT"); file != "" {
		look("--screenshot="+file, "--timeout=3000")
	}
	// The fleet changes as soon as the browser listens, so that what it shows in
	// the end it has from an event. The browser shows the end once the document
	// is loaded, which a picture that is slow holds up until events were sent.
	listens, sent := make(chan struct{}), make(chan struct{})
	inner := newPage(f, v)
	mux := http.NewServeMux()
	mux.HandleFunc("/fleet", func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(allowing{w}, r)
		_, _ = w.Write([]byte("<img src=hold>"))
	})
	mux.HandleFunc("/hold", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-sent:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/fleet/events", func(w http.ResponseWriter, r *http.Request) {
		f.Store(f.Load().With(state("us-1")))
		close(listens)
		inner.Events().ServeHTTP(&noting{ResponseWriter: w, sent: sent}, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	url = server.URL + "/fleet"
	_, before := get(t, inner)
	require.Contains(t, before, "2 of 4")
	after := look("--dump-dom")
	select {
	case <-listens:
	default:
		require.Fail(t, "the browser does not listen: does the policy let the script run?", after)
	}
	require.Contains(t, after, "3 of 4", "the document did not change by itself")
}

// allowing lets the document have a picture besides.
type allowing struct{ http.ResponseWriter }

func (a allowing) Write(p []byte) (int, error) {
	policy := a.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "img-src") {
		a.Header().Set("Content-Security-Policy", policy+"; img-src 'self'")
	}
	return a.ResponseWriter.Write(p)
}

// noting tells when a good many messages were sent.
type noting struct {
	http.ResponseWriter
	messages int
	sent     chan struct{}
}

func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

func (n *noting) Write(p []byte) (int, error) {
	if n.messages++; n.messages == 100 {
		close(n.sent)
	}
	return n.ResponseWriter.Write(p)
}
