package cluster_test

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
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
)

// simulated are many clusters behind one server: each answers as far as a fleet
// asks, below a path of its own.
type simulated struct {
	mu    sync.Mutex
	down  map[string]bool
	nodes map[string]int
	// watches of the nodes of each cluster.
	watches map[string]map[chan *corev1.Node]bool
}

func newSimulated(t *testing.T) (*simulated, string) {
	t.Helper()
	s := &simulated{down: map[string]bool{}, nodes: map[string]int{}, watches: map[string]map[chan *corev1.Node]bool{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections) // watches would hold up Close
	return s, server.URL
}

func (s *simulated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	down := s.down[name]
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	query := r.URL.Query()
	switch {
	case down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case path == "readyz":
		_, _ = fmt.Fprint(w, "ok")
	case path == "version":
		_, _ = fmt.Fprint(w, `{"major":"1","minor":"36","gitVersion":"v1.36.3"}`)
	case path == "api":
		_ = json.NewEncoder(w).Encode(&metav1.APIVersions{Versions: []string{"v1"}})
	case path == "apis":
		_ = json.NewEncoder(w).Encode(&metav1.APIGroupList{})
	case path == "api/v1":
		_ = json.NewEncoder(w).Encode(&metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "Pod", Namespaced: true}}})
	case path == "api/v1/namespaces/kube-system":
		_ = json.NewEncoder(w).Encode(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: types.UID("uid-" + name)}})
	case query.Get("sendInitialEvents") == "true":
		err := apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ListOptions").GroupKind(), "", nil)
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(err.Status())
	case query.Get("watch") == "true":
		s.watch(w, r, name, path)
	case path == "api/v1/nodes":
		s.mu.Lock()
		list := &corev1.NodeList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
		for i := range s.nodes[name] {
			list.Items = append(list.Items, *simulatedNode(i))
		}
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(list)
	case path == "api/v1/pods":
		_ = json.NewEncoder(w).Encode(&corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// watch streams the nodes that are added.
func (s *simulated) watch(w http.ResponseWriter, r *http.Request, name, path string) {
	events := make(chan *corev1.Node, 100)
	if path == "api/v1/nodes" {
		s.mu.Lock()
		if s.watches[name] == nil {
			s.watches[name] = map[chan *corev1.Node]bool{}
		}
		s.watches[name][events] = true
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.watches[name], events)
		}()
	}
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case n, ok := <-events:
			if !ok {
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "ADDED", "object": n})
			_ = flush.Flush()
		}
	}
}

func simulatedNode(i int) *corev1.Node {
	return &corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("node-", i), ResourceVersion: "2", Labels: map[string]string{corev1.LabelTopologyRegion: "eu"}},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourcePods: resource.MustParse("110")},
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
			NodeInfo:    corev1.NodeSystemInfo{KubeletVersion: "v1.36.3", Architecture: "amd64", OperatingSystem: "linux"},
		},
	}
}

// grow adds a node to a cluster.
func (s *simulated) grow(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := simulatedNode(s.nodes[name])
	s.nodes[name]++
	for events := range s.watches[name] {
		events <- n
	}
}

// fail takes clusters down, watches and all, or brings them up.
func (s *simulated) fail(down bool, names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.down[name] = down
		if down {
			for events := range s.watches[name] {
				close(events)
			}
			delete(s.watches, name)
		}
	}
}

// TestTwoHundredClusters runs a fleet of two hundred clusters in one process:
// they become ready, a quarter of them fails and comes back, and what happens
// to one is told of that one only.
func TestTwoHundredClusters(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const count = 200
	sim, url := newSimulated(t)
	var regs []tmccluster.Registration
	var names []string
	for i := range count {
		name := fmt.Sprintf("c-%03d", i)
		sim.nodes[name] = 2
		names = append(names, name)
		regs = append(regs, tmccluster.Registration{Name: name, Config: &rest.Config{Host: url + "/" + name}})
	}
	before := runtime.NumGoroutine()
	fleet, err := tmccluster.NewFleet(tmccluster.WithSource(tmccluster.Static(regs...)),
		tmccluster.WithProbe(tmccluster.ProbePolicy{Interval: 500 * time.Millisecond, Timeout: 10 * time.Second, FailureThreshold: 2, SuccessThreshold: 1}))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- fleet.Start(ctx) }()
	start := time.Now()
	require.True(t, fleet.WaitForSync(ctx))
	t.Logf("%d clusters are ready after %s, with %d goroutines", count, time.Since(start).Round(time.Millisecond), runtime.NumGoroutine()-before)
	ready := func() (n int) {
		for st := range fleet.Snapshot().All() {
			if st.Ready {
				n++
			}
		}
		return n
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		require.Eventually(t, ok, time.Minute, 20*time.Millisecond, what)
	}
	require.Equal(t, count, ready())
	st, _ := fleet.Snapshot().Lookup("c-007")
	require.EqualValues(t, 2, st.Nodes)
	require.Equal(t, "eu", st.Properties[tmccluster.PropertyRegion].Text)
	// Client and server run in one process: a probe and two watches each, with
	// their connections. What matters is that it is so many per cluster.
	require.Less(t, runtime.NumGoroutine()-before, 40*count)

	var mu sync.Mutex
	changed := map[string]bool{}
	stop := fleet.Subscribe(func(c tmccluster.Change) {
		mu.Lock()
		defer mu.Unlock()
		if c.Old != nil {
			changed[c.Name()] = true
		}
	})
	sim.grow("c-007")
	until("a node that joins is counted", func() bool { st, _ := fleet.Snapshot().Lookup("c-007"); return st.Nodes == 3 })
	mu.Lock()
	require.Equal(t, map[string]bool{"c-007": true}, changed, "nobody else is told of")
	mu.Unlock()
	stop()

	sim.fail(true, names[:count/4]...)
	until("a quarter is unreachable, the others are not disturbed", func() bool { return ready() == count-count/4 })
	for _, name := range names[count/4:] {
		st, _ := fleet.Snapshot().Lookup(name)
		require.True(t, st.Ready, name)
	}
	sim.grow("c-001")
	sim.fail(false, names[:count/4]...)
	until("all are back", func() bool { return ready() == count })
	until("and what happened meanwhile is known", func() bool { st, _ := fleet.Snapshot().Lookup("c-001"); return st.Nodes == 3 })
	cancel()
	require.NoError(t, <-done)
}
