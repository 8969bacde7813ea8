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
	"github.com/tmc-sdk/tmc/cluster/pull"
	"github.com/tmc-sdk/tmc/cluster/view"
	"github.com/tmc-sdk/tmc/cluster/view/page"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/examples/controller/config"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/audit"
	"github.com/tmc-sdk/tmc/sync/notify"
	"github.com/tmc-sdk/tmc/sync/shards"
	"github.com/tmc-sdk/tmc/transform"
)

// controller is what a configuration makes.
type controller struct {
	*config.Configuration
	flags    *flags
	level    *uberzap.AtomicLevel
	registry prometheus.Registerer
	platform *rest.Config // in mode Agent: its own cluster

	mailboxes *pull.Workspaces    // nil but in mode Hub
	pipeline  *transform.Pipeline // nil in mode Agent

	mgr      mcmanager.Manager
	once     manager.Manager // of what one replica does for all workspaces
	shares   *shards.Shards  // nil without sharding
	fleet    *tmccluster.Fleet
	tenants  *workspaces.Provider
	loop     *syncer.Loop
	placer   *placementcontroller.Controller
	log      *audit.Log                // nil where nothing is recorded
	spans    *sdktrace.TracerProvider  // nil where nobody traces
	notifier *notify.Notifier          // nil where nobody is told
	page     *page.Page                // nil where it is not served
	exported *workspaces.ExportedKinds // nil where kinds are listed
	others   []manager.Runnable        // of every replica
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
	if x.Mode == config.ModeHub {
		if x.mailboxes, err = x.newMailboxes(); err != nil {
			return nil, err
		}
	}
	if x.pipeline, err = c.Transform.Pipeline(c.Installation, known); err != nil {
		return nil, err
	}
	if c.Export.Follow != nil {
		if x.exported, err = c.Export.Follow.Kinds(x.platform, c.Export.Name); err != nil {
			return nil, err
		}
		x.others = append(x.others, x.exported)
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
	for _, add := range []func() error{x.openAudit, x.openTracing, x.openNotifier, x.addLoop, x.addPlacer, x.addPlatform, x.addChecks, x.addPage, x.addHandlers, x.addOthers} {
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

func (x *controller) openNotifier() (err error) {
	if x.Notify == nil {
		return nil
	}
	if x.notifier, err = x.Notify.Open(x.registry); err != nil {
		return err
	}
	x.fleet.Subscribe(func(c tmccluster.Change) { x.notifier.Cluster(c.Old, c.New) })
	x.others = append(x.others, x.notifier)
	return nil
}

func (x *controller) openTracing() (err error) {
	if x.Tracing == nil {
		return nil
	}
	x.spans, err = x.Tracing.Open(context.Background(), x.Installation, version())
	return err
}

func (x *controller) openAudit() error {
	if x.Audit == nil {
		return nil
	}
	log, senders, err := x.Audit.Open(x.Installation, x.registry)
	if err != nil {
		return err
	}
	x.log = log
	for _, s := range senders {
		x.others = append(x.others, s)
	}
	return nil
}

// addOthers adds what runs beside the rooms.
func (x *controller) addOthers() error {
	for _, r := range x.others {
		if err := x.mgr.GetLocalManager().Add(r); err != nil {
			return err
		}
	}
	return nil
}

func (x *controller) fleetOptions() ([]tmccluster.Option, error) {
	trust := tmccluster.Trust{Files: x.Fleet.Trust.Files, Exec: x.Fleet.Trust.Exec}
	options := append(x.probeOptions(), tmccluster.WithGrace(x.Fleet.Grace.Duration))
	if x.exported == nil { // else all that clusters serve may be asked for
		options = append(options, tmccluster.WithAPIs(x.KindsOn(x.pipeline)...))
	}
	if *x.Fleet.Objects {
		objects := []tmccluster.ObjectsOption{tmccluster.WithTrust(trust)}
		if x.mailboxes != nil {
			objects = append(objects, tmccluster.WithMailboxes(x.mailboxes))
		}
		options = append(options, tmccluster.WithSource(tmccluster.FromObjects(x.platform, objects...)))
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
		placementcontroller.WithCopies(x.loop), placementcontroller.ServedAs(x.pipeline.KindsOn),
		placementcontroller.WithDefaults(func(context.Context, multicluster.ClusterName, string) (*placementv1alpha1.PlacementSpec, error) {
			return c.Placement.Defaults, nil
		}),
		placementcontroller.WithLayers(c.Placement.PolicyLayers()...),
		placementcontroller.WithLimiter(placementcontroller.NewBudget(placementcontroller.BudgetOptions{
			PerMinute: b.PerMinute, PerWorkspace: b.PerWorkspace, PerRegion: b.PerRegion, Burst: b.Burst, MaxLostShare: b.MaxLostShare,
			MaxRegionLostShare: b.MaxRegionLostShare, RegionHold: b.RegionHold.Duration,
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
	if d := c.Placement.Decisions; d != nil {
		options = append(options, placementcontroller.WithPlacementDecisions(placementcontroller.DecisionOptions{
			ProfileNamespace: d.ProfileNamespace, ClusterNamespace: d.ClusterNamespace, FollowOnly: d.FollowOnly,
		}))
	}
	if x.exported != nil {
		options = append(options, placementcontroller.ResourcesFrom(x.exported))
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
	if x.mailboxes != nil {
		registrar, err := pull.NewRegistrar(x.mailboxes)
		if err != nil {
			return err
		}
		runnables = append(runnables, registrar)
	}
	if x.Fleet.Removal != nil {
		removal, err := x.newRemoval()
		if err != nil {
			return err
		}
		runnables = append(runnables, removal)
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
	if x.exported != nil {
		feed.FollowKinds(x.exported) // as long as the program runs
	}
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
