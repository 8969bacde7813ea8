package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcptenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// Scenario 21: kcp goes away, restarts, comes back.
func TestKcpStopsAndRestartsNoCopyIsDeletedAndWorkResumes(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	require.NoError(t, servers.kcp.Stop(t.Context()))
	// A copy that changes while kcp is down is looked at, and stays.
	w.setStatus("east", copied, ready(1))
	w.mustStay(2*time.Second, "east", copied)
	require.NoError(t, servers.kcp.Restart(t.Context()))

	w.waitOriginal(0, d, condition("Healthy", "True", "Healthy"))
	eventually(t, "update", func() error {
		original := w.waitOriginal(0, d)
		if err := unstructured.SetNestedField(original.Object, int64(4), "spec", "replicas"); err != nil {
			return err
		}
		return w.tenant(0).Update(t.Context(), original)
	})
	now := w.waitCopy("east", 0, d, field("spec.replicas", 4))
	require.Equal(t, copied.GetUID(), now.GetUID(), "the copy is the same throughout")
}

// mustStay watches a copy for a while: it must neither go nor be about to.
func (w *world) mustStay(d time.Duration, cluster string, copied *unstructured.Unstructured) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		u := object(copied.GroupVersionKind(), "", "")
		require.NoError(w.t, w.cluster(cluster).Get(w.t.Context(), client.ObjectKeyFromObject(copied), u))
		require.Nil(w.t, u.GetDeletionTimestamp())
		require.Equal(w.t, copied.GetUID(), u.GetUID())
	}
}

// Scenario 21: kcp serves an empty list.
func TestAnEmptyListIsNotDeletion(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	w.stopLoop()

	lie := &emptyLists{resource: "/deployments"}
	lie.on.Store(true)
	w.upstreamWrap = lie.wrap
	w.upstream.reset()
	w.physical.reset()
	w.start()
	eventually(t, "the lie was told", func() error {
		if lie.told.Load() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	w.mustStay(3*time.Second, "east", copied)
	require.Zero(t, w.physical.n.Load(), "nothing is written to clusters:\n%s", &w.physical)
}

// emptyLists makes an API server answer that there is nothing, as a cache that
// was just started might.
type emptyLists struct {
	resource string
	on       atomic.Bool
	told     atomic.Int32
	next     http.RoundTripper
}

func (e *emptyLists) wrap(next http.RoundTripper) http.RoundTripper {
	e.next = next
	return e
}

func (e *emptyLists) RoundTrip(r *http.Request) (*http.Response, error) {
	wildcard := strings.Contains(r.URL.Path, "/clusters/*/") || strings.Contains(r.URL.EscapedPath(), "/clusters/%2A/")
	if !e.on.Load() || !wildcard || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, e.resource) {
		return e.next.RoundTrip(r)
	}
	e.told.Add(1)
	resp := &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r}
	resp.Header.Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") == "" {
		resp.Body = io.NopCloser(strings.NewReader(`{"kind":"DeploymentList","apiVersion":"apps/v1","metadata":{"resourceVersion":"1"},"items":[]}`))
		return resp, nil
	}
	// A list that is streamed ends with a bookmark; after it, silence.
	body, stream := io.Pipe()
	go func() {
		_, _ = stream.Write([]byte(`{"type":"BOOKMARK","object":{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`))
		<-r.Context().Done()
		_ = stream.Close()
	}()
	resp.Body = body
	return resp, nil
}

