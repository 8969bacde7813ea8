// Package envtest runs the real servers that the five steps (Place, Transform,
// Apply, Observe, Report) lead between: a kcp, and physical clusters. It is for
// tests and examples, here and in other projects, and breaks its servers on
// demand. Import it as tmcenvtest: controller-runtime has an envtest too.
//
// # Set-up
//
// There is none but Go. A server is taken from the first of these places:
//
//   - its own environment variable: TMC_ENVTEST_KCP, TMC_ENVTEST_ETCD,
//     TMC_ENVTEST_KUBE_APISERVER, TMC_ENVTEST_KUBE_CONTROLLER_MANAGER,
//     TMC_ENVTEST_KUBE_SCHEDULER, TMC_ENVTEST_KWOK;
//   - the folder that TMC_ENVTEST_ASSETS names;
//   - the user's cache folder;
//   - a build from the modules pinned in this package, which takes about ten
//     minutes for all on two cores and happens once.
//
// A test whose time is limited should not build. Warm the cache before:
//
//	go run github.com/tmc-sdk/tmc/envtest/cmd/tmc-envtest
//
// # Usage
//
//	func TestIt(t *testing.T) {
//		kcp := tmcenvtest.NewKCP(t)
//		clusters := tmcenvtest.NewClusters(t,
//			tmcenvtest.Spec("eu-1", tmcenvtest.WithWorkloads()),
//			tmcenvtest.Spec("us-1", tmcenvtest.WithWorkloads()))
//		tenant, err := kcp.CreateWorkspace(t.Context(), tmcenvtest.Root, "tenant")
//		...
//		clusters[0].Proxy().Cut()           // a network partition
//		err = clusters[1].RestartEmpty(ctx) // a lost disk
//	}
//
// The forms that begin with New belong to a test: they fail it, end with it, and
// add the servers' logs to it if it fails. The forms that begin with Start are
// for programs and for TestMain; what they return wants a Close.
//
// Faults are methods. [KCP], [Cluster] and [Etcd] have Stop, Kill, Restart,
// RestartEmpty, Snapshot and RestartFrom, Freeze and Thaw; the [Proxy] in front
// of a server has Cut, Delay, Limit, Reset, Refuse, Storm and Heal. A [Storm] is
// of requests: so many of these verbs and resources are throttled, fail, hang,
// lose their answer, or have their watch cut. A server's address, its
// certificates and the configs that you hold stay the same through all of them.
//
// # How it works
//
// Every server is a child process with a folder of its own, in memory where
// there is room. On Linux the kernel kills it when this process dies, however it
// dies; elsewhere a watchdog does. A folder that a killed process has left is
// removed by the next one. API servers listen on ports that this process holds
// for as long as they live, so that packages tested in parallel never collide;
// etcd listens on sockets in its folder and needs no port.
//
// Clients go through the Proxy, and so do the URLs in an APIExportEndpointSlice.
// The controllers, the scheduler and the nodes of a cluster do not: to cut a
// cluster off is not to stop it. Direct gives a config past the Proxy.
//
// Users are client certificates of an authority that each server has for
// itself. Admins of a cluster are in system:masters, those of kcp in
// system:kcp:admin.
//
// The first kcp of a machine leaves a copy of its first data in the cache, with
// which later ones start in six seconds instead of 26.
//
// # Trade-offs
//
// A cluster without WithWorkloads is an API server and nothing else: namespaces
// stay Terminating, owners do not take their objects along, and the ClusterRoles
// admin, edit and view are empty. [WithControllers] runs the controllers that a
// test needs. Nodes and pods are played by kwok: no container runs, and no
// volume is provisioned.
//
// A cluster without workloads costs about 270 MiB of memory, one with them 470,
// kcp 410, and an etcd 55, with 125 MiB more that it reserves in its folder,
// which is why clusters that start together share one. Cached servers take 460
// MB; those of older pins stay until you remove them.
//
// Windows can compile this package but not start servers.
package envtest
