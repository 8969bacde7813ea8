package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	uberzap "go.uber.org/zap"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/inventory"
	"github.com/tmc-sdk/tmc/cluster/publish"
	"github.com/tmc-sdk/tmc/cluster/view"
	"github.com/tmc-sdk/tmc/cluster/view/page"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/examples/controller/config"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/audit"
	"github.com/tmc-sdk/tmc/sync/notify"
)

// controller is what a configuration makes.
type controller struct {
	*config.Configuration
	flags    *flags
	level    *uberzap.AtomicLevel
	registry prometheus.Registerer
	platform *rest.Config

	mgr      mcmanager.Manager
	once     manager.Manager // of what one replica does for all workspaces
	fleet    *tmccluster.Fleet
	tenants  *workspaces.Provider
	loop     *syncer.Loop
	placer   *placementcontroller.Controller
	log      *audit.Log               // nil where nothing is recorded
	spans    *sdktrace.TracerProvider // nil where nobody traces
	notifier *notify.Notifier         // nil where nobody is told
	page     *page.Page               // nil where it is not served
}

// compose builds the controller of a configuration. It calls no server.
func compose(c *config.Configuration, f *flags, level *uberzap.AtomicLevel, registry prometheus.Registerer) (*controller, error) {
	x := &controller{Configuration: c, flags: f, level: level, registry: registry}
	var err error
	if x.platform, err = f.connect(c.Platform.Connection); err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	if x.tenants, err = workspaces.NewProvider(x.platform, c.Export.Name, workspaces.Options{}); err != nil {
		return nil, err
	}
	if err := x.addManager(); err != nil {
		return nil, err
	}
	fleetOptions, err := x.fleetOptions()
	if err != nil {
		return nil, err
	}
	if x.fleet, err = tmccluster.NewFleet(fleetOptions...); err != nil {
		return nil, err
	}
	for _, add := range []func() error{x.addAudit, x.addTracing, x.addNotifier, x.addLoop, x.addPlacer, x.addPlatform, x.addChecks, x.addPage, x.addHandlers} {
		if err := add(); err != nil {
			return nil, errors.Join(err, x.close())
		}
	}
	return x, nil
}

// close ends what outlives the manager.
func (x *controller) close() error {
	var errs []error
	if x.spans != nil {
		ctx, cancel := context.WithTimeout(context.Background(), x.Shutdown.Grace.Duration)
		defer cancel()
		if err := x.spans.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("send the last spans: %w", err))
		}
	}
	if x.log != nil {
		errs = append(errs, x.log.Close())
	}
	return errors.Join(errs...)
}

func (x *controller) addNotifier() (err error) {
	if x.Notify == nil {
		return nil
	}
	if x.notifier, err = x.Notify.Open(x.registry); err != nil {
		return err
	}
	x.fleet.Subscribe(func(c tmccluster.Change) { x.notifier.Cluster(c.Old, c.New) })
	return x.mgr.GetLocalManager().Add(x.notifier)
}

func (x *controller) addTracing() (err error) {
	if x.Tracing == nil {
		return nil
	}
	x.spans, err = x.Tracing.Open(context.Background(), x.Installation, version())
	return err
}

func (x *controller) addAudit() error {
	if x.Audit == nil {
		return nil
	}
	log, senders, err := x.Audit.Open(x.Installation, x.registry)
	if err != nil {
		return err
	}
	x.log = log
	for _, s := range senders {
		if err := x.mgr.GetLocalManager().Add(s); err != nil {
			return err
		}
	}
	return nil
}

func (x *controller) fleetOptions() ([]tmccluster.Option, error) {
	trust := tmccluster.Trust{Files: x.Fleet.Trust.Files, Exec: x.Fleet.Trust.Exec}
	options := []tmccluster.Option{
		tmccluster.WithAPIs(append(config.GVKs(x.Resources), config.GVKs(x.Related)...)...),
		tmccluster.WithProbe(tmccluster.ProbePolicy{
			Interval: x.Fleet.Probe.Interval.Duration, Timeout: x.Fleet.Probe.Timeout.Duration,
			FailureThreshold: x.Fleet.Probe.FailureThreshold, SuccessThreshold: x.Fleet.Probe.SuccessThreshold,
		}),
		tmccluster.WithGrace(x.Fleet.Grace.Duration),
		tmccluster.WithMetrics(x.registry),
	}
	if *x.Fleet.Objects {
		options = append(options, tmccluster.WithSource(tmccluster.FromObjects(x.platform, tmccluster.WithTrust(trust))))
	}
	if x.Fleet.Folder != "" {
		options = append(options, tmccluster.WithSource(tmccluster.FromFolder(x.Fleet.Folder, trust)))
	}
	if p := x.Fleet.Profiles; p != nil && p.Read != nil {
		source, err := p.Read.Source(x.platform)
		if err != nil {
			return nil, err
		}
		options = append(options, tmccluster.WithSource(source))
	}
	return options, nil
}

