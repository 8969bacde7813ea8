package envtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
)

// Etcd is an etcd of its own that several clusters may share, each below a
// prefix of its own. Its faults befall all of them.
type Etcd struct {
	*instance
}

// StartEtcd starts an etcd. Close it after the clusters that use it.
func StartEtcd(ctx context.Context, opts ...Option) (*Etcd, error) {
	o := newOptions(opts)
	assets, err := o.builder.Ensure(ctx, ServerEtcd)
	if err != nil {
		return nil, err
	}
	return startEtcd(ctx, "etcd", assets, o)
}

func startEtcd(ctx context.Context, name string, assets Assets, o *options) (*Etcd, error) {
	dir, err := newRunDir(name)
	if err != nil {
		return nil, err
	}
	e := &Etcd{instance: &instance{name: name, dir: dir, timeout: o.timeout}}
	e.plan = func() []*component { return []*component{etcdComponent(assets[ServerEtcd], dir, o)} }
	e.wipe = func() error { return wipeEtcd(dir) }
	e.data = []string{etcdData}
	if err := e.start(ctx); err != nil {
		_ = e.Close()
		return nil, err
	}
	return e, nil
}

func (e *Etcd) endpoint() string { return etcdEndpoint(e.dir) }

// etcd speaks over sockets in its folder, so that it needs no port. It insists
// on a host and a port in each address: for a socket they are its file's name.
const (
	etcdClient = "client:1"
	etcdPeer   = "peer:1"
	etcdData   = "etcd-data"
)

func etcdEndpoint(dir *runDir) string { return "unix://" + dir.file(etcdClient) }

func wipeEtcd(dir *runDir) error {
	if err := os.RemoveAll(dir.file(etcdData)); err != nil {
		return fmt.Errorf("remove etcd's data: %w", err)
	}
	return nil
}

func etcdComponent(path string, dir *runDir, o *options) *component {
	client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", dir.file(etcdClient))
		},
	}}
	return &component{
		server: ServerEtcd, path: path, dir: dir,
		args: append([]string{
			"--name=default",
			"--data-dir=" + dir.file(etcdData),
			"--unsafe-no-fsync",
			"--log-level=warn",
			"--listen-client-urls=unix://" + etcdClient,
			"--advertise-client-urls=unix://" + etcdClient,
			"--listen-peer-urls=unix://" + etcdPeer,
			"--initial-advertise-peer-urls=unix://" + etcdPeer,
			"--initial-cluster=default=unix://" + etcdPeer,
		}, o.args[ServerEtcd]...),
		ready: func(ctx context.Context) error { return get(ctx, client, "http://etcd/health") },
	}
}
