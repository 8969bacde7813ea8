package envtest

import "time"

// options is what every server can be told.
type options struct {
	builder Builder
	timeout time.Duration
	args    map[Server][]string
	cold    bool
}

func newOptions(opts []Option) *options {
	o := &options{timeout: defaultStartTimeout, args: map[Server][]string{}}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// An Option is understood by everything that starts servers.
type Option func(*options)

func (o Option) applyCluster(c *clusterOptions) { o(&c.options) }

// WithBuilder finds and builds the servers in another way than the zero Builder.
func WithBuilder(b Builder) Option {
	return func(o *options) { o.builder = b }
}

// WithArgs adds arguments to those of a server. Where a server takes the last
// one of a repeated flag, they win over ours.
func WithArgs(s Server, args ...string) Option {
	return func(o *options) { o.args[s] = append(o.args[s], args...) }
}

// WithStartTimeout bounds how long a start or a restart may take, by default
// three minutes. Building a missing server does not count.
func WithStartTimeout(d time.Duration) Option {
	return func(o *options) { o.timeout = d }
}

// WithColdStart has kcp make all its first data itself, which takes some twenty
// seconds longer. Otherwise it starts with a copy of what the first kcp on this
// machine made; so two of them give exports of kcp's own the same identities.
func WithColdStart() Option {
	return func(o *options) { o.cold = true }
}

// A ClusterOption is understood by StartCluster; every Option is one.
type ClusterOption interface {
	applyCluster(*clusterOptions)
}

type clusterOptions struct {
	options
	etcd        *Etcd
	onClose     func() // releases a shared etcd
	controllers []string
	workloads   bool
	nodes       []nodeGroup
}

type clusterOption func(*clusterOptions)

func (o clusterOption) applyCluster(c *clusterOptions) { o(c) }

func newClusterOptions(opts []ClusterOption) *clusterOptions {
	o := &clusterOptions{options: *newOptions(nil)}
	for _, opt := range opts {
		opt.applyCluster(o)
	}
	if o.workloads && len(o.nodes) == 0 {
		o.nodes = []nodeGroup{{count: 1}}
	}
	return o
}

// WithEtcd stores the cluster's data in e, below a prefix of its own, instead
// of in an etcd of its own. The caller closes e after the cluster.
func WithEtcd(e *Etcd) ClusterOption {
	return clusterOption(func(o *clusterOptions) { o.etcd = e })
}

// WithControllers runs the named controllers of kube-controller-manager, for
// instance "namespace-controller", without which no namespace ever goes away.
func WithControllers(names ...string) ClusterOption {
	return clusterOption(func(o *clusterOptions) { o.controllers = append(o.controllers, names...) })
}

// WithWorkloads makes a cluster on which workloads run: the controllers from
// Deployments to Jobs, the scheduler, and kwok, which plays the nodes and the
// pods. Without WithNodes there is one node of the default size.
func WithWorkloads() ClusterOption {
	return clusterOption(func(o *clusterOptions) { o.workloads = true })
}

// WithNodes adds n equal nodes. On a cluster without workloads they are mere
// objects that claim to be ready. It may be used more than once, for nodes of
// several kinds or zones.
func WithNodes(n int, node Node) ClusterOption {
	return clusterOption(func(o *clusterOptions) { o.nodes = append(o.nodes, nodeGroup{count: n, node: node}) })
}
