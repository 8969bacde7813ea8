package workspaces_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
)

var configMapKind = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

// cachedCluster is a workspace of which nothing but the cache is asked.
type cachedCluster struct {
	crcluster.Cluster
	cache cache.Cache
}

func (c cachedCluster) GetCache() cache.Cache { return c.cache }

// Goroutines grow with kinds and clusters, never with workspaces.
func TestGoroutinesDoNotGrowWithWorkspaces(t *testing.T) {
	w := workspaces.NewWatcher(nil, []schema.GroupVersionKind{configMapKind}, func(workspaces.Event) {})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const many = 300
	name := func(i int) multicluster.ClusterName { return multicluster.ClusterName(fmt.Sprintf("ws-%d", i)) }
	before := runtime.NumGoroutine()
	for i := range many {
		require.NoError(t, w.Engage(ctx, name(i), cachedCluster{cache: &informertest.FakeInformers{}}))
	}
	require.Eventually(t, func() bool {
		for i := range many {
			if !w.Synced(name(i), configMapKind) {
				return false
			}
		}
		return runtime.NumGoroutine() < before+many/10
	}, time.Minute, 10*time.Millisecond)
	handlers, users := w.Handlers()
	require.Equal(t, many, handlers)
	require.Equal(t, many, users)

	cancel()
	require.Eventually(t, func() bool {
		handlers, users := w.Handlers()
		return handlers == 0 && users == 0 && !w.Synced(name(0), configMapKind)
	}, time.Minute, 10*time.Millisecond)
}

// brittleCache fails to list for a while.
type brittleCache struct {
	informertest.FakeInformers
	failures atomic.Int32
}

func (c *brittleCache) List(context.Context, client.ObjectList, ...client.ListOption) error {
	if c.failures.Add(-1) >= 0 {
		return errors.New("not now")
	}
	return nil
}

func TestAListThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := workspaces.NewWatcher(nil, []schema.GroupVersionKind{configMapKind}, func(workspaces.Event) {})
		c := &brittleCache{}
		c.failures.Store(2)
		require.NoError(t, w.Engage(t.Context(), "ws", cachedCluster{cache: c}))
		time.Sleep(1500 * time.Millisecond)
		require.False(t, w.Synced("ws", configMapKind))
		time.Sleep(time.Second)
		require.True(t, w.Synced("ws", configMapKind))
	})
}
