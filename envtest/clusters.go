package envtest

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// A ClusterSpec is one of several clusters that start together.
type ClusterSpec struct {
	Name    string
	Options []ClusterOption
}

// Spec makes a ClusterSpec.
func Spec(name string, opts ...ClusterOption) ClusterSpec {
	return ClusterSpec{Name: name, Options: opts}
}

// StartClusters starts several clusters at once and returns them in the order
// of specs. Those that name no etcd share one, which goes with the last of
// them; a cluster that starts alone has one of its own, and it is part of the
// cluster's faults. Close each.
func StartClusters(ctx context.Context, specs ...ClusterSpec) ([]*Cluster, error) {
	all := make([]*clusterOptions, len(specs))
	servers := map[Server]bool{}
	orphans := 0
	for i, spec := range specs {
		all[i] = newClusterOptions(spec.Options)
		for _, s := range all[i].servers() {
			servers[s] = true
		}
		if all[i].etcd == nil {
			orphans++
		}
	}
	assets, err := ensureAll(ctx, all, servers)
	if err != nil {
		return nil, err
	}
	if orphans > 1 {
		if err := shareEtcd(ctx, all, assets, orphans); err != nil {
			return nil, err
		}
	}

	clusters := make([]*Cluster, len(specs))
	group, ctx := errgroup.WithContext(ctx)
	for i, spec := range specs {
		group.Go(func() (err error) {
			clusters[i], err = startCluster(ctx, spec.Name, assets, all[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		for _, c := range clusters {
			if c != nil {
				_ = c.Close()
			}
		}
		return nil, err
	}
	return clusters, nil
}

// ensureAll finds what any of the clusters needs, as the first one asks for.
func ensureAll(ctx context.Context, all []*clusterOptions, servers map[Server]bool) (Assets, error) {
	if len(all) == 0 {
		return Assets{}, nil
	}
	var wanted []Server
	for _, s := range Servers() {
		if servers[s] {
			wanted = append(wanted, s)
		}
	}
	return all[0].builder.Ensure(ctx, wanted...)
}

// shareEtcd gives one etcd to all that have none. The last of them closes it.
func shareEtcd(ctx context.Context, all []*clusterOptions, assets Assets, users int) error {
	etcd, err := startEtcd(ctx, "etcd", assets, &all[0].options)
	if err != nil {
		return err
	}
	var left atomic.Int64
	left.Store(int64(users))
	release := func() {
		if left.Add(-1) == 0 {
			_ = etcd.Close()
		}
	}
	for _, o := range all {
		if o.etcd == nil {
			o.etcd, o.onClose = etcd, release
		}
	}
	return nil
}