// Scenario 21: the endpoint disappears from the slice, and comes back.
func TestAVanishedEndpointIsNotDeletion(t *testing.T) {
	w := newWorld(t, 1)
	w.spoiled = true
	w.start()
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	platform, err := servers.kcp.Client(w.platform.Path)
	require.NoError(t, err)
	slice := &kcpapisv1alpha1.APIExportEndpointSlice{}
	require.NoError(t, platform.Get(t.Context(), client.ObjectKey{Name: w.export}, slice))
	require.NoError(t, platform.Delete(t.Context(), slice))
	w.mustStay(3*time.Second, "east", copied)

	again := &kcpapisv1alpha1.APIExportEndpointSlice{Spec: slice.Spec}
	again.Name = slice.Name
	eventually(t, "the slice comes back", func() error {
		err := platform.Create(t.Context(), again.DeepCopy())
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	original := w.waitOriginal(0, d)
	require.NoError(t, unstructured.SetNestedField(original.Object, int64(4), "spec", "replicas"))
	require.NoError(t, w.tenant(0).Update(t.Context(), original))
	now := w.waitCopy("east", 0, d, field("spec.replicas", 4))
	require.Equal(t, copied.GetUID(), now.GetUID())
}

// Scenario 21: the loop starts before there is an endpoint, or even an export.
func TestTheLoopWaitsForAnEndpointThatIsNotServedYet(t *testing.T) {
	w := newWorldWithoutExport(t)
	w.start()
	require.NoError(t, servers.kcp.Export(t.Context(), w.platform.Path, w.apiExport()))
	require.NoError(t, servers.kcp.Bind(t.Context(), w.tenants[0].Path, w.platform.Path, w.export))
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	w.waitCopy("east", 0, d)
}

// Scenario 22: a cluster that hangs holds up no other, and converges later.
func TestAFrozenClusterHoldsUpNoOther(t *testing.T) {
	w := newWorld(t, 1)
	w.start()
	d := deployment("web", 2)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1), target("west", 1))
	w.waitCopy("east", 0, d)
	west := w.waitCopy("west", 0, d)

	frozen := w.server("west")
	require.NoError(t, frozen.Freeze())
	thaw := func() { _ = frozen.Thaw() }
	t.Cleanup(thaw)
	for i := range 5 {
		more := deployment(fmt.Sprintf("more-%d", i), 1)
		require.NoError(t, w.tenant(0).Create(t.Context(), more))
		w.waitCopy("east", 0, more)
	}
	w.waitOriginal(0, d, condition("Synced", "False", "ClusterUnavailable"))
	thaw()
	for i := range 5 {
		w.waitCopy("west", 0, deployment(fmt.Sprintf("more-%d", i), 1))
	}
	now := w.waitCopy("west", 0, d)
	require.Equal(t, west.GetUID(), now.GetUID())
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
}

// Scenario 23, between the finalizer and the copy, and between the copy and the
// status: the loop is stopped at once when the write was made.
func TestAKilledLoopConvergesWithoutOrphans(t *testing.T) {
	for name, path := range map[string]string{
		"after the finalizer": "/deployments/web",
		"after the status":    "/deployments/web/status",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			kill := &killer{suffix: path}
			w.upstreamWrap = kill.wrap
			kill.stop = func() { w.loop.stop() }
			w.start()
			d := deployment("web", 1)
			require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
			w.decide(0, target("east", 1))
			<-w.loop.done

			w.upstreamWrap = nil
			w.start()
			w.waitCopy("east", 0, d)
			w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
			require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
			w.waitNoCopy("east", 0, d)
			w.waitNoOriginal(0, d)
		})
	}
}

// killer stops the loop when the first write to a path has been made, before
// the loop learns of its success.
type killer struct {
	suffix string
	stop   func()
	done   atomic.Bool
	next   http.RoundTripper
}

func (k *killer) wrap(next http.RoundTripper) http.RoundTripper {
	k.next = next
	return k
}

func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := k.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, k.suffix) && k.done.CompareAndSwap(false, true) {
		_ = resp.Body.Close()
		k.stop()
		return nil, errors.New("the process died")
	}
	return resp, err
}

// Scenario 26: the tenant rejects the claim on config maps.
func TestARejectedClaimDeletesNothing(t *testing.T) {
	w := newWorldWithoutExport(t)
	require.NoError(t, servers.kcp.Export(t.Context(), w.platform.Path, w.apiExport()))
	require.NoError(t, servers.kcp.Bind(t.Context(), w.tenants[0].Path, w.platform.Path, w.export, "configmaps"))
	w.start()
	cm := configMap("settings", "1")
	require.NoError(t, w.tenant(0).Create(t.Context(), cm.DeepCopy()))
	d := mentioning(deployment("web", 1), "settings")
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	w.waitCopy("east", 0, d)
	w.waitOriginal(0, d, condition("Synced", "False", "ClaimRejected"))
	_, err := w.copyOf("east", 0, cm)
	require.True(t, apierrors.IsNotFound(err))

	require.NoError(t, servers.kcp.Bind(t.Context(), w.tenants[0].Path, w.platform.Path, w.export))
	w.waitCopy("east", 0, cm)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
}

