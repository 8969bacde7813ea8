package main

import (
	"fmt"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/manager/coordinator/sharded"
	"sigs.k8s.io/multicluster-runtime/pkg/manager/coordinator/sharded/peers"

	"github.com/tmc-sdk/tmc/examples/controller/config"
	"github.com/tmc-sdk/tmc/sync/shards"
)

// addManager makes the manager. Without sharding the leader acts alone. With
// sharding every replica does, for the workspaces of which it holds the lease; and
// what is done once for all of them has a manager of its own, which has a leader.
func (x *controller) addManager() error {
	options, err := x.managerOptions()
	if err != nil {
		return err
	}
	if x.Sharding == nil {
		if x.mgr, err = mcmanager.New(x.platform, x.tenants, options); err != nil {
			return fmt.Errorf("build manager: %w", err)
		}
		x.once = x.mgr.GetLocalManager()
		return nil
	}
	coordinator, err := x.coordinator()
	if err != nil {
		return fmt.Errorf("sharding: %w", err)
	}
	elected := options
	elected.HealthProbeBindAddress, elected.Metrics = "0", metricsserver.Options{BindAddress: "0"}
	if x.once, err = manager.New(x.platform, elected); err != nil {
		return fmt.Errorf("build manager of what is done once: %w", err)
	}
	options.LeaderElection = false
	if x.mgr, err = mcmanager.New(x.platform, x.tenants, options, mcmanager.WithCoordinator(coordinator)); err != nil {
		return fmt.Errorf("build manager: %w", err)
	}
	if err := x.mgr.GetLocalManager().Add(x.shares); err != nil {
		return err
	}
	return x.mgr.GetLocalManager().Add(x.once)
}

// coordinator says which workspaces are this replica's.
func (x *controller) coordinator() (*sharded.Coordinator, error) {
	s, l := x.Sharding, x.LeaderElection
	leases, err := x.leaseConfig()
	if err != nil {
		return nil, err
	}
	cl, err := client.New(leases, client.Options{})
	if err != nil {
		return nil, err
	}
	logger := log.Log.WithName("shards")
	registry := peers.NewLeaseRegistry(cl, l.Namespace, l.Name+"-by", x.flags.replica, s.Weight, logger)
	x.shares = shards.New(registry)
	return sharded.New(cl, logger,
		sharded.WithShardLease(l.Namespace, l.Name+"-of"),
		sharded.WithPeerRegistry(registry), sharded.WithSharder(x.shares),
		sharded.WithSynchronizationIntervals(s.LookEvery.Duration, s.LookEvery.Duration),
		sharded.WithLeaseTimings(s.LeaseDuration.Duration, s.RenewEvery.Duration, s.LookEvery.Duration/2),
	), nil
}

// leaseConfig leads to the server of the leases.
func (x *controller) leaseConfig() (*rest.Config, error) {
	if x.LeaderElection.Connection == (config.Connection{}) {
		return x.platform, nil
	}
	return x.flags.connect(x.LeaderElection.Connection)
}
