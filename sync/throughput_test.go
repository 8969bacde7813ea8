package syncer_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

const (
	bulkObjects = 1000
	bulkTenants = 20
)

// BenchmarkThroughput syncs 1,000 small objects of 20 workspaces to 3 clusters.
// Its baselines are bare clients on the same servers in the same run. Each
// object costs the loop one write on its cluster and two on kcp, so there are
// two ratios to look at:
//
//   - end-to-end: against bare clients that write the same finalizer and the
//     same status to kcp and apply the object, one after the other;
//   - bulk, where kcp is not the limit: one override per workspace changes all
//     copies, against bare server-side apply of as many changed objects.
//
// It states the writes per object on each side, and the heap per synced object,
// in all and beyond one cached copy of original and copy. Run it with
// -benchtime=1x.
func BenchmarkThroughput(b *testing.B) {
	w := newWorld(b, bulkTenants)
	for i := range w.tenants {
		w.decide(i, target(servers.clusters[i%3].Name(), 1))
		parallel(b, 8, bulkObjects/bulkTenants, func(n int) error {
			return w.tenant(i).Create(b.Context(), deployment(fmt.Sprintf("web-%d", n), 1))
		})
	}
	for range b.N {
		empty := heap()
		began := time.Now()
		w.start()
		eventually(b, "every object is synced and reported", func() error {
			return atLeast(&w.upstream, 2*bulkObjects)
		})
		took := time.Since(began)
		eventually(b, "the loop rests", w.queueEmpty)
		b.ReportMetric(bulkObjects/took.Seconds(), "objects/s")
		b.ReportMetric(float64(w.upstream.n.Load())/bulkObjects, "writes-up/object")
		b.ReportMetric(float64(w.physical.n.Load())/bulkObjects, "writes-down/object")
		inUse := heap() - empty
		one := w.oneOfEach(b)
		b.ReportMetric(float64(inUse)/bulkObjects, "heap-B/object")
		b.ReportMetric(float64(inUse-one)/bulkObjects, "heap-beyond-copies-B/object")

		bulk := w.overrideAll(b)
		clients := w.virtual(b)
		w.stopLoop()
		b.ReportMetric(bulkObjects/bulk.Seconds(), "bulk-applies/s")

		w.rawApply(b, "1") // makes them, with namespaces and all that is first
		raw := w.rawApply(b, "2")
		b.ReportMetric(bulkObjects/raw.Seconds(), "raw-applies/s")
		b.ReportMetric(raw.Seconds()/bulk.Seconds(), "bulk-ratio")

		rawAll := w.rawEndToEnd(b, clients)
		b.ReportMetric(bulkObjects/rawAll.Seconds(), "raw-objects/s")
		b.ReportMetric(rawAll.Seconds()/took.Seconds(), "end-to-end-ratio")
	}
}

func atLeast(c *counter, n int64) error {
	if got := c.n.Load(); got < n {
		return fmt.Errorf("%d writes of %d", got, n)
	}
	return nil
}

// overrideAll changes every copy by one override per workspace, and returns
// how long it took until all were applied.
func (w *world) overrideAll(b *testing.B) time.Duration {
	b.Helper()
	w.physical.reset()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"overrides":[{"mergePatch":{"metadata":{"labels":{"bulk":"yes"}}}}]}}`))
	began := time.Now()
	parallel(b, 8, len(w.tenants), func(i int) error {
		p := &unstructured.Unstructured{}
		p.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Placement"))
		p.SetNamespace("default")
		p.SetName("default")
		return w.tenant(i).Patch(b.Context(), p, patch)
	})
	eventually(b, "every copy is changed", func() error { return atLeast(&w.physical, bulkObjects) })
	return time.Since(began)
}

// rawApply applies as many objects by bare clients, as many at once as the
// loop.
func (w *world) rawApply(b *testing.B, label string) time.Duration {
	b.Helper()
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(8 * len(servers.clusters))
	for i := range bulkObjects {
		cl := w.cluster(servers.clusters[i%3].Name())
		group.Go(func() error {
			u := deployment(fmt.Sprintf("raw-%d", i), 1)
			u.SetLabels(map[string]string{"bulk": label})
			return cl.Apply(b.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("raw"), client.ForceOwnership)
		})
	}
	require.NoError(b, group.Wait())
	return time.Since(began)
}

// virtual returns the clients by which the loop writes to the workspaces.
func (w *world) virtual(b *testing.B) []client.Client {
	b.Helper()
	clients := make([]client.Client, 0, len(w.tenants))
	for _, tenant := range w.tenants {
		cl, err := w.provider.Get(b.Context(), multicluster.ClusterName(tenant.Cluster))
		require.NoError(b, err)
		clients = append(clients, cl.GetClient())
	}
	return clients
}

// rawEndToEnd does for every object what the loop does, by bare clients: a
// finalizer, an apply, a status.
func (w *world) rawEndToEnd(b *testing.B, clients []client.Client) time.Duration {
	b.Helper()
	status := []byte(`{"status":{"conditions":[{"type":"Raw","status":"True","reason":"Raw","message":"raw","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	began := time.Now()
	parallel(b, 8, bulkObjects, func(n int) error {
		up, down := clients[n%bulkTenants], w.cluster(servers.clusters[n%3].Name())
		original := object(deploymentKind, "default", fmt.Sprintf("web-%d", n/bulkTenants))
		if err := up.Patch(b.Context(), original, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.org/raw"]}}`))); err != nil {
			return err
		}
		u := deployment(fmt.Sprintf("raw-more-%d", n), 1)
		if err := down.Apply(b.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("raw"), client.ForceOwnership); err != nil {
			return err
		}
		return up.Status().Patch(b.Context(), original, client.RawPatch(types.MergePatchType, status))
	})
	return time.Since(began)
}

// oneOfEach returns the heap that one decoded original and one decoded copy of
// every object take.
func (w *world) oneOfEach(b *testing.B) int64 {
	b.Helper()
	before := heap()
	var kept []*unstructured.UnstructuredList
	list := func(c client.Client, opts ...client.ListOption) {
		l := &unstructured.UnstructuredList{}
		l.SetGroupVersionKind(deploymentKind.GroupVersion().WithKind("DeploymentList"))
		require.NoError(b, c.List(b.Context(), l, opts...))
		for i := range l.Items {
			l.Items[i].SetManagedFields(ownFields(l.Items[i].GetManagedFields(), "tmc-"+w.id))
		}
		kept = append(kept, l)
	}
	for i := range w.tenants {
		list(w.tenant(i))
	}
	for _, c := range servers.clusters {
		list(w.cluster(c.Name()), client.MatchingLabels{"tmc-sdk.dev/installation": w.id})
	}
	taken := heap() - before
	runtime.KeepAlive(kept)
	return taken
}

// ownFields is what the loop's caches keep of managed fields.
func ownFields(all []metav1.ManagedFieldsEntry, manager string) []metav1.ManagedFieldsEntry {
	for _, e := range all {
		if e.Manager == manager && e.Subresource == "" && e.Operation == metav1.ManagedFieldsOperationApply {
			return []metav1.ManagedFieldsEntry{e}
		}
	}
	return nil
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
