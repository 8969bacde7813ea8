// Package shards shares the workspaces out among the replicas of a sync loop, so
// that each watches on physical clusters only the copies of its own workspaces.
//
//	registry := peers.NewLeaseRegistry(leases, "kube-system", "tmc-by", "", 1, logger)
//	shares := shards.New(registry)
//	mgr, err := mcmanager.New(cfg, provider, opts, mcmanager.WithCoordinator(sharded.New(leases, logger,
//		sharded.WithPeerRegistry(registry), sharded.WithSharder(shares))))
//	err = mgr.GetLocalManager().Add(shares)
//	loop, err := syncer.New(mgr, fleet, pipeline, syncer.WithShare(shares))
//
// Workspaces fall into transform.Buckets buckets by a hash of their logical
// cluster's name, and every copy bears its bucket as a label. A bucket goes to one
// replica, by weighted rendezvous hashing (Thaler and Ravishankar, 1998; weights as
// in Schindelhauer and Schomaker, 2005): who joins or leaves moves its own share of
// the buckets and no other.
//
// The Sharder of multicluster-runtime v0.24 multiplies 64-bit hashes by the weight,
// which overflows, and compares FNV hashes whose last byte alone differs, which gives
// one of three replicas named r-0 to r-2 half of everything. Ours does neither.
package shards
