package syncer_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// bulk is how much BenchmarkThroughput syncs: TMC_BULK, objects x workspaces.
type bulk struct{ objects, tenants int }

func bulkOf(b *testing.B) (size bulk) {
	b.Helper()
	text := os.Getenv("TMC_BULK")
	if text == "" {
		return bulk{1000, 20}
	}
	_, err := fmt.Sscanf(text, "%dx%d", &size.objects, &size.tenants)
	require.NoError(b, err, "TMC_BULK is objects x workspaces, as 10000x100")
	size.objects = size.objects / size.tenants * size.tenants
	return size
}

// BenchmarkThroughput syncs 1,000 small objects of 20 workspaces to 3 clusters, or
// as many as TMC_BULK says. Its baselines are bare clients on the same servers in
// the same run. Each object costs the loop one write on its cluster and two on kcp,
// so there are two ratios to look at:
//
//   - end-to-end: against bare clients that write the same finalizer and the
//     same status to kcp and apply the object, one after the other;
//   - bulk, where kcp is not the limit: a label of the clusters changes, which a
//     transformer writes into all copies, against bare server-side apply of as many
//     changed objects of the same content: with labels and annotations such as our
//     marks, which are a third of what these small ones hold. Both are done three
//     times, in turn, and the medians given. Beside those without marks the ratio is
//     given, too.
//
// It also changes the copies on two clusters while the third is frozen and has work
// to do, against the same while the third rests.
//
// Between the two it starts the loop anew, which must write nothing, against bare
// lists of the same objects. It states the writes per object on each side, the heap
// per synced object, in all and beyond one cached copy of original and copy, and
// logs how heap, goroutines and watches grow from a hundredth of the objects on. Run
// it with -benchtime=1x:
//
//	go test ./sync -run '^$' -bench Throughput -benchtime 1x
//	TMC_BULK=10000x100 go test ./sync -run '^$' -bench Throughput -benchtime 1x -timeout 2h
func BenchmarkThroughput(b *testing.B) {
	size := bulkOf(b)
	w := newWorld(b, size.tenants)
	w.rendering = []transform.Option{transform.With(transform.Func("bulk", writeBulkLabel))}
	for i := range w.tenants {
		w.decide(i, target(servers.clusters[i%3].Name(), 1))
	}
	for range b.N {
		empty, begun := heap(), 0
		for _, part := range []int{size.objects / 100, size.objects / 10} {
			w.create(b, begun, part)
			begun = part
			w.startMeasured()
			within(b, time.Hour, "a part is synced and reported", func() error { return w.restsAfter(2 * part) })
			w.logSize(b, part, empty)
			w.stopLoop()
		}
		w.create(b, begun, size.objects)
		began := time.Now()
		w.startMeasured()
		within(b, time.Hour, "every object is synced and reported", func() error { return atLeast(&w.upstream, 2*int64(size.objects)) })
		took := time.Since(began)
		rate := float64(size.objects-begun) / took.Seconds()
		within(b, time.Hour, "the loop rests", w.queueEmpty)
		b.ReportMetric(rate, "objects/s")
		b.Logf("end to end: %.1f objects/s", rate)
		b.ReportMetric(float64(w.upstream.n.Load())/float64(size.objects), "writes-up/object")
		b.ReportMetric(float64(w.physical.n.Load())/float64(size.objects), "writes-down/object")
		inUse := w.logSize(b, size.objects, empty)
		one := w.oneOfEach(b)
		b.ReportMetric(float64(inUse)/float64(size.objects), "heap-B/object")
		b.ReportMetric(float64(inUse-one)/float64(size.objects), "heap-beyond-copies-B/object")

		w.restart(b)
		bulk := w.bulk(b, size)
		w.besideFrozen(b, size)
		clients := w.virtual(b)
		w.stopLoop()
		w.rawApply(b, size, "made", unmarked)
		smaller := w.rawApply(b, size, "changed", unmarked)
		b.ReportMetric(smaller.Seconds()/bulk.Seconds(), "bulk-ratio-beside-unmarked")

		rawRate := float64(size.objects) / w.rawEndToEnd(b, size, clients).Seconds()
		b.ReportMetric(rawRate, "raw-objects/s")
		b.ReportMetric(rate/rawRate, "end-to-end-ratio")
	}
}