// addLoop adds the loop that applies, observes and reports.
func (x *controller) addLoop() error {
	c := x.Configuration
	pipeline, err := c.Transform.Pipeline(c.Installation, known)
	if err != nil {
		return err
	}
	rules, err := c.Transform.StatusRules()
	if err != nil {
		return err
	}
	options := []syncer.Option{
		syncer.Resources(config.GVKs(c.Resources)...), syncer.Related(config.GVKs(c.Related)...),
		syncer.WithStatusRules(rules),
		syncer.WithWorkers(c.Sync.Workers, c.Sync.PerCluster),
		syncer.ReportEvery(c.Sync.ReportEvery.Duration), syncer.TidyAfter(c.Sync.TidyAfter.Duration),
		syncer.WithMetrics(x.registry),
	}
	if c.Sync.ReleaseLostAfter != nil {
		options = append(options, syncer.ReleaseLostAfter(c.Sync.ReleaseLostAfter.Duration))
	}
	if x.log != nil {
		options = append(options, syncer.WithAudit(x.log.Changes()), syncer.WithGate(x.log.Gate()))
	}
	if x.spans != nil {
		options = append(options, syncer.WithTracing(x.spans))
	}
	if x.notifier != nil {
		options = append(options, syncer.OnHealth(x.notifier.Health))
	}
	x.loop, err = syncer.New(x.mgr, x.fleet, pipeline, options...)
	return err
}

// addPlacer adds the controller that places.
func (x *controller) addPlacer() error {
	c := x.Configuration
	engine, err := c.Placement.Engine(known)
	if err != nil {
		return err
	}
	age, scores, err := c.Placement.ExternalScores()
	if err != nil {
		return err
	}
	b := c.Placement.Budget
	options := []placementcontroller.Option{
		placementcontroller.WithScores(age, scores...),
		placementcontroller.WithReservations(c.Placement.Reservations.Duration),
		placementcontroller.Resources(config.GVKs(c.Resources)...),
		placementcontroller.WithCopies(x.loop),
		placementcontroller.WithDefaults(func(context.Context, multicluster.ClusterName, string) (*placementv1alpha1.PlacementSpec, error) {
			return c.Placement.Defaults, nil
		}),
		placementcontroller.WithLayers(c.Placement.PolicyLayers()...),
		placementcontroller.WithLimiter(placementcontroller.NewBudget(placementcontroller.BudgetOptions{
			PerMinute: b.PerMinute, PerWorkspace: b.PerWorkspace, PerRegion: b.PerRegion, Burst: b.Burst, MaxLostShare: b.MaxLostShare,
		})),
		placementcontroller.WithWorkers(c.Placement.Workers),
		placementcontroller.WithSettling(c.Placement.Settling.Duration),
		placementcontroller.WithMetrics(x.registry),
	}
	if x.log != nil {
		options = append(options, placementcontroller.OnDecision(x.log.Decided))
	}
	if x.spans != nil {
		options = append(options, placementcontroller.WithTracing(x.spans))
	}
	if x.notifier != nil {
		options = append(options, placementcontroller.OnDecision(x.notifier.Decided))
	}
	x.placer, err = placementcontroller.New(x.mgr, x.fleet, engine, options...)
	return err
}

// addPlatform adds what serves the platform team: the fleet, the status of its
// PhysicalClusters, and the export with the APIs that the clusters serve.
func (x *controller) addPlatform() error {
	if err := x.mgr.GetLocalManager().Add(x.fleet); err != nil {
		return err
	}
	var runnables []manager.Runnable
	if *x.Fleet.Objects {
		status, err := tmccluster.NewStatusWriter(x.fleet, x.platform)
		if err != nil {
			return err
		}
		runnables = append(runnables, status)
	}
	if *x.Export.Publish {
		follower, err := x.newFollower()
		if err != nil {
			return err
		}
		runnables = append(runnables, follower)
	}
	if p := x.Fleet.Profiles; p != nil && p.Publish != nil {
		publisher, err := inventory.NewPublisher(x.fleet, x.platform, p.Publish.Namespace, p.Publish.Manager)
		if err != nil {
			return err
		}
		runnables = append(runnables, publisher)
	}
	for _, r := range runnables {
		if err := x.once.Add(r); err != nil {
			return err
		}
	}
	return nil
}

// addPage follows what the fleet page shows.
func (x *controller) addPage() error {
	if !*x.Serving.FleetPage {
		return nil
	}
	v := view.New()
	kinds := append(config.GVKs(x.Resources), placementv1alpha1.GroupVersion.WithKind("Placement"))
	feed, err := view.NewFeed(v, x.tenants, x.fleet, kinds...)
	if err != nil {
		return err
	}
	x.page = page.New(x.fleet, v)
	return x.mgr.Add(feed)
}

func (x *controller) newFollower() (*publish.Follower, error) {
	var options []publish.PublisherOption
	if x.Export.AllowBreaking {
		options = append(options, publish.AllowBreaking())
	}
	if x.Export.AllowRemoval {
		options = append(options, publish.AllowRemoval())
	}
	publisher, err := publish.NewPublisher(x.platform, options...)
	if err != nil {
		return nil, err
	}
	placements, err := placementv1alpha1.CRDs()
	if err != nil {
		return nil, err
	}
	export := publish.Export{Name: x.Export.Name, Definitions: placements, Claims: x.PermissionClaims(), Binders: x.Export.Binders}
	return publish.NewFollower(x.fleet, publisher, export, config.GVKs(x.Resources), nil)
}
