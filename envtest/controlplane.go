package envtest

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// workloadControllers are what a cluster with workloads runs. Volumes are left
// out: nobody here could provide one.
var workloadControllers = []string{
	"clusterrole-aggregation-controller",
	"cronjob-controller",
	"daemonset-controller",
	"deployment-controller",
	"disruption-controller",
	"endpointslice-controller",
	"garbage-collector-controller",
	"job-controller",
	"namespace-controller",
	"node-lifecycle-controller",
	"persistentvolume-binder-controller",
	"persistentvolumeclaim-protection-controller",
	"pod-garbage-collector-controller",
	"replicaset-controller",
	"resourcequota-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"statefulset-controller",
	"taint-eviction-controller",
	"ttl-after-finished-controller",
}

func (c *Cluster) apiServer(etcd, prefix string, ready func(context.Context) error) *component {
	f := c.files
	args := []string{
		"--etcd-servers=" + etcd,
		"--etcd-prefix=" + prefix,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--secure-port=" + strconv.Itoa(c.port),
		"--permit-port-sharing=true", // we hold the port
		"--cert-dir=" + c.dir.file("certs"),
		"--tls-cert-file=" + f.servingCert,
		"--tls-private-key-file=" + f.servingKey,
		"--client-ca-file=" + f.ca,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + f.accountKey,
		"--service-account-signing-key-file=" + f.accountKey,
		"--service-cluster-ip-range=10.0.0.0/16",
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--profiling=false",
	}
	if !c.opts.workloads {
		// Nobody makes service accounts here: without this no pod could be created.
		args = append(args, "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition")
	}
	return &component{
		server: ServerKubeAPIServer, path: c.assets[ServerKubeAPIServer], dir: c.dir,
		args: append(args, c.opts.args[ServerKubeAPIServer]...), ready: ready,
	}
}

// controllers are the servers that make a cluster act. They talk to the API
// server directly: a cut to the cluster is no cut within it.
func (c *Cluster) controllers() []*component {
	var parts []*component
	add := func(s Server, args ...string) {
		parts = append(parts, &component{
			server: s, path: c.assets[s], dir: c.dir,
			args: append(append(args, "--kubeconfig="+c.files.kubeconfig), c.opts.args[s]...),
		})
	}
	names := c.opts.controllers
	if c.opts.workloads {
		names = append(append([]string{}, workloadControllers...), names...)
	}
	if len(names) > 0 {
		add(ServerKubeControllerManager,
			"--controllers="+strings.Join(names, ","),
			"--leader-elect=false",
			"--secure-port=0",
			"--service-account-private-key-file="+c.files.accountKey,
			"--root-ca-file="+c.files.ca,
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
			"--profiling=false",
		)
	}
	if c.opts.workloads {
		add(ServerKubeScheduler, "--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000",
			"--profiling=false")
		// Without leases the node lifecycle controller would find the nodes gone
		// after a minute.
		add(ServerKwok, "--manage-all-nodes=true", "--node-lease-duration-seconds=40", "--server-address=")
	}
	return parts
}

// settleDown registers the nodes and waits until workloads can run.
func (c *Cluster) settleDown(ctx context.Context, nodes []*corev1.Node) error {
	if len(nodes) == 0 && !c.opts.workloads {
		return nil
	}
	cl, err := client.New(c.Direct(), client.Options{})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	if err := registerNodes(ctx, cl, nodes); err != nil {
		return err
	}
	if err := waitFor(ctx, "the nodes", func(ctx context.Context) error { return nodesReady(ctx, cl, nodes) }); err != nil {
		return err
	}
	if !c.opts.workloads {
		return nil
	}
	return waitFor(ctx, "the default service account", func(ctx context.Context) error {
		return cl.Get(ctx, types.NamespacedName{Namespace: "default", Name: "default"}, &corev1.ServiceAccount{})
	})
}