// Scenario 26: the tenant takes back a claim that was accepted. What went down
// by it stays, nobody runs in circles, and when it is accepted again all goes on.
func TestAClaimThatIsTakenBackDeletesNothing(t *testing.T) {
	w := newWorld(t, 1)
	w.spoiled = true
	w.start()
	cm := configMap("settings", "1")
	require.NoError(t, w.tenant(0).Create(t.Context(), cm.DeepCopy()))
	d := mentioning(deployment("web", 1), "settings")
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	work, settings := w.waitCopy("east", 0, d), w.waitCopy("east", 0, cm)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	bind := func(reject ...string) {
		t.Helper()
		require.NoError(t, servers.kcp.Bind(t.Context(), w.tenants[0].Path, w.platform.Path, w.export, reject...))
	}
	for _, rejected := range [][]string{{"configmaps"}, {"secrets"}, {"events"}, {"configmaps", "secrets", "events"}} {
		bind(rejected...)
		before := reconciles(t)
		w.mustStay(time.Second, "east", settings)
		w.mustStay(time.Second, "east", work)
		require.Less(t, reconciles(t)-before, 40.0, "reconciles in two seconds without %v", rejected)
		if slices.Contains(rejected, "configmaps") {
			w.waitOriginal(0, d, condition("Synced", "False", "ClaimRejected"))
		} else {
			w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
		}
		// What is not claimed at all is still synced.
		value := strings.Join(rejected, "-")
		w.relabel(0, value)
		w.waitCopy("east", 0, d, field("metadata.labels.version", value))
	}
	bind()
	eventually(t, "change what was out of sight", func() error {
		u := w.waitOriginal(0, cm)
		u.Object["data"] = map[string]any{"key": "2"}
		return w.tenant(0).Update(t.Context(), u)
	})
	again := w.waitCopy("east", 0, cm, field("data.key", "2"))
	require.Equal(t, settings.GetUID(), again.GetUID())
}

// Scenario 27, with 400 objects, or as many as TMC_SYNC_OBJECTS says: a
// restart over what is in sync writes nothing, on either side. Law 6: before
// that, two writes each upstream.
func TestARestartWritesNothing(t *testing.T) {
	objects := 400
	if text := os.Getenv("TMC_SYNC_OBJECTS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err, "TMC_SYNC_OBJECTS is a number")
		objects = n / 4 * 4
	}
	w := newWorld(t, 4)
	w.start()
	for i := range w.tenants {
		w.decide(i, target([]string{"east", "west", "north"}[i%3], 1))
	}
	parallel(t, 16, objects, func(i int) error {
		return w.tenant(i%4).Create(t.Context(), deployment(fmt.Sprintf("web-%d", i/4), 1))
	})
	last := func(tenant int) *unstructured.Unstructured { return deployment(fmt.Sprintf("web-%d", objects/4-1), 1) }
	for i := range w.tenants {
		for n := range objects / 4 {
			w.waitOriginal(i, deployment(fmt.Sprintf("web-%d", n), 1), condition("Synced", "True", "Synced"))
		}
		w.waitOriginal(i, last(i), condition("Synced", "True", "Synced"))
	}
	require.EqualValues(t, 2*objects, w.upstream.n.Load(), "a finalizer and a status for each")
	require.EqualValues(t, objects+4, w.physical.n.Load(), "a copy for each, and the namespaces")
	w.stopLoop()

	w.upstream.reset()
	w.physical.reset()
	began := time.Now()
	w.start()
	// The sentinel is behind all that was there before: bulk is told first, and
	// the queue is empty after.
	sentinel := deployment("sentinel", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), sentinel.DeepCopy()))
	w.waitOriginal(0, sentinel, condition("Synced", "True", "Synced"))
	eventually(t, "the queue is empty", w.queueEmpty)
	t.Logf("settled after %s", time.Since(began))
	require.EqualValues(t, 2, w.upstream.n.Load(), "only the sentinel's:\n%s", &w.upstream)
	require.EqualValues(t, 1, w.physical.n.Load(), "only the sentinel's:\n%s", &w.physical)
}

