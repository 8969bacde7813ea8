package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	syncer "github.com/tmc-sdk/tmc/sync"
)

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// watcherOf watches one Deployment and returns a channel of its versions.
func watcherOf(b *testing.B, cfg *rest.Config, namespace, name string) <-chan *unstructured.Unstructured {
	b.Helper()
	c, err := dynamic.NewForConfig(cfg)
	require.NoError(b, err)
	w, err := c.Resource(deployments).Namespace(namespace).Watch(b.Context(), listOptions(name))
	require.NoError(b, err)
	b.Cleanup(w.Stop)
	seen := make(chan *unstructured.Unstructured, 1000)
	go func() {
		for e := range w.ResultChan() {
			if u, ok := e.Object.(*unstructured.Unstructured); ok && e.Type != watch.Deleted {
				seen <- u
			}
		}
	}()
	return seen
}

// awaitVersion reads versions until one satisfies.
func awaitVersion(seen <-chan *unstructured.Unstructured, ok func(*unstructured.Unstructured) bool) {
	for u := range seen {
		if ok(u) {
			return
		}
	}
}

// awaitQuiet reads versions until there has been none for a while: the system is
// idle again, for what was measured is not all that follows from a change.
func awaitQuiet(seen <-chan *unstructured.Unstructured) {
	for {
		select {
		case <-seen:
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

func quantiles(b *testing.B, name string, d []time.Duration) (p50, p99 float64) {
	b.Helper()
	slices.Sort(d)
	at := func(q float64) float64 {
		return float64(d[min(len(d)-1, int(q*float64(len(d))))].Microseconds()) / 1000
	}
	p50, p99 = at(0.5), at(0.99)
	b.ReportMetric(p50, name+"-p50-ms")
	b.ReportMetric(p99, name+"-p99-ms")
	return p50, p99
}

// BenchmarkLatency measures, on an idle system, the time from a change of the
// spec upstream to the copy changed, and from the copy's status to the
// original's, each against a bare watch that triggers a bare write, of the same
// servers in the same run. Run it with -benchtime=200x.
func BenchmarkLatency(b *testing.B) {
	w := newWorld(b, 1)
	w.start(syncer.ReportEvery(0))
	d := deployment("web", 1)
	require.NoError(b, w.tenant(0).Create(b.Context(), d.DeepCopy()))
	w.decide(0, target("east", 1))
	copied := w.waitCopy("east", 0, d)
	w.waitOriginal(0, d, condition("Synced", "True", "Synced"))

	upCfg, downCfg := servers.kcp.Config(w.tenants[0].Path), w.server("east").Config()
	up, down := dynamicFor(b, upCfg), dynamicFor(b, downCfg)
	originals := up.Resource(deployments).Namespace("default")
	copies := down.Resource(deployments).Namespace(copied.GetNamespace())
	seenUp := watcherOf(b, upCfg, "default", "web")
	seenDown := watcherOf(b, downCfg, copied.GetNamespace(), "web")

	took := func(change func(), seen <-chan *unstructured.Unstructured, part string, n int64) time.Duration {
		defer awaitQuiet(seenUp)
		began := time.Now()
		change()
		awaitVersion(seen, hasNumber(part, "replicas", n))
		return time.Since(began)
	}
	specDownIn := func(n int64) time.Duration { // from a changed spec upstream to that of the copy
		return took(func() { mergePatch(b, originals, "web", "", fmt.Sprintf(`{"spec":{"replicas":%d}}`, n)) }, seenDown, "spec", n)
	}
	statusUpIn := func(n int64) time.Duration { // from the copy's status to the original's
		return took(func() { mergePatch(b, copies, "web", "status", fmt.Sprintf(`{"status":{"replicas":%d}}`, n)) }, seenUp, "status", n)
	}
	var specDown, statusUp, rawDown, rawUp, servedUp []time.Duration
	for i := range b.N {
		n := int64(i + 2)
		specDown, statusUp = append(specDown, specDownIn(n)), append(statusUp, statusUpIn(n))
	}
	w.stopLoop()

	// The baseline: whoever watches one side writes to the other at once.
	relayUp, relayDown := watcherOf(b, upCfg, "default", "web"), watcherOf(b, downCfg, copied.GetNamespace(), "web")
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	go relay(ctx, relayUp, func(u *unstructured.Unstructured) {
		n, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
		_ = tryPatch(ctx, copies, "web", "", fmt.Sprintf(`{"spec":{"replicas":%d}}`, n))
	})
	// Upstream it writes by either of two ways: as the tenant, or through the export's
	// virtual workspace, which is the way of every provider and asks kcp twice.
	urls, err := servers.kcp.WaitEndpoint(ctx, w.platform.Path, w.export)
	require.NoError(b, err)
	servedCfg := servers.kcp.Config(w.platform.Path)
	servedCfg.Host = urls[0] + "/clusters/" + w.tenants[0].Cluster.String()
	served := dynamicFor(b, servedCfg).Resource(deployments).Namespace("default")
	var writer atomic.Pointer[dynamic.ResourceInterface]
	writer.Store(&originals)
	go relay(ctx, relayDown, func(u *unstructured.Unstructured) {
		n, _, _ := unstructured.NestedInt64(u.Object, "status", "replicas")
		_ = tryPatch(ctx, *writer.Load(), "web", "status", fmt.Sprintf(`{"status":{"replicas":%d}}`, n))
	})
	for i := range b.N {
		n := int64(i + 100_000)
		rawDown, rawUp = append(rawDown, specDownIn(n)), append(rawUp, statusUpIn(n))
	}
	writer.Store(&served)
	for i := range b.N {
		servedUp = append(servedUp, statusUpIn(int64(i+200_000)))
	}
	d50, d99 := quantiles(b, "down", specDown)
	u50, u99 := quantiles(b, "up", statusUp)
	rd50, rd99 := quantiles(b, "raw-down", rawDown)
	ru50, ru99 := quantiles(b, "raw-up", rawUp)
	su50, su99 := quantiles(b, "served-up", servedUp)
	b.ReportMetric(d50/rd50, "down-p50-ratio")
	b.ReportMetric(d99/rd99, "down-p99-ratio")
	b.ReportMetric(u50/ru50, "up-p50-ratio")
	b.ReportMetric(u99/ru99, "up-p99-ratio")
	b.ReportMetric(u50/su50, "up-p50-served-ratio")
	b.ReportMetric(u99/su99, "up-p99-served-ratio")
}

// relay calls write for every version until ctx ends.
func relay(ctx context.Context, seen <-chan *unstructured.Unstructured, write func(*unstructured.Unstructured)) {
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-seen:
			write(u)
		}
	}
}

func dynamicFor(b *testing.B, cfg *rest.Config) dynamic.Interface {
	b.Helper()
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	c, err := dynamic.NewForConfig(cfg)
	require.NoError(b, err)
	return c
}

func listOptions(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + name}
}

func mergePatch(b *testing.B, c dynamic.ResourceInterface, name, subresource, patch string) {
	b.Helper()
	require.NoError(b, tryPatch(b.Context(), c, name, subresource, patch))
}

func tryPatch(ctx context.Context, c dynamic.ResourceInterface, name, subresource, patch string) error {
	var subresources []string
	if subresource != "" {
		subresources = append(subresources, subresource)
	}
	_, err := c.Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, subresources...)
	return err
}

// hasNumber says whether a field of a part of an object is a number.
func hasNumber(part, field string, n int64) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool {
		got, _, _ := unstructured.NestedInt64(u.Object, part, field)
		return got == n
	}
}
