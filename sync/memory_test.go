package syncer

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// madeOriginals and madeCopies make an object whenever they are asked for it, so
// that all that stays in memory is what the loop keeps.
type madeOriginals struct {
	originals
	make func(name string) *unstructured.Unstructured
}

func (madeOriginals) Synced(multicluster.ClusterName, schema.GroupVersionKind) bool { return true }

func (o madeOriginals) Get(_ context.Context, _ multicluster.ClusterName, _ schema.GroupVersionKind, key client.ObjectKey) (*unstructured.Unstructured, error) {
	return o.make(key.Name), nil
}

type madeCopies struct {
	cache.Cache
	make func(name string) *unstructured.Unstructured
}

func (c madeCopies) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	*into.(*unstructured.Unstructured) = *c.make(key.Name)
	return nil
}

// madeLoop is a stillLoop of any number of Deployments.
func madeLoop(tb testing.TB, clusters int) (*Loop, func(i int) Key) {
	tb.Helper()
	l, first := stillLoop(tb, clusters)
	base, err := l.watcher.Get(tb.Context(), first.Workspace, first.Kind, client.ObjectKey{Namespace: first.Namespace, Name: first.Name})
	require.NoError(tb, err)
	original := func(name string) *unstructured.Unstructured {
		u := base.DeepCopy()
		u.SetName(name)
		u.SetUID(types.UID("uid-of-" + name))
		return u
	}
	keyOf := func(name string) Key {
		key := first
		key.Name = name
		return key
	}
	where, err := l.place(tb.Context(), first, base)
	require.NoError(tb, err)
	for cluster, lane := range l.lanes {
		was := lane.cached
		still := &unstructured.Unstructured{}
		require.NoError(tb, was.Get(tb.Context(), client.ObjectKey{Namespace: first.Namespace, Name: first.Name}, still))
		lane.cached = madeCopies{make: func(name string) *unstructured.Unstructured {
			u, refusal := l.render(context.Background(), cluster, keyOf(name), original(name), where)
			if refusal != nil {
				panic(refusal)
			}
			u = u.DeepCopy()
			u.SetUID(types.UID("copy-of-" + name))
			u.SetResourceVersion(still.GetResourceVersion())
			u.SetGeneration(still.GetGeneration())
			u.Object["status"] = still.Object["status"]
			return u
		}}
	}
	l.watcher = madeOriginals{make: original}
	return l, func(i int) Key { return keyOf(fmt.Sprintf("web-%06d", i)) }
}

// kept returns the bytes that a loop keeps of objects that are in sync, per
// object and target, beyond their originals and copies.
func kept(tb testing.TB, clusters, objects int) float64 {
	tb.Helper()
	l, key := madeLoop(tb, clusters)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	pass := func(from, to int) {
		for i := from; i < to; i++ {
			_, err := l.Reconcile(tb.Context(), key(i))
			require.NoError(tb, err)
		}
	}
	// What is made once, and the renderings, of which a bounded number is kept.
	pass(0, mostRenderings)
	before := heap()
	pass(mostRenderings, mostRenderings+objects)
	after := heap()
	pass(mostRenderings, mostRenderings+10) // the loop is alive to the end
	for _, lane := range l.allLanes() {
		require.Zero(tb, lane.queue.Len(), "nothing is left to do")
	}
	return float64(int64(after)-int64(before)) / float64(objects*clusters)
}

// At most 2 KiB per object and target, beside the objects themselves.
func TestWhatIsKeptOfAnObjectIsSmall(t *testing.T) {
	for _, clusters := range []int{1, 3} {
		require.Less(t, kept(t, clusters, 2000), 2048.0, "%d clusters", clusters)
	}
}

// BenchmarkMemory shows that it does not grow with their number.
func BenchmarkMemory(b *testing.B) {
	for _, clusters := range []int{1, 3} {
		for _, objects := range []int{100, 1000, 10000} {
			b.Run(fmt.Sprintf("clusters=%d/objects=%d", clusters, objects), func(b *testing.B) {
				for b.Loop() {
					b.ReportMetric(kept(b, clusters, objects), "B/object/target")
				}
			})
		}
	}
}