// queueEmpty says whether the queue of the loop that started last is empty and
// nobody works on it, some times in a row.
func (w *world) queueEmpty() error {
	for range 5 {
		for series, value := range queueGauges(w.t) {
			if value > w.idle[series] {
				return fmt.Errorf("%s is %v, and was %v before the loop started", series, value, w.idle[series])
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// queueGauges returns what tells work from rest, by name and labels. The gauges
// are the process's: a loop that was stopped with a full queue leaves them as
// they were, so one reading means nothing without one from before the start.
func queueGauges(tb testing.TB) map[string]float64 {
	tb.Helper()
	families, err := metrics.Registry.Gather()
	require.NoError(tb, err)
	gauges := map[string]float64{}
	for _, f := range families {
		switch f.GetName() {
		case "workqueue_depth", "controller_runtime_active_workers":
		default:
			continue
		}
		for _, m := range f.GetMetric() {
			series, ours := f.GetName(), false
			for _, l := range m.GetLabel() {
				series += fmt.Sprintf(",%s=%s", l.GetName(), l.GetValue())
				ours = ours || (l.GetName() == "name" || l.GetName() == "controller") && l.GetValue() == "tmc-sync"
			}
			if ours {
				gauges[series] = m.GetGauge().GetValue()
			}
		}
	}
	return gauges
}

// Law 8: what a lost cluster holds is tried again later and later, not all the
// time; and a cluster that returns is tended to at once. Scenario 17: what it still
// runs when it returns is retired, once, and nothing flaps.
func TestALostClusterCausesNoHotLoopAndIsTendedToOnItsReturn(t *testing.T) {
	w, j := newWorld(t, 1), &journal{}
	w.start(syncer.WithAudit(j))
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1), target("west", 1))
	kept := w.waitCopy("east", 0, d)
	w.setStatus("east", kept, ready(1))
	w.waitCopy("west", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	lost := w.server("west")
	require.NoError(t, lost.Stop(t.Context()))
	w.decide(0, target("east", 1), leaving("west"))
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))
	before := reconciles(t)
	time.Sleep(3 * time.Second)
	require.Less(t, reconciles(t)-before, 30.0, "reconciles in three seconds")

	require.NoError(t, lost.Restart(t.Context()))
	back := time.Now()
	w.waitNoCopy("west", 0, d)
	require.Less(t, time.Since(back), 15*time.Second)
	w.decide(0, target("east", 1)) // as the placement controller does when nothing is left
	w.setStatus("east", kept, map[string]any{"replicas": int64(1)})
	w.waitOriginal(0, d, field("status.readyReplicas", nil), condition("Synced", "True", "Synced"))
	require.Equal(t, kept.GetUID(), w.waitCopy("east", 0, d).GetUID())
	lines := slices.DeleteFunc(j.lines("Deployment"), func(line string) bool { return strings.HasSuffix(line, " failed") })
	slices.Sort(lines)
	require.Equal(t, []string{"created Placed east", "created Placed west", "deleted Moved west"}, lines)
}

// reconciles counts what the loop's controller has done so far.
func reconciles(t *testing.T) (n float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "controller" && l.GetValue() == "tmc-sync" {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

// Scenario 24: a cluster is lost; the policy lets the deletion complete.
func TestALostClusterIsReleasedByPolicyAndRetiredOnItsReturn(t *testing.T) {
	w := newWorld(t, 1)
	var left sync.Map // what was left behind, by the audit
	w.start(syncer.ReleaseLostAfter(time.Second), syncer.WithAudit(syncer.AuditFunc(func(_ context.Context, c syncer.Change) {
		if c.Action == syncer.ActionReleased {
			left.Store(string(c.OriginalUID), c)
		}
	})))
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("west", 1))
	copied := w.waitCopy("west", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	lost := w.server("west")
	require.NoError(t, lost.Stop(t.Context()))
	back := func() { require.NoError(t, lost.Restart(t.Context())) }
	require.NoError(t, w.tenant(0).Delete(t.Context(), d.DeepCopy()))
	w.waitNoOriginal(0, d)
	eventually(t, "the owner is told", func() error {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("v1")
		list.SetKind("EventList")
		if err := w.tenant(0).List(t.Context(), list, client.InNamespace("default")); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Object["reason"] == "Released" {
				return nil
			}
		}
		return fmt.Errorf("%d events, none of them Released", len(list.Items))
	})
	told, _ := left.Load(copied.GetAnnotations()[transform.AnnotationUID])
	change, ok := told.(syncer.Change)
	require.True(t, ok, "the audit tells of it")
	require.Equal(t, []any{"west", syncer.CauseClusterLost, "web"}, []any{change.Cluster, change.Cause, change.Original.Name})
	back()
	w.waitNoCopy("west", 0, d)
}

// Scenario 24: a cluster that is removed for ever holds no workspace.
func TestAWorkspaceIsDeletedThoughAClusterIsLost(t *testing.T) {
	w := newWorld(t, 1)
	w.spoiled = true
	w.start(syncer.ReleaseLostAfter(time.Second))
	d := deployment("web", 1)
	require.NoError(t, w.tenant(0).Create(t.Context(), d.DeepCopy()))
	w.decide(0, target("west", 1))
	w.waitCopy("west", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	lost := w.server("west")
	require.NoError(t, lost.Stop(t.Context()))
	t.Cleanup(func() { require.NoError(t, lost.Restart(context.Background())) })
	root, err := servers.kcp.Client(tmcenvtest.Root)
	require.NoError(t, err)
	ws := &kcptenancyv1alpha1.Workspace{}
	ws.Name = w.tenants[0].Path.Base()
	require.NoError(t, root.Delete(t.Context(), ws))
	eventually(t, "the workspace is gone", func() error {
		err := root.Get(t.Context(), client.ObjectKeyFromObject(ws), ws)
		if err == nil {
			return fmt.Errorf("it is there: %v", ws.Status.Conditions)
		}
		return client.IgnoreNotFound(err)
	})
}

func (w *world) server(name string) *tmcenvtest.Cluster {
	w.t.Helper()
	for _, c := range servers.clusters {
		if c.Name() == name {
			return c
		}
	}
	w.t.Fatalf("no cluster %q", name)
	return nil
}
