package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	uberzap "go.uber.org/zap"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/tmc-sdk/tmc/cluster/pull"
	"github.com/tmc-sdk/tmc/examples/controller/config"
	"github.com/tmc-sdk/tmc/sync/agent"
)

// newMailboxes returns the hub's side of pull mode: where mailboxes are. They hold
// copies, so the kinds are those of clusters.
func (x *controller) newMailboxes() (*pull.Workspaces, error) {
	var resources []schema.GroupVersionResource
	for _, kind := range append(config.GVKs(x.Resources), config.GVKs(x.Related)...) {
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		resources = append(resources, plural)
	}
	return pull.NewWorkspaces(x.platform, x.Export.Name, resources...)
}

// composeAgent builds the controller of a configuration in mode Agent. It joins, if
// this was not done before, and asks the mailbox which one it is.
func composeAgent(ctx context.Context, c *config.Configuration, f *flags, level *uberzap.AtomicLevel, registry prometheus.Registerer) (*controller, error) {
	x := &controller{Configuration: c, flags: f, level: level, registry: registry}
	var err error
	if x.platform, err = f.connect(c.Agent.Connection); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	for _, open := range []func() error{x.openAudit, x.openTracing} {
		if err := open(); err != nil {
			return nil, errors.Join(err, x.close())
		}
	}
	if err := x.addAgent(ctx); err != nil {
		return nil, errors.Join(err, x.close())
	}
	for _, add := range []func() error{x.addChecks, x.addHandlers, x.addOthers} {
		if err := add(); err != nil {
			return nil, errors.Join(err, x.close())
		}
	}
	return x, nil
}

func (x *controller) addAgent(ctx context.Context) error {
	credentials, err := patience{x.Serving.Health, waitFor}.enter(ctx, x.enter)
	if err != nil {
		return err
	}
	manager, err := x.managerOptions()
	if err != nil {
		return err
	}
	steps, err := x.Transform.Options(known)
	if err != nil {
		return err
	}
	options, err := x.loopOptions()
	if err != nil {
		return err
	}
	a, err := agent.New(ctx, agent.Config{
		Home: x.platform, Mailbox: credentials, Installation: x.Installation,
		Resources: append(config.GVKs(x.Resources), config.GVKs(x.Related)...),
	}, agent.WithManager(manager), agent.WithPipeline(steps...), agent.WithLoop(options...), agent.WithFleet(x.probeOptions()...),
		agent.WithReporter(pull.LeaseDuration(x.Agent.Silence.Duration)))
	if err != nil {
		return err
	}
	x.mgr, x.loop, x.fleet = a.Manager, a.Loop, a.Fleet
	return nil
}

// enter returns the agent's credentials: those that it has, unless the mailbox
// refuses them, or else those that the bootstrap token brings. The error is an
// awayError if a server can't be reached.
func (x *controller) enter(ctx context.Context) (*pull.Credentials, error) {
	store, err := pull.InSecret(x.platform, x.Agent.Namespace, x.Agent.Secret)
	if err != nil {
		return nil, err
	}
	credentials, err := pull.Resume(ctx, store)
	if err == nil {
		if _, err = credentials.Identity(ctx); err == nil {
			return credentials, nil
		}
	}
	if !errors.Is(err, pull.ErrNotJoined) && !errors.Is(err, pull.ErrRefused) {
		return nil, awayError{err}
	}
	data, readErr := os.ReadFile(x.Agent.Bootstrap)
	if readErr != nil {
		return nil, fmt.Errorf("%w; to join, make a bootstrap token (kubectl tmc token create NAME) and put it where agent.bootstrap says: %w", err, readErr)
	}
	token, err := pull.ParseWay(data)
	if err != nil {
		return nil, fmt.Errorf("agent.bootstrap: %w", err)
	}
	credentials, err = pull.Join(ctx, token, store)
	if errors.Is(err, pull.ErrRefused) || errors.Is(err, pull.ErrTaken) {
		// Another replica may have used it a moment ago.
		if theirs, again := pull.Resume(ctx, store); again == nil {
			if _, again = theirs.Identity(ctx); again == nil {
				return theirs, nil
			}
		}
	}
	switch {
	case errors.Is(err, pull.ErrRefused):
		return nil, err
	case err != nil:
		return nil, awayError{err}
	}
	log.Log.Info("Joined", "physicalCluster", credentials.Cluster(), "server", token.Server)
	return credentials, nil
}
