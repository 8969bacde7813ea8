package workspaces

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/kcp-dev/logicalcluster/v3"
)

// desk takes events in.
type desk struct {
	mu     sync.Mutex
	events map[string][]corev1.Event // by method and path
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e corev1.Event
	_ = json.NewDecoder(r.Body).Decode(&e)
	d.mu.Lock()
	path := r.Method + " " + r.URL.Path
	d.events[path] = append(d.events[path], e)
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if e.Name == "" {
		e.Name = r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		e.InvolvedObject = corev1.ObjectReference{Kind: "ConfigMap", APIVersion: "v1", Namespace: "default", Name: "settings", UID: "uid-1"}
		e.Source = corev1.EventSource{Component: "test"}
	}
	e.APIVersion, e.Kind = "v1", "Event"
	_ = json.NewEncoder(w).Encode(&e)
}

func (d *desk) of(path string) []corev1.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events[path]
}

func (d *desk) count() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, events := range d.events {
		n += len(events)
	}
	return n
}

func startDesk(t *testing.T) (*desk, *recorders) {
	t.Helper()
	d := &desk{events: map[string][]corev1.Event{}}
	server := httptest.NewServer(d)
	ctx, cancel := context.WithCancel(t.Context())
	before := goleak.IgnoreCurrent()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		cancel()
		client.CloseIdleConnections()
		require.Eventually(t, func() bool { return goleak.Find(before) == nil }, 20*time.Second, 20*time.Millisecond, "recorders leave nothing behind")
		server.Close()
	})
	return d, newRecorders(ctx, &rest.Config{Host: server.URL + "/services/apiexport/x", QPS: -1}, client, clientgoscheme.Scheme)
}

func settingsOf(workspace string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "settings", UID: types.UID("uid-" + workspace)}}
}

func TestEventsGoToTheWorkspaceOfTheirRecorder(t *testing.T) {
	d, r := startDesk(t)
	r.of("a").GetEventRecorderFor("tmc-sync").Event(settingsOf("a"), corev1.EventTypeWarning, "Refused", "100% no")
	r.of("b").GetEventRecorder("tmc-placement").Eventf(settingsOf("b"), nil, corev1.EventTypeWarning, "NoClusterFits", "Place", "%s", "nowhere")
	r.of("c").GetEventRecorderFor("tmc-sync").Eventf(settingsOf("c"), corev1.EventTypeNormal, "Told", "%d", 3)
	at := func(workspace string) string {
		return "POST /services/apiexport/x/clusters/" + workspace + "/api/v1/namespaces/default/events"
	}
	require.Eventually(t, func() bool { return d.count() == 3 }, 20*time.Second, 10*time.Millisecond)
	for workspace, want := range map[string]struct{ component, reason, message, action, kind string }{
		"a": {"tmc-sync", "Refused", "100% no", "", corev1.EventTypeWarning},
		"b": {"tmc-placement", "NoClusterFits", "nowhere", "Place", corev1.EventTypeWarning},
		"c": {"tmc-sync", "Told", "3", "", corev1.EventTypeNormal},
	} {
		got := d.of(at(workspace))
		require.Len(t, got, 1)
		e := got[0]
		require.Equal(t, want.component, e.Source.Component)
		require.Equal(t, want.component, e.ReportingController)
		require.Equal(t, want.reason, e.Reason)
		require.Equal(t, want.message, e.Message)
		require.Equal(t, want.action, e.Action)
		require.Equal(t, want.kind, e.Type)
		require.Equal(t, types.UID("uid-"+workspace), e.InvolvedObject.UID)
		require.Empty(t, e.Source.Host, "what leads the event is not written")
		require.Empty(t, e.ReportingInstance)
		require.Empty(t, e.Annotations)
	}
}

// What is told again is counted, in the same event, also once many alike are told of as
// one.
func TestEventsAlikeAreCounted(t *testing.T) {
	d, r := startDesk(t)
	tell := r.of("1").GetEventRecorderFor("test")
	tell.Event(settingsOf("1"), corev1.EventTypeNormal, "Told", "the same")
	tell.Event(settingsOf("1"), corev1.EventTypeNormal, "Told", "the same")
	require.Eventually(t, func() bool { return d.count() == 2 }, 20*time.Second, 10*time.Millisecond)
	made := d.of("POST /services/apiexport/x/clusters/1/api/v1/namespaces/default/events")
	require.Len(t, made, 1)
	again := d.of("PATCH /services/apiexport/x/clusters/1/api/v1/namespaces/default/events/" + made[0].Name)
	require.Len(t, again, 1)
	require.EqualValues(t, 2, again[0].Count)
	for i := range 15 {
		tell.Event(settingsOf("1"), corev1.EventTypeNormal, "Told", fmt.Sprint("another ", i))
	}
	require.Eventually(t, func() bool { return d.count() == 17 }, 20*time.Second, 10*time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.events {
		require.Contains(t, path, "/clusters/1/", "every event finds its workspace")
	}
}

// Events of a hundred workspaces take no more goroutines than those of eight.
func TestEventsTakeNoGoroutinePerWorkspace(t *testing.T) {
	d, r := startDesk(t)
	told := 0
	tell := func(from, to int) int {
		for i := from; i < to; i++ {
			name := fmt.Sprint("ws-", i)
			r.of(logicalcluster.Name(name)).GetEventRecorderFor("test").Event(settingsOf(name), corev1.EventTypeNormal, "Told", "it")
			told++
		}
		require.Eventually(t, func() bool { return d.count() == told }, 20*time.Second, 10*time.Millisecond)
		return runtime.NumGoroutine()
	}
	few := tell(0, 100)
	require.LessOrEqual(t, tell(100, 400), few+2*scribes, "connections may come and go")
}