// BenchmarkGrowth measures how heap, goroutines and watches of the loop grow with
// workspaces, with 200 objects all the while: 10 workspaces that have them, and then
// others, each with a Placement, up to 50 and 200. Making those takes most of the time.
//
//	go test ./sync -run '^$' -bench Growth -benchtime 1x -timeout 2h
func BenchmarkGrowth(b *testing.B) {
	const objects = 200
	w := newWorld(b, 10)
	empty := heap()
	w.startMeasured()
	w.create(b, 0, objects)
	placed := 0
	for _, workspaces := range []int{10, 50, 200} {
		w.tenants = append(w.tenants, w.moreTenants(len(w.tenants), workspaces)...)
		for ; placed < workspaces; placed++ {
			w.decide(placed, target(servers.clusters[placed%3].Name(), 1))
		}
		within(b, time.Hour, "all is synced and reported", func() error { return w.restsAfter(2 * objects) })
		within(b, time.Hour, "all workspaces are known", func() error {
			last := multicluster.ClusterName(w.tenants[workspaces-1].Cluster)
			_, err := w.loop.Remaining(b.Context(), last, types.NamespacedName{Namespace: "default", Name: "default"}, servers.clusters[0].Name())
			return err
		})
		b.Run(fmt.Sprintf("workspaces=%d", workspaces), func(b *testing.B) {
			for range b.N {
				b.ReportMetric(float64(heap()-empty)/1e6, "heap-MB")
				b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
				b.ReportMetric(float64(w.upstream.watching.Load()), "watches-up")
				b.ReportMetric(float64(w.physical.watching.Load()), "watches-down")
			}
		})
	}
	w.stopLoop()
}

// startMeasured starts a loop that expects no progress of copies: no controllers run on
// the clusters, and ten minutes after it was made each original would be told so.
func (w *world) startMeasured() {
	w.t.Helper()
	w.start(syncer.ProgressWithin(0))
}

// create creates the objects from one number to another, in all workspaces in turn.
func (w *world) create(b *testing.B, from, to int) {
	b.Helper()
	parallel(b, 8, to-from, func(i int) error {
		n := from + i
		return w.tenant(n%len(w.tenants)).Create(b.Context(), deployment(fmt.Sprintf("web-%d", n/len(w.tenants)), 1))
	})
}

// restsAfter says whether so much was written upstream and nothing is left to do.
func (w *world) restsAfter(writes int) error {
	if err := atLeast(&w.upstream, int64(writes)); err != nil {
		return err
	}
	return w.queueEmpty()
}

// logSize logs, and returns of the heap, what the loop takes for so many objects.
func (w *world) logSize(b *testing.B, objects int, empty int64) int64 {
	b.Helper()
	inUse := heap() - empty
	b.Logf("%6d objects of %d workspaces: heap %5.1f MB, %d goroutines, %d watches of kcp and %d of %d clusters",
		objects, len(w.tenants), float64(inUse)/1e6, runtime.NumGoroutine(), w.upstream.watching.Load(), w.physical.watching.Load(), len(servers.clusters))
	return inUse
}

// restart starts the loop anew and measures how long it takes to know all that is
// there, and to have looked at it, beside bare lists of the same.
func (w *world) restart(b *testing.B) {
	b.Helper()
	w.stopLoop()
	w.upstream.reset()
	w.physical.reset()
	raw := w.rawLists(b)
	began := time.Now()
	w.startMeasured()
	w.waitReady(b)
	ready := time.Since(began)
	within(b, time.Hour, "all is looked at", w.queueEmpty)
	settled := time.Since(began)
	require.Zero(b, w.upstream.n.Load(), "%s", &w.upstream)
	require.Zero(b, w.physical.n.Load(), "%s", &w.physical)
	b.ReportMetric(raw.Seconds(), "raw-lists-s")
	b.ReportMetric(ready.Seconds(), "restart-ready-s")
	b.ReportMetric(settled.Seconds(), "restart-settled-s")
	b.ReportMetric(ready.Seconds()/raw.Seconds(), "restart-ready-ratio")
	b.Logf("restart: ready in %s, settled in %s, raw lists %s", ready, settled, raw)
}

// waitReady waits until the loop knows all that is there.
func (w *world) waitReady(b *testing.B) {
	b.Helper()
	within(b, time.Hour, "all copies are known", func() error {
		if err := w.loop.Ready(nil); err != nil {
			return err
		}
		for _, c := range servers.clusters {
			covering := types.NamespacedName{Namespace: "default", Name: "default"}
			if _, err := w.loop.Remaining(b.Context(), multicluster.ClusterName(w.tenants[0].Cluster), covering, c.Name()); err != nil {
				return err
			}
		}
		return nil
	})
}

