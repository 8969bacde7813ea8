package workspaces

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

func TestProviderReady(t *testing.T) {
	for name, tt := range map[string]struct {
		reason    string
		followed  bool
		endpoints map[string]*endpoint
		ready     bool
	}{
		"slice not read":     {"nothing is known yet", false, nil, false},
		"nobody binds":       {"a new platform has no tenants", true, nil, true},
		"endpoint is silent": {"tenants are there and can't be reached", true, map[string]*endpoint{"a": {}}, false},
		"one shard is down":  {"the others are served", true, map[string]*endpoint{"a": {}, "b": {inner: &served{}}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewProvider(&rest.Config{}, "tmc", Options{})
			require.NoError(t, err)
			p.followed, p.endpoints = tt.followed, tt.endpoints
			err = p.Ready(nil)
			if tt.ready {
				require.NoError(t, err, tt.reason)
				return
			}
			require.ErrorIs(t, err, ErrNoEndpoint, tt.reason)
		})
	}
}

func TestWatcherReady(t *testing.T) {
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	secret := schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	w := NewWatcher(nil, []schema.GroupVersionKind{deployment, secret}, nil)
	require.NoError(t, w.Ready(nil), "no workspace, nothing to know")

	ctx, cancel := context.WithCancel(t.Context())
	w.kinds = nil // what follows a kind is tested on servers
	require.NoError(t, w.Engage(ctx, "one", nil))
	require.NoError(t, w.Engage(ctx, "two", nil))
	w.kinds = []schema.GroupVersionKind{deployment, secret}
	require.ErrorIs(t, w.Ready(nil), ErrNotSynced)
	require.ErrorContains(t, w.Ready(nil), "apps/v1 Deployment, v1 Secret in 2 workspaces")

	learn := func(name multicluster.ClusterName, kind schema.GroupVersionKind) {
		w.synced[syncKey{name, kind}] = &following{}
	}
	learn("one", deployment)
	require.ErrorContains(t, w.Ready(nil), "v1 Secret")
	learn("one", secret)
	require.NoError(t, w.Ready(nil), "workspace two, which withholds its Secrets, keeps nobody from being served")

	cancel()
	require.Eventually(t, func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.engagements) == 0 }, time.Minute, time.Millisecond)
}
