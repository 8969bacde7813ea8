package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	crcluster "sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// fakeProvider engages what a test tells it to.
type fakeProvider struct {
	multicluster.Provider

	events chan func(context.Context, multicluster.Aware) error
}

func (p *fakeProvider) Start(ctx context.Context, aware multicluster.Aware) error {
	for {
		select {
		case event := <-p.events:
			if err := event(ctx, aware); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// fakeCluster has a config and nothing else.
type fakeCluster struct {
	crcluster.Cluster

	host string
}

func (c fakeCluster) GetConfig() *rest.Config { return &rest.Config{Host: c.host} }

func TestClustersOfAProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]probeResult{"a": up("uid-a")}}
		p := &fakeProvider{events: make(chan func(context.Context, multicluster.Aware) error)}
		var gone atomic.Bool
		f := start(t, w, WithSource(FromProvider(
			p,
			DescribeWith(func(name string, _ crcluster.Cluster, reg *Registration) { reg.Region = "region of " + name }),
			RemoveIf(func(context.Context, string) (bool, error) { return gone.Load(), nil }),
		)))
		time.Sleep(time.Second)
		cancels := make(chan context.CancelFunc, 2)
		disengage := func() { (<-cancels)() }
		engage := func(ctx context.Context, aware multicluster.Aware) error {
			ctx, cancel := context.WithCancel(ctx)
			cancels <- cancel
			return aware.Engage(ctx, "a", fakeCluster{host: "a"})
		}
		p.events <- engage
		require.True(t, f.WaitForSync(t.Context()))
		require.True(t, lookup(t, f, "a").Ready)
		require.Equal(t, "region of a", lookup(t, f, "a").Region)

		disengage()
		time.Sleep(time.Hour)
		require.True(t, lookup(t, f, "a").Ready, "a cluster that the provider lets go of is not thereby gone")
		p.events <- func(context.Context, multicluster.Aware) error { return errors.New("provider broke") }
		time.Sleep(time.Minute)
		require.True(t, lookup(t, f, "a").Ready, "nor if the provider fails")
		p.events <- engage
		time.Sleep(time.Minute)
		require.True(t, lookup(t, f, "a").Ready)

		gone.Store(true)
		time.Sleep(time.Minute)
		require.True(t, lookup(t, f, "a").Ready, "one that is engaged is not asked about")
		disengage()
		time.Sleep(time.Minute)
		require.Zero(t, f.Snapshot().Len(), "it was proven to be gone")
	})
}
