package notify_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/cluster"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/notify"
)

// receiver answers as it is told, the last answer for ever, and keeps what it took.
type receiver struct {
	mu      sync.Mutex
	answers []int
	calls   int
	events  []map[string]any
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	code := r.answers[min(r.calls, len(r.answers)-1)]
	r.calls++
	var batch []map[string]any
	if err := json.NewDecoder(req.Body).Decode(&batch); err != nil {
		return nil, err
	}
	if code < 300 && req.Header.Get("Content-Type") == "application/cloudevents-batch+json" {
		r.events = append(r.events, batch...)
	}
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
}

// run has a notifier send what tell tells it, for a while.
func run(t *testing.T, r *receiver, opts notify.Options, tell func(n *notify.Notifier)) {
	t.Helper()
	opts.Client = &http.Client{Transport: r}
	n, err := notify.New("https://events.example", opts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	tell(n)
	go func() { done <- n.Start(ctx) }()
	time.Sleep(5 * time.Minute)
	cancel()
	require.NoError(t, <-done)
}

func target(name string, leaving bool) v1alpha1.Target {
	return v1alpha1.Target{Cluster: name, Leaving: leaving}
}

func TestWhatHappensBecomesCloudEvents(t *testing.T) {
	decided := func(placed bool, before, after []v1alpha1.Target) func(*notify.Notifier) {
		return func(n *notify.Notifier) {
			n.Decided(context.Background(), placementcontroller.Decided{
				Workspace: "ws", Placement: types.NamespacedName{Namespace: "default", Name: "web"}, Before: before, After: after, Placed: placed, Reason: "R", Message: "m",
			})
		}
	}
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	ready, lost := &cluster.State{Name: "eu-1", Ready: true}, &cluster.State{Name: "eu-1", Reason: "Unreachable"}
	for name, tt := range map[string]struct {
		reason string
		tell   func(*notify.Notifier)
		kind   string // none: nothing is told
		about  string
		data   map[string]any
	}{
		"decided": {
			"the first decision moves nothing", decided(true, nil, []v1alpha1.Target{target("eu-1", false)}),
			notify.TypeDecided, "ws/default/web",
			map[string]any{"workspace": "ws", "namespace": "default", "name": "web", "before": []any{}, "after": []any{"eu-1"}, "reason": "R", "message": "m"},
		},
		"moved": {
			"it says from where to where",
			decided(true, []v1alpha1.Target{target("eu-1", false)}, []v1alpha1.Target{target("eu-1", true), target("us-1", false)}),
			notify.TypeMoved, "ws/default/web",
			map[string]any{"workspace": "ws", "namespace": "default", "name": "web", "before": []any{"eu-1"}, "after": []any{"us-1"}, "leaving": []any{"eu-1"}, "reason": "R", "message": "m"},
		},
		"left": {
			"that the old copy is gone is no second move",
			decided(true, []v1alpha1.Target{target("eu-1", true), target("us-1", false)}, []v1alpha1.Target{target("us-1", false)}),
			notify.TypeDecided, "ws/default/web",
			map[string]any{"workspace": "ws", "namespace": "default", "name": "web", "before": []any{"us-1"}, "after": []any{"us-1"}, "reason": "R", "message": "m"},
		},
		"refused": {
			"", decided(false, nil, nil), notify.TypeRefused, "ws/default/web",
			map[string]any{"workspace": "ws", "namespace": "default", "name": "web", "before": []any{}, "after": []any{}, "reason": "R", "message": "m"},
		},
		"health": {
			"", func(n *notify.Notifier) {
				n.Health(context.Background(), syncer.HealthChange{Original: syncer.Key{Kind: deployment, Workspace: "ws", Namespace: "shop", Name: "cart"}, Before: "Progressing", After: "Healthy"})
			}, notify.TypeHealth, "ws/shop/cart",
			map[string]any{"workspace": "ws", "kind": "Deployment", "namespace": "shop", "name": "cart", "before": "Progressing", "after": "Healthy"},
		},
		"cluster lost": {
			"", func(n *notify.Notifier) { n.Cluster(ready, lost) }, notify.TypeCluster, "eu-1",
			map[string]any{"name": "eu-1", "ready": false, "reason": "Unreachable"},
		},
		"cluster gone": {
			"", func(n *notify.Notifier) { n.Cluster(ready, nil) }, notify.TypeCluster, "eu-1",
			map[string]any{"name": "eu-1", "ready": false, "reason": "Removed", "message": "the cluster left the fleet"},
		},
		"cluster unchanged": {"its capacity is nobody's news", func(n *notify.Notifier) { n.Cluster(ready, ready) }, "", "", nil},
		"cluster new":       {"it is not ready yet", func(n *notify.Notifier) { n.Cluster(nil, lost) }, "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answers: []int{204}}
				run(t, r, notify.Options{Source: "/tmc/prod"}, tt.tell)
				if tt.kind == "" {
					require.Empty(t, r.events, tt.reason)
					return
				}
				require.Len(t, r.events, 1, tt.reason)
				got := r.events[0]
				require.NotEmpty(t, got["id"])
				require.NotEmpty(t, got["time"])
				delete(got, "id")
				delete(got, "time")
				want := map[string]any{
					"specversion": "1.0", "source": "/tmc/prod", "type": tt.kind, "subject": tt.about,
					"datacontenttype": "application/json", "data": tt.data,
				}
				require.Empty(t, cmp.Diff(want, got), tt.reason)
			})
		})
	}
}

func TestAReceiverThatIsAwayGetsEventsLaterAndHoldsUpNoOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		metrics := prometheus.NewRegistry()
		r := &receiver{answers: []int{503, 429, 200}}
		run(t, r, notify.Options{Queue: 5, Batch: 2, Registerer: metrics}, func(n *notify.Notifier) {
			for range 7 {
				n.Cluster(&cluster.State{Name: "a", Ready: true}, nil)
			}
		})
		require.Len(t, r.events, 5, "what found no room is dropped")
		require.Equal(t, 5, r.calls, "two failed, and three brought two, two and one")
		require.NoError(t, testutil.GatherAndCompare(metrics, strings.NewReader(`
# HELP tmc_notify_lost_total Events that the receiver did not get, by why: Full (the queue was) or Refused (by the receiver).
# TYPE tmc_notify_lost_total counter
tmc_notify_lost_total{reason="Full"} 2
# HELP tmc_notify_sent_total Events that the receiver took.
# TYPE tmc_notify_sent_total counter
tmc_notify_sent_total 5
`)))
	})
}

func TestWhatIsRefusedForGoodIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		metrics := prometheus.NewRegistry()
		r := &receiver{answers: []int{400}}
		run(t, r, notify.Options{Registerer: metrics}, func(n *notify.Notifier) { n.Cluster(&cluster.State{Name: "a", Ready: true}, nil) })
		require.Equal(t, 1, r.calls)
		require.NoError(t, testutil.GatherAndCompare(metrics, strings.NewReader(`
# HELP tmc_notify_lost_total Events that the receiver did not get, by why: Full (the queue was) or Refused (by the receiver).
# TYPE tmc_notify_lost_total counter
tmc_notify_lost_total{reason="Refused"} 1
`), "tmc_notify_lost_total"))
	})
}

func TestANotifierNeedsAURL(t *testing.T) {
	_, err := notify.New("events.example", notify.Options{})
	require.ErrorContains(t, err, "no http or https URL")
}
