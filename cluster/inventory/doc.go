// Package inventory speaks the cluster inventory API of sig-multicluster: it
// makes a source of clusters of the ClusterProfiles that a cluster manager
// wrote, and shows the fleet to others as ClusterProfiles.
//
// # Setup
//
//	source, err := inventory.FromProfiles(hub, "fleet", inventory.Exec("gke", gkePlugin))
//	fleet, err := cluster.NewFleet(cluster.WithSource(source))
//
//	publisher, err := inventory.NewPublisher(fleet, hub, "inventory", "tmc")
//	err = mgr.Add(publisher)
//
// # Details
//
// A ClusterProfile says where a cluster is, and by the names of access
// providers who can get credentials for it. What such a name means is said by
// the platform: Exec is a program that it trusts, AccessFunc anything else. Of
// the providers that a profile names, the first that the platform gave counts.
//
// A profile's labels are those of the cluster, its properties too; region and
// zone are read from properties or labels with the names of the well-known
// node labels. A cluster leaves the fleet when its profile was deleted, which
// is read live.
//
// # Considerations
//
// A profile is somebody else's text. It chooses neither a program nor its
// arguments nor its environment; one that names a file of ours, a proxy, or an
// address without TLS, or that asks not to verify certificates, is refused: the
// cluster is in the fleet, not ready, and its message says why.
//
// Published profiles carry no access providers: who reads the inventory learns
// what there is, not how to get in. A profile that is not ours is not touched.
package inventory
