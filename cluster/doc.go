// Package cluster holds the fleet: the physical clusters that work can go to.
// The step Place chooses from its snapshots, Apply and Observe reach clusters
// through its connections.
//
// # Setup
//
// A Fleet is given sources, which say which clusters there are:
//
//	fleet, err := cluster.NewFleet(
//		cluster.WithSource(cluster.FromObjects(providerConfig)), // PhysicalCluster objects
//		cluster.WithAPIs(deployments, services),                 // kinds to look for
//		cluster.WithMetrics(metrics.Registry),
//	)
//	err = mgr.Add(fleet)
//	status, err := cluster.NewStatusWriter(fleet, providerConfig)
//	err = mgr.Add(status)
//
// Static has clusters that a program knows, FromProvider those of any
// multicluster-runtime provider. Several sources make one fleet; of two that
// know one name, the one given first wins.
//
// # Usage
//
// Snapshot returns the fleet as it is now, immutable and without a lock: what
// was read of it stays true of that moment. Subscribe calls back for each
// change, in order. Connection returns what to build clients and caches of one
// cluster from, and says by Done when they must be thrown away.
//
//	cancel := fleet.Subscribe(func(c cluster.Change) { queue.Add(c.Name()) })
//	conn, err := fleet.Connection("eu-1")
//	c, err := client.New(conn.Config, client.Options{HTTPClient: conn.HTTPClient})
//
// # Details
//
// Each cluster is probed by a goroutine of its own, at intervals that do not
// coincide: one that does not answer costs nobody else anything. A probe asks
// whether the API server is ready and for the UID of the kube-system namespace,
// which is the cluster's identity. Three failures in a row make a cluster
// unreachable, two successes reachable again (ProbePolicy). An unreachable
// cluster has the taint v1alpha1.TaintUnreachable, first with the effect
// NoSchedule, after the grace period also with NoExecute. The times of taints
// follow from what was observed, so replicas agree on them.
//
// If another cluster answers under a name, its UID is another, all that was
// known of the old one is forgotten, and the connection is replaced: whoever
// holds work for the name finds that State.UID changed. Of two registrations
// of one cluster, the older one counts; the other is not ready.
//
// Capacity comes from watches on nodes and pods. No object is kept: each event
// changes sums, in constant time, and a cluster's state is published at most
// every 100 milliseconds for that. Requests are counted as kube-scheduler does;
// nodes that are not ready or cordoned do not count, nor do pods that ended.
//
// Free slots of single nodes go with the sums, so that State.Fits knows that two
// halves do not hold a whole. Properties are what was declared, and what version
// and nodes say (PropertyVersion, ...). What is wrong with a cluster that can run
// work is among its Concerns.
//
// # Considerations
//
// Absence is not deletion. A source that fails, or that no longer lists a
// cluster, removes nothing: a cluster leaves the fleet when its source says
// that it was removed, and FromObjects says so only when a live read proved
// it. What could not be read keeps its last value.
//
// A kubeconfig in a Secret is somebody else's text. One that names files or
// asks to run a program is refused unless WithTrust allows it.
//
// The fleet writes nothing, so that every replica can run one. Only the
// StatusWriter writes, on the leader.
//
// A fleet keeps one watch on nodes and one on pods open per cluster. For
// clusters whose credentials do not allow that, the capacity is unknown
// (State.CapacityKnown), and rules about capacity do not apply to them.
package cluster
