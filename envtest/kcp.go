package envtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	kcpapisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	kcpcorev1alpha1 "github.com/kcp-dev/sdk/apis/core/v1alpha1"
	kcptenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"

	"github.com/kcp-dev/logicalcluster/v3"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Root is the path of the workspace in which all others are.
var Root = logicalcluster.NewPath("root")

// A KCP is a kcp with an etcd of its own.
type KCP struct {
	*instance
	front

	scheme *runtime.Scheme
	assets Assets
	opts   *options
}

// StartKCP starts a kcp and waits until it is of use, which takes half a minute
// the first time on a machine and about six seconds after that. Close it.
func StartKCP(ctx context.Context, opts ...Option) (*KCP, error) {
	o := newOptions(opts)
	assets, err := o.builder.Ensure(ctx, ServerEtcd, ServerKCP)
	if err != nil {
		return nil, err
	}
	dir, err := newRunDir("kcp")
	if err != nil {
		return nil, err
	}
	k := &KCP{assets: assets, opts: o, instance: &instance{name: "kcp", dir: dir, timeout: o.timeout}}
	if err := k.prepare(); err != nil {
		_ = k.Close()
		return nil, fmt.Errorf("prepare kcp: %w", err)
	}
	begin := k.startSeeded
	if o.cold {
		begin = k.start
	}
	if err := begin(ctx); err != nil {
		_ = k.Close()
		return nil, err
	}
	return k, nil
}

// prepare makes all that outlives restarts: the port, the proxy, the files.
func (k *KCP) prepare() error {
	k.scheme = runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, kcpapisv1alpha1.AddToScheme, kcpapisv1alpha2.AddToScheme,
		kcpcorev1alpha1.AddToScheme, kcptenancyv1alpha1.AddToScheme,
	} {
		if err := add(k.scheme); err != nil {
			return fmt.Errorf("build a scheme: %w", err)
		}
	}
	var err error
	if k.front, err = k.newFront(kcpAdminGroup); err != nil {
		return err
	}
	ready, err := k.direct.probe("/readyz")
	if err != nil {
		return err
	}
	part, err := k.server(ready)
	if err != nil {
		return err
	}
	k.plan = func() []*component {
		fresh := *part
		return []*component{etcdComponent(k.assets[ServerEtcd], k.dir, k.opts), &fresh}
	}
	k.wipe = func() error {
		return errors.Join(os.RemoveAll(k.dir.file(seedRoot)), wipeEtcd(k.dir))
	}
	k.data = seedParts
	k.settle = k.settleDown
	return nil
}

// server says how to run kcp. It tells others to reach it, and above all its
// virtual workspaces, through the proxy; what it asks of itself passes by.
func (k *KCP) server(ready func(context.Context) error) (*component, error) {
	serving, err := k.ca.serving()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"ca.crt": k.ca.pem, "serving.crt": serving.cert, "serving.key": serving.key}
	for name, content := range files {
		if _, err := k.dir.write(name, content); err != nil {
			return nil, err
		}
	}
	root := k.dir.file(seedRoot)
	outside := "https://" + k.proxy.Addr()
	return &component{
		server: ServerKCP, path: k.assets[ServerKCP], dir: k.dir, ready: ready,
		args: append([]string{
			"start",
			"--root-directory=" + root,
			"--etcd-servers=" + etcdEndpoint(k.dir),
			"--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(k.port),
			"--permit-port-sharing=true", // we hold the port
			"--tls-cert-file=" + k.dir.file("serving.crt"),
			"--tls-private-key-file=" + k.dir.file("serving.key"),
			"--client-ca-file=" + k.dir.file("ca.crt"),
			"--shard-base-url=https://127.0.0.1:" + strconv.Itoa(k.port),
			"--shard-external-url=" + outside,
			"--shard-virtual-workspace-url=" + outside,
			"--shard-virtual-workspace-ca-file=" + k.dir.file("ca.crt"),
			"--batteries-included=workspace-types",
			"--enable-home-workspaces=false",
			"--profiling=false",
		}, k.opts.args[ServerKCP]...),
	}, nil
}

// settleDown waits until the root workspace serves what we need of it: kcp
// calls itself ready a little earlier.
func (k *KCP) settleDown(ctx context.Context) error {
	return waitFor(ctx, "the root workspace", func(ctx context.Context) error {
		c, err := client.New(k.direct.config(Root.RequestPath()), client.Options{Scheme: k.scheme})
		if err != nil {
			return err
		}
		return c.Get(ctx, client.ObjectKey{Name: "universal"}, &kcptenancyv1alpha1.WorkspaceType{})
	})
}

// Proxy is the network to kcp: its methods are faults.
func (k *KCP) Proxy() *Proxy { return k.proxy }

// Config is for a client that may do anything in a workspace. An empty path
// means kcp as a whole. It leads through the Proxy.
func (k *KCP) Config(path logicalcluster.Path) *rest.Config { return k.config(requestPath(path)) }

// Direct is Config past the Proxy, to look at a kcp that is cut off.
func (k *KCP) Direct(path logicalcluster.Path) *rest.Config {
	return k.direct.config(requestPath(path))
}

// UserConfig is for a client of a user in groups, who may do what RBAC in the
// workspace allows. It leads through the Proxy.
func (k *KCP) UserConfig(path logicalcluster.Path, user string, groups ...string) *rest.Config {
	return k.userConfig(requestPath(path), user, groups...)
}

// Kubeconfig is Config as a file for kubectl.
func (k *KCP) Kubeconfig(path logicalcluster.Path) ([]byte, error) {
	return kubeconfig("kcp", k.Config(path))
}

// Client is a client with Config that knows the types of client-go and of kcp.
func (k *KCP) Client(path logicalcluster.Path) (client.Client, error) {
	c, err := client.New(k.Config(path), client.Options{Scheme: k.scheme})
	if err != nil {
		return nil, fmt.Errorf("make a client for workspace %s: %w", path, err)
	}
	return c, nil
}

func requestPath(path logicalcluster.Path) string {
	if path.Empty() {
		return ""
	}
	return path.RequestPath()
}
