package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// ProviderSource makes a source of a multicluster-runtime provider. It is a
// multicluster.Aware too: who runs a provider may engage clusters with it.
//
// Providers say that a cluster is engaged or that it no longer is; they do not
// say whether somebody removed it or whether it could merely not be seen. So a
// cluster that a provider lets go of stays in the fleet, and its probes tell
// how it is, until RemoveIf finds that it is gone.
type ProviderSource struct {
	provider multicluster.Provider
	describe func(name string, c cluster.Cluster, reg *Registration)
	gone     func(ctx context.Context, name string) (bool, error)

	mu      sync.Mutex
	sink    Sink
	engaged map[string]engagement
	// latest is when a cluster was last engaged.
	latest time.Time
}

type engagement struct {
	reg     Registration
	cluster cluster.Cluster
	ctx     func() context.Context
}

var (
	_ Source             = (*ProviderSource)(nil)
	_ multicluster.Aware = (*ProviderSource)(nil)
)

// ProviderOption changes how a ProviderSource works.
type ProviderOption func(*ProviderSource)

// DescribeWith sets what completes a registration, which has a name and a
// config, with what else is known of the cluster: labels, region, taints.
func DescribeWith(fn func(name string, c cluster.Cluster, reg *Registration)) ProviderOption {
	return func(s *ProviderSource) { s.describe = fn }
}

// RemoveIf sets what finds out whether a cluster that the provider let go of
// was removed by somebody. It is asked again and again until it says so, or
// the cluster is engaged again.
func RemoveIf(gone func(ctx context.Context, name string) (bool, error)) ProviderOption {
	return func(s *ProviderSource) { s.gone = gone }
}

// FromProvider returns a source of the clusters that a multicluster-runtime
// provider engages. If the provider is a multicluster.ProviderRunnable the
// source runs it; it must then not be a manager's provider as well.
func FromProvider(p multicluster.Provider, opts ...ProviderOption) *ProviderSource {
	s := &ProviderSource{
		provider: p,
		describe: func(string, cluster.Cluster, *Registration) {},
		gone:     func(context.Context, string) (bool, error) { return false, nil },
		engaged:  map[string]engagement{},
	}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Name implements Source.
func (*ProviderSource) Name() string { return "provider" }

// Engage implements multicluster.Aware.
func (s *ProviderSource) Engage(ctx context.Context, name multicluster.ClusterName, c cluster.Cluster) error {
	if c == nil {
		return errors.New("engage cluster: nil")
	}
	reg := Registration{Name: string(name), Config: c.GetConfig()}
	s.describe(string(name), c, &reg)
	reg.Name = string(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engaged[reg.Name] = engagement{reg: reg, cluster: c, ctx: func() context.Context { return ctx }}
	s.latest = time.Now()
	if s.sink != nil {
		s.sink.Set(reg)
	}
	return nil
}

// quiet is how long a provider must engage no further cluster for the source
// to count as synced: providers do not say when they have engaged all.
const quiet = 2 * time.Second

// Run implements Source.
func (s *ProviderSource) Run(ctx context.Context, sink Sink) error {
	s.mu.Lock()
	s.sink, s.latest = sink, time.Now()
	for _, e := range s.engaged {
		sink.Set(e.reg)
	}
	s.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ended chan error
	if r, ok := s.provider.(multicluster.ProviderRunnable); ok {
		ended = make(chan error, 1)
		go func() { ended <- r.Start(ctx, s) }()
	}
	ticker := time.NewTicker(quiet / 4)
	defer ticker.Stop()
	for synced := false; ; {
		select {
		case <-ctx.Done():
			if ended == nil {
				return nil
			}
			return <-ended
		case err := <-ended:
			if err == nil {
				err = errors.New("provider stopped")
			}
			return err
		case <-ticker.C:
			if !synced && s.isQuiet() {
				synced = true
				sink.Synced()
			}
			s.removeGone(ctx)
		}
	}
}

func (s *ProviderSource) isQuiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.latest) >= quiet
}

// removeGone removes the clusters that the provider let go of and that are
// proven to be gone.
func (s *ProviderSource) removeGone(ctx context.Context) {
	s.mu.Lock()
	var candidates []string
	for name, e := range s.engaged {
		if e.ctx().Err() != nil {
			candidates = append(candidates, name)
		}
	}
	s.mu.Unlock()
	for _, name := range candidates {
		gone, err := s.gone(ctx, name)
		if err != nil {
			log.FromContext(ctx).V(1).Info("cannot tell whether the cluster is gone, it stays", "physicalCluster", name, "error", err.Error())
		}
		if err != nil || !gone {
			continue
		}
		s.mu.Lock()
		if e, ok := s.engaged[name]; ok && e.ctx().Err() != nil {
			delete(s.engaged, name)
			s.sink.Remove(name)
		}
		s.mu.Unlock()
	}
}