// rawLists lists what the loop lists at its start, by bare clients, all at once.
func (w *world) rawLists(b *testing.B) time.Duration {
	b.Helper()
	urls, err := servers.kcp.WaitEndpoint(b.Context(), w.platform.Path, w.export)
	require.NoError(b, err)
	cfg := servers.kcp.Config(w.platform.Path)
	cfg.Host = urls[0] + "/clusters/*"
	everywhere := dynamicFor(b, cfg)
	lists := []dynamic.ResourceInterface{
		everywhere.Resource(deployments),
		everywhere.Resource(v1alpha1.GroupVersion.WithResource("placements")),
		everywhere.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}),
		everywhere.Resource(schema.GroupVersionResource{Version: "v1", Resource: "secrets"}),
	}
	for _, c := range servers.clusters {
		lists = append(lists, dynamicFor(b, c.Config()).Resource(deployments))
	}
	began := time.Now()
	parallel(b, len(lists), len(lists), func(i int) error {
		_, err := lists[i].List(b.Context(), metav1.ListOptions{})
		return err
	})
	return time.Since(began)
}

func atLeast(c *counter, n int64) error {
	if got := c.n.Load(); got < n {
		return fmt.Errorf("%d writes of %d", got, n)
	}
	return nil
}

// bulk changes all copies by a label of the clusters, and as many objects by bare
// clients while no loop runs, several times in turn: what else the machine does weighs
// on both. It returns the median of how long the loop took.
func (w *world) bulk(b *testing.B, size bulk) time.Duration {
	b.Helper()
	w.rawApply(b, size, "made", marked) // with namespaces and all that is first
	var took, raw []time.Duration
	var ratios []float64
	for round := range 3 {
		label := fmt.Sprintf("round-%d", round)
		ours := w.changeAll(b, size, label, 0, 1, 2)
		w.stopLoop()
		bare := w.rawApply(b, size, label, marked)
		w.startMeasured()
		w.waitReady(b)
		within(b, time.Hour, "all is looked at", w.queueEmpty)
		b.Logf("bulk: %.0f applies/s, bare clients %.0f", float64(size.objects)/ours.Seconds(), float64(size.objects)/bare.Seconds())
		took, raw, ratios = append(took, ours), append(raw, bare), append(ratios, bare.Seconds()/ours.Seconds())
	}
	b.ReportMetric(float64(size.objects)/median(took).Seconds(), "bulk-applies/s")
	b.ReportMetric(float64(size.objects)/median(raw).Seconds(), "raw-applies/s")
	b.ReportMetric(median(ratios), "bulk-ratio")
	return median(took)
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// writeBulkLabel writes the label bulk of a cluster into what goes there.
func writeBulkLabel(_ context.Context, t *transform.Target, obj *unstructured.Unstructured) error {
	if value := t.Labels["bulk"]; value != "" {
		labels := obj.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels["bulk"] = value
		obj.SetLabels(labels)
	}
	return nil
}

// labelled registers clusters, whose label bulk can be changed.
type labelled struct {
	mu   sync.Mutex
	regs []tmccluster.Registration
	sink tmccluster.Sink
}

func (*labelled) Name() string { return "labelled" }

func (s *labelled) Run(ctx context.Context, sink tmccluster.Sink) error {
	s.mu.Lock()
	s.sink = sink
	for _, reg := range s.regs {
		sink.Set(reg)
	}
	s.mu.Unlock()
	sink.Synced()
	<-ctx.Done()
	return nil
}

func (s *labelled) relabel(value string, clusters ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range clusters {
		s.regs[i].Labels = map[string]string{"bulk": value}
		s.sink.Set(s.regs[i])
	}
}

// changeAll changes the copies on these clusters by a label of those, and returns how
// long it took until all were applied.
func (w *world) changeAll(b *testing.B, size bulk, label string, clusters ...int) time.Duration {
	b.Helper()
	within(b, time.Hour, "the loop rests", w.queueEmpty)
	w.physical.reset()
	began := time.Now()
	w.source.relabel(label, clusters...)
	w.waitChanged(b, label, w.copiesOn(size, clusters...), clusters...)
	return time.Since(began)
}

// copiesOn returns how many copies there are on clusters.
func (w *world) copiesOn(size bulk, clusters ...int) (copies int) {
	for i := range w.tenants {
		if slices.Contains(clusters, i%len(servers.clusters)) {
			copies += size.objects / size.tenants
		}
	}
	return copies
}

// waitChanged waits until so many copies on these clusters are changed: as many
// writes were answered. Answers that a broken connection lost never come; then the
// copies tell, looked at when nothing has come for a while.
func (w *world) waitChanged(b *testing.B, label string, copies int, clusters ...int) {
	b.Helper()
	answered, last := int64(0), time.Now()
	within(b, time.Hour, "every copy is changed", func() error {
		now := w.physical.answered.Load()
		if now >= int64(copies) {
			return nil
		}
		err := fmt.Errorf("%d of %d", now, copies)
		if now > answered {
			answered, last = now, time.Now()
		}
		if time.Since(last) < 3*time.Second {
			return err
		}
		changed := 0
		for _, i := range clusters {
			l := &unstructured.UnstructuredList{}
			l.SetGroupVersionKind(deploymentKind.GroupVersion().WithKind("DeploymentList"))
			if err := w.cluster(servers.clusters[i].Name()).List(b.Context(), l, client.MatchingLabels{transform.LabelInstallation: w.id, "bulk": label}); err != nil {
				return err
			}
			changed += len(l.Items)
		}
		if last = time.Now(); changed < copies {
			return err
		}
		b.Logf("%s: of %d writes %d were answered, and all copies are changed: 3 s of what is measured were a pause", label, w.physical.n.Load(), now)
		return nil
	})
}

// besideFrozen measures how fast copies on two clusters are changed while the third
// is frozen with work of its own to do, beside how fast that is while it rests: once
// before and once after.
func (w *world) besideFrozen(b *testing.B, size bulk) {
	b.Helper()
	healthy := w.changeAll(b, size, "before", 0, 1)
	require.NoError(b, servers.clusters[2].Freeze())
	thaw := sync.OnceFunc(func() { require.NoError(b, servers.clusters[2].Thaw()) })
	defer thaw()
	w.physical.reset()
	waiting := w.copiesOn(size, 2)
	w.source.relabel("frozen", 2)
	within(b, time.Minute, "writes to the frozen cluster are under way", func() error { return atLeast(&w.physical, min(8, int64(waiting))) })
	w.physical.reset()
	began := time.Now()
	copies := w.copiesOn(size, 0, 1)
	w.source.relabel("frozen", 0, 1)
	w.waitChanged(b, "frozen", copies, 0, 1)
	frozen := time.Since(began)
	thaw()
	w.waitChanged(b, "frozen", copies+waiting, 0, 1, 2)
	healthy = (healthy + w.changeAll(b, size, "after", 0, 1)) / 2
	b.ReportMetric(float64(copies)/frozen.Seconds(), "beside-frozen-applies/s")
	b.ReportMetric(healthy.Seconds()/frozen.Seconds(), "beside-frozen-ratio")
	b.Logf("beside a frozen cluster: %s, and %s while it rests", frozen, healthy)
}

// marked gives an object what a copy bears beside the original's content, with a
// digest that changes at each write. It is nobody's: the installation is not ours.
func marked(u *unstructured.Unstructured, round string) {
	origin := transform.Origin{LogicalCluster: "2aa5v0rwq0ae5fud", Namespace: u.GetNamespace(), Name: u.GetName(), UID: "a1eb1d93-26fc-458a-a24a-c9945ed361f7"}
	u.SetLabels(map[string]string{
		"bulk": round, transform.LabelInstallation: "raw", transform.LabelLogicalCluster: origin.LogicalCluster, transform.LabelBucket: "206",
	})
	u.SetAnnotations(map[string]string{
		transform.AnnotationDigest: "9dbd18fce428a54" + round, transform.AnnotationMarks: "v1", transform.AnnotationUID: string(origin.UID),
		transform.AnnotationName: origin.Name, transform.AnnotationNamespace: origin.Namespace,
	})
}

// unmarked changes an object that bears no marks.
func unmarked(u *unstructured.Unstructured, round string) {
	u.SetName("un" + u.GetName())
	u.SetLabels(map[string]string{"bulk": round})
}

// rawApply applies as many objects by bare clients, as many at once as the
// loop.
func (w *world) rawApply(b *testing.B, size bulk, round string, finish func(u *unstructured.Unstructured, round string)) time.Duration {
	b.Helper()
	began := time.Now()
	var group errgroup.Group
	group.SetLimit(8 * len(servers.clusters))
	for i := range size.objects {
		cl := w.cluster(servers.clusters[i%3].Name())
		group.Go(func() error {
			u := deployment(fmt.Sprintf("raw-%d", i), 1)
			finish(u, round)
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
func (w *world) rawEndToEnd(b *testing.B, size bulk, clients []client.Client) time.Duration {
	b.Helper()
	status := []byte(`{"status":{"conditions":[{"type":"Raw","status":"True","reason":"Raw","message":"raw","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
	began := time.Now()
	parallel(b, 8, size.objects, func(n int) error {
		up, down := clients[n%size.tenants], w.cluster(servers.clusters[n%3].Name())
		original := object(deploymentKind, "default", fmt.Sprintf("web-%d", n/size.tenants))
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
