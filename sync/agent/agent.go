package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/pull"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// Config is what an agent needs to know.
type Config struct {
	// Home leads to the cluster that the agent serves: rest.InClusterConfig.
	Home *rest.Config
	// Mailbox are the agent's credentials, of pull.Join or pull.Resume.
	Mailbox *pull.Credentials
	// Installation is the id of the hub that writes the mailbox.
	Installation string
	// Resources are all kinds that come through the mailbox: the hub's Resources
	// and its Related ones.
	Resources []schema.GroupVersionKind
}

func (c *Config) validate() error {
	switch {
	case c.Home == nil:
		return errors.New("agent: Home: the config of the agent's own cluster is needed")
	case c.Mailbox == nil:
		return errors.New("agent: Mailbox: credentials are needed: join with a bootstrap token")
	case c.Installation == "":
		return errors.New("agent: Installation: the id of the hub's installation is needed")
	case len(c.Resources) == 0:
		return errors.New("agent: Resources: no kinds to sync")
	}
	return nil
}

// Option changes how an agent works.
type Option func(*options)

type options struct {
	pipeline []transform.Option
	loop     []syncer.Option
	fleet    []cluster.Option
	reporter []pull.ReporterOption
	manager  manager.Options
	wrap     func(http.RoundTripper) http.RoundTripper
}

// WithPipeline adds to the agent's pipeline: labels of namespaces, transformers
// that only make sense in the cluster. What the hub renders has been transformed
// already.
func WithPipeline(opts ...transform.Option) Option {
	return func(o *options) { o.pipeline = append(o.pipeline, opts...) }
}

// WithLoop adds options of the loop: guards, gates, audit, objects in every
// namespace (syncer.WithNamespaceObjects), which in pull mode are the agent's.
func WithLoop(opts ...syncer.Option) Option {
	return func(o *options) { o.loop = append(o.loop, opts...) }
}

// WithFleet adds options of the agent's fleet of one.
func WithFleet(opts ...cluster.Option) Option {
	return func(o *options) { o.fleet = append(o.fleet, opts...) }
}

// WithReporter adds options of what reports to the mailbox.
func WithReporter(opts ...pull.ReporterOption) Option {
	return func(o *options) { o.reporter = append(o.reporter, opts...) }
}

// WithManager sets the options of the manager, whose leader election is in the
// agent's own cluster. Default: none, one replica.
func WithManager(opts manager.Options) Option { return func(o *options) { o.manager = opts } }

// WithTransport wraps the transport of all requests to the mailbox, as for traces
// or to count them.
func WithTransport(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(o *options) { o.wrap = wrap }
}

// Agent is a loop, a fleet of one cluster and what reports of it, in a manager.
type Agent struct {
	// Manager runs all of it. Add health checks and what else belongs to the
	// program before Start.
	Manager mcmanager.Manager
	// Loop of the agent.
	Loop *syncer.Loop
	// Fleet of one cluster: the agent's own.
	Fleet *cluster.Fleet
}

// New composes an agent. It reads from the mailbox which one it is; the error is
// pull.ErrRefused if the mailbox does not accept the credentials.
func New(ctx context.Context, cfg Config, opts ...Option) (*Agent, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	identity, err := cfg.Mailbox.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	mailboxConfig := cfg.Mailbox.Config()
	if o.wrap != nil {
		mailboxConfig.Wrap(o.wrap)
	}
	mailbox, err := workspaces.NewSingle(multicluster.ClusterName(identity), mailboxConfig, workspaces.SingleOptions{
		Selector: transform.SelectorFor(cfg.Installation), // what is not the hub's is nobody's business here
	})
	if err != nil {
		return nil, err
	}
	a := &Agent{}
	if a.Manager, err = mcmanager.New(cfg.Home, mailbox, o.manager); err != nil {
		return nil, fmt.Errorf("agent: build manager: %w", err)
	}
	if a.Fleet, err = newFleet(&cfg, &o); err != nil {
		return nil, err
	}
	if a.Loop, err = newLoop(a, &cfg, &o); err != nil {
		return nil, err
	}
	reporter, err := pull.NewReporter(a.Fleet, cfg.Mailbox.Cluster(), mailboxConfig, o.reporter...)
	if err != nil {
		return nil, err
	}
	for _, r := range []manager.Runnable{cfg.Mailbox, a.Fleet, reporter} {
		if err := a.Manager.GetLocalManager().Add(r); err != nil {
			return nil, fmt.Errorf("agent: add to manager: %w", err)
		}
	}
	return a, nil
}

// Start runs the agent until ctx is done. Copies stay when it ends.
func (a *Agent) Start(ctx context.Context) error { return a.Manager.Start(ctx) }

// newFleet returns a fleet of the agent's own cluster, under the name that it has
// at the hub.
func newFleet(cfg *Config, o *options) (*cluster.Fleet, error) {
	own := cluster.Static(cluster.Registration{Name: cfg.Mailbox.Cluster(), Config: cfg.Home})
	return cluster.NewFleet(append([]cluster.Option{cluster.WithSource(own), cluster.WithAPIs(cfg.Resources...)}, o.fleet...)...)
}

// newLoop returns the loop: the same as the hub's, with one workspace, one cluster
// and everything placed there, under the name that it has in the mailbox.
func newLoop(a *Agent, cfg *Config, o *options) (*syncer.Loop, error) {
	pipeline, err := transform.NewPipeline(syncer.AgentInstallation(cfg.Installation),
		append([]transform.Option{transform.WithNaming(transform.SameNaming{})}, o.pipeline...)...)
	if err != nil {
		return nil, err
	}
	return syncer.New(a.Manager, a.Fleet, pipeline, append([]syncer.Option{
		syncer.Resources(cfg.Resources...),
		syncer.WithPlacement(syncer.Here(cfg.Installation, cfg.Mailbox.Cluster())),
	}, o.loop...)...)
}
