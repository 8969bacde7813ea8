package envtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Cluster is a physical cluster: a real API server and, if asked for, the
// controllers, the scheduler and simulated nodes on which workloads run.
type Cluster struct {
	*instance
	front

	files      *clusterFiles
	assets     Assets
	opts       *clusterOptions
	generation int // counts how often the data was lost
}

// StartCluster starts a physical cluster and waits until it is of use. Close it.
func StartCluster(ctx context.Context, name string, opts ...ClusterOption) (*Cluster, error) {
	o := newClusterOptions(opts)
	assets, err := o.builder.Ensure(ctx, o.servers()...)
	if err != nil {
		return nil, err
	}
	return startCluster(ctx, name, assets, o)
}

// servers says what such a cluster consists of.
func (o *clusterOptions) servers() []Server {
	servers := []Server{ServerKubeAPIServer}
	if o.etcd == nil {
		servers = append(servers, ServerEtcd)
	}
	if o.workloads || len(o.controllers) > 0 {
		servers = append(servers, ServerKubeControllerManager)
	}
	if o.workloads {
		servers = append(servers, ServerKubeScheduler, ServerKwok)
	}
	return servers
}

func startCluster(ctx context.Context, name string, assets Assets, o *clusterOptions) (*Cluster, error) {
	dir, err := newRunDir(name)
	if err != nil {
		if o.onClose != nil {
			o.onClose()
		}
		return nil, err
	}
	c := &Cluster{assets: assets, opts: o, instance: &instance{name: name, dir: dir, timeout: o.timeout}}
	if o.onClose != nil {
		c.closers = append(c.closers, o.onClose)
	}
	if err := c.prepare(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("prepare cluster %s: %w", name, err)
	}
	if err := c.start(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// prepare makes all that outlives restarts: the port, the proxy, the files.
func (c *Cluster) prepare() error {
	var err error
	if c.front, err = c.newFront(clusterAdminGroup); err != nil {
		return err
	}
	if c.files, err = writeClusterFiles(c.dir, c.name, c.direct); err != nil {
		return err
	}
	ready, err := c.direct.probe("/readyz")
	if err != nil {
		return err
	}
	nodes, err := nodeObjects(c.name, c.opts.nodes, !c.opts.workloads)
	if err != nil {
		return err
	}
	c.plan = func() []*component { return c.components(ready) }
	c.wipe = c.loseData
	if c.opts.etcd == nil {
		c.data = []string{etcdData}
	}
	c.settle = func(ctx context.Context) error { return c.settleDown(ctx, nodes) }
	return nil
}

func (c *Cluster) components(ready func(context.Context) error) []*component {
	var parts []*component
	endpoint := etcdEndpoint(c.dir)
	if c.opts.etcd != nil {
		endpoint = c.opts.etcd.endpoint()
	} else {
		parts = append(parts, etcdComponent(c.assets[ServerEtcd], c.dir, &c.opts.options))
	}
	// The folder's name is unique, and so is the prefix in a shared etcd.
	prefix := fmt.Sprintf("/%s/%d", filepath.Base(c.dir.path), c.generation)
	if c.opts.workloads {
		serving := ready
		ready = func(ctx context.Context) error {
			if err := serving(ctx); err != nil {
				return err
			}
			return c.freeNodes(ctx)
		}
	}
	parts = append(parts, c.apiServer(endpoint, prefix, ready))
	return append(parts, c.controllers()...)
}

// loseData makes the next start find an empty store.
func (c *Cluster) loseData() error {
	c.generation++
	if c.opts.etcd != nil {
		return nil // what the old prefix holds is gone with the shared etcd
	}
	return wipeEtcd(c.dir)
}

// Name is the name that the cluster was started with.
func (c *Cluster) Name() string { return c.name }

// Proxy is the network to the cluster: its methods are faults.
func (c *Cluster) Proxy() *Proxy { return c.proxy }

// Config is for a client that may do anything. It leads through the Proxy.
func (c *Cluster) Config() *rest.Config { return c.config("") }

// Direct is Config past the Proxy, to look at a cluster that is cut off.
func (c *Cluster) Direct() *rest.Config { return c.direct.config("") }

// UserConfig is for a client of a user in groups, who may do what RBAC allows.
// It leads through the Proxy.
func (c *Cluster) UserConfig(user string, groups ...string) *rest.Config {
	return c.userConfig("", user, groups...)
}

// Kubeconfig is Config as a file for kubectl.
func (c *Cluster) Kubeconfig() ([]byte, error) { return kubeconfig(c.name, c.Config()) }

// Client is a client with Config that knows the types of client-go.
func (c *Cluster) Client() (client.Client, error) {
	cl, err := client.New(c.Config(), client.Options{})
	if err != nil {
		return nil, fmt.Errorf("make a client for cluster %s: %w", c.name, err)
	}
	return cl, nil
}

// clusterFiles are what the servers of a cluster read.
type clusterFiles struct {
	ca, servingCert, servingKey, accountKey, kubeconfig string
}

func writeClusterFiles(dir *runDir, name string, a *access) (*clusterFiles, error) {
	serving, err := a.ca.serving()
	if err != nil {
		return nil, err
	}
	accounts, err := a.ca.client("service-accounts") // for its key alone
	if err != nil {
		return nil, err
	}
	admin, err := kubeconfig(name, a.config(""))
	if err != nil {
		return nil, err
	}
	f := &clusterFiles{}
	for _, file := range []struct {
		path    *string
		name    string
		content []byte
	}{
		{&f.ca, "ca.crt", a.ca.pem},
		{&f.servingCert, "serving.crt", serving.cert},
		{&f.servingKey, "serving.key", serving.key},
		{&f.accountKey, "service-accounts.key", accounts.key},
		{&f.kubeconfig, "admin.kubeconfig", admin},
	} {
		if *file.path, err = dir.write(file.name, file.content); err != nil {
			return nil, err
		}
	}
	return f, os.MkdirAll(dir.file("certs"), 0o700)
}
