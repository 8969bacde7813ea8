package syncer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/transform"
)

// stillFleet, stillOriginals and stillCopies are a world in which nothing
// happens. Whatever they do not have panics: a no-op needs no more.
type stillFleet struct {
	Fleet
	snapshot *tmccluster.Snapshot
}

func (f stillFleet) Snapshot() *tmccluster.Snapshot { return f.snapshot }

type stillOriginals struct {
	originals
	obj *unstructured.Unstructured
}

func (o stillOriginals) Synced(multicluster.ClusterName, schema.GroupVersionKind) bool { return true }

// Get does not copy, as the caches of workspaces do not.
func (o stillOriginals) Get(context.Context, multicluster.ClusterName, schema.GroupVersionKind, client.ObjectKey) (*unstructured.Unstructured, error) {
	return o.obj, nil
}

type stillCopies struct {
	cache.Cache
	obj *unstructured.Unstructured
}

// Get does not copy either.
func (c stillCopies) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	*into.(*unstructured.Unstructured) = *c.obj
	return nil
}

// stillLoop returns a loop with one Deployment that is in sync on n clusters.
func stillLoop(tb testing.TB, n int) (*Loop, Key) {
	tb.Helper()
	kind := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	key := Key{Kind: kind, Workspace: "2x9abc", Namespace: "default", Name: "web"}
	original := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
		"spec": map[string]any{
			"replicas": int64(3), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
				"spec": map[string]any{"containers": []any{map[string]any{
					"name": "main", "image": "registry.example/app:1", "resources": map[string]any{"requests": map[string]any{"cpu": "1", "memory": "1Gi"}},
				}}},
			},
		},
	}}
	original.SetGroupVersionKind(kind)
	original.SetNamespace(key.Namespace)
	original.SetName(key.Name)
	original.SetUID("uid")
	original.SetResourceVersion("7")
	original.SetGeneration(2)

	pipeline, err := transform.NewPipeline("bench")
	require.NoError(tb, err)
	states := make([]*tmccluster.State, n)
	p := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: "default"}}
	for i := range states {
		states[i] = &tmccluster.State{Name: fmt.Sprintf("cluster-%d", i), Reachable: true, Region: "eu"}
		p.Status.Targets = append(p.Status.Targets, v1alpha1.Target{Cluster: states[i].Name, Share: new(int64(1))})
	}
	l, err := newLoop(nil, stillFleet{snapshot: tmccluster.NewSnapshot(states...)}, pipeline, logr.Discard(), []Option{Resources(kind)})
	require.NoError(tb, err)
	original.SetFinalizers([]string{l.finalizer})
	l.decisions.byNamespace[key.namespace()] = []*v1alpha1.Placement{p}
	l.watcher = stillOriginals{obj: original}

	where, err := l.place(tb.Context(), key, original)
	require.NoError(tb, err)
	for _, s := range states {
		rendered, refusal := l.render(tb.Context(), s.Name, key, original, where)
		require.Nil(tb, refusal)
		copied := rendered.DeepCopy()
		copied.SetUID("copy")
		copied.SetResourceVersion("9")
		copied.SetGeneration(1)
		replicas, _, _ := unstructured.NestedInt64(copied.Object, "spec", "replicas")
		copied.Object["status"] = map[string]any{
			"observedGeneration": int64(1), "replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas,
			"conditions": []any{
				map[string]any{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "ok"},
				map[string]any{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "ok"},
			},
		}
		l.lanes[s.Name] = &lane{
			name: s.Name, loop: l, watching: watching{all: true}, wires: wires{cached: stillCopies{obj: copied}}, outcomes: map[Key]outcome{},
			kinds: map[schema.GroupVersionKind]*followed{kind: {knowledge: complete}}, made: map[string]time.Time{},
			queue: newErrandQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[errand](time.Second, time.Second)),
		}
		tb.Cleanup(l.lanes[s.Name].queue.ShutDown)
	}
	seen := l.observe(tb.Context(), key, original, where, nil)
	status, err := l.statusOf(key, original, nil, seen, healthyCondition(seen, l.rules))
	require.NoError(tb, err)
	original.Object["status"] = status
	return l, key
}

func TestANoopAsksNothingOfAnyone(t *testing.T) {
	l, key := stillLoop(t, 3)
	_, err := l.Reconcile(t.Context(), key)
	require.NoError(t, err)
	result, err := l.Reconcile(t.Context(), key) // a call to any server would panic
	require.NoError(t, err)
	require.Equal(t, reconcile.Result{}, result)
	for _, lane := range l.allLanes() {
		require.Zero(t, lane.queue.Len(), lane.name)
	}
}

// BenchmarkNoop measures a reconcile of an object that is in sync, from caches
// that are as dear as the real ones, on one cluster and on three.
func BenchmarkNoop(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprintf("clusters=%d", n), func(b *testing.B) {
			l, key := stillLoop(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Reconcile(b.Context(), key); err != nil {
					b.Fatal(err)
				}
			}
			for _, lane := range l.allLanes() {
				require.Zero(b, lane.queue.Len())
			}
		})
	}
}
