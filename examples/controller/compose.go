package main

import (
	"context"
	"fmt"

	uberzap "go.uber.org/zap"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/publish"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/examples/controller/config"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
)

// compose builds the controller of a configuration.
func compose(c *config.Configuration, f *flags, level *uberzap.AtomicLevel) (mcmanager.Manager, error) {
	platform, err := f.connect(c.Platform.Connection)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	tenants, err := workspaces.NewProvider(platform, c.Export.Name, workspaces.Options{})
	if err != nil {
		return nil, err
	}
	options, err := managerOptions(c, f, platform)
	if err != nil {
		return nil, err
	}
	mgr, err := mcmanager.New(platform, tenants, options)
	if err != nil {
		return nil, fmt.Errorf("build manager: %w", err)
	}
	fleet, err := tmccluster.NewFleet(fleetOptions(c, platform)...)
	if err != nil {
		return nil, err
	}
	loop, err := newLoop(mgr, fleet, c)
	if err != nil {
		return nil, err
	}
	placer, err := newPlacer(mgr, fleet, loop, c)
	if err != nil {
		return nil, err
	}
	if err := addPlatform(mgr, fleet, platform, c); err != nil {
		return nil, err
	}
	if err := addChecks(mgr, fleet, tenants, loop, placer); err != nil {
		return nil, err
	}
	return mgr, addHandlers(mgr, fleet, c, level)
}

func fleetOptions(c *config.Configuration, platform *rest.Config) []tmccluster.Option {
	trust := tmccluster.Trust{Files: c.Fleet.Trust.Files, Exec: c.Fleet.Trust.Exec}
	options := []tmccluster.Option{
		tmccluster.WithAPIs(append(config.GVKs(c.Resources), config.GVKs(c.Related)...)...),
		tmccluster.WithProbe(tmccluster.ProbePolicy{
			Interval: c.Fleet.Probe.Interval.Duration, Timeout: c.Fleet.Probe.Timeout.Duration,
			FailureThreshold: c.Fleet.Probe.FailureThreshold, SuccessThreshold: c.Fleet.Probe.SuccessThreshold,
		}),
		tmccluster.WithGrace(c.Fleet.Grace.Duration),
		tmccluster.WithMetrics(metrics.Registry),
	}
	if *c.Fleet.Objects {
		options = append(options, tmccluster.WithSource(tmccluster.FromObjects(platform, tmccluster.WithTrust(trust))))
	}
	if c.Fleet.Folder != "" {
		options = append(options, tmccluster.WithSource(tmccluster.FromFolder(c.Fleet.Folder, trust)))
	}
	return options
}

// newLoop makes the loop that applies, observes and reports.
func newLoop(mgr mcmanager.Manager, fleet *tmccluster.Fleet, c *config.Configuration) (*syncer.Loop, error) {
	pipeline, err := c.Transform.Pipeline(c.Installation, known)
	if err != nil {
		return nil, err
	}
	rules, err := c.Transform.StatusRules()
	if err != nil {
		return nil, err
	}
	options := []syncer.Option{
		syncer.Resources(config.GVKs(c.Resources)...), syncer.Related(config.GVKs(c.Related)...),
		syncer.WithStatusRules(rules),
		syncer.WithWorkers(c.Sync.Workers, c.Sync.PerCluster),
		syncer.ReportEvery(c.Sync.ReportEvery.Duration), syncer.TidyAfter(c.Sync.TidyAfter.Duration),
		syncer.WithMetrics(metrics.Registry),
	}
	if c.Sync.ReleaseLostAfter != nil {
		options = append(options, syncer.ReleaseLostAfter(c.Sync.ReleaseLostAfter.Duration))
	}
	return syncer.New(mgr, fleet, pipeline, options...)
}

// newPlacer makes the controller that places.
func newPlacer(mgr mcmanager.Manager, fleet *tmccluster.Fleet, loop *syncer.Loop, c *config.Configuration) (*placementcontroller.Controller, error) {
	engine, err := c.Placement.Engine(known)
	if err != nil {
		return nil, err
	}
	b := c.Placement.Budget
	return placementcontroller.New(mgr, fleet, engine,
		placementcontroller.Resources(config.GVKs(c.Resources)...),
		placementcontroller.WithCopies(loop),
		placementcontroller.WithDefaults(func(context.Context, multicluster.ClusterName, string) (*placementv1alpha1.PlacementSpec, error) {
			return c.Placement.Defaults, nil
		}),
		placementcontroller.WithLayers(c.Placement.PolicyLayers()...),
		placementcontroller.WithLimiter(placementcontroller.NewBudget(placementcontroller.BudgetOptions{
			PerMinute: b.PerMinute, PerWorkspace: b.PerWorkspace, PerRegion: b.PerRegion, Burst: b.Burst, MaxLostShare: b.MaxLostShare,
		})),
		placementcontroller.WithWorkers(c.Placement.Workers),
		placementcontroller.WithSettling(c.Placement.Settling.Duration),
		placementcontroller.WithMetrics(metrics.Registry))
}

// addPlatform adds what serves the platform team: the fleet, the status of its
// PhysicalClusters, and the export with the APIs that the clusters serve.
func addPlatform(mgr mcmanager.Manager, fleet *tmccluster.Fleet, platform *rest.Config, c *config.Configuration) error {
	runnables := []manager.Runnable{fleet}
	if *c.Fleet.Objects {
		status, err := tmccluster.NewStatusWriter(fleet, platform)
		if err != nil {
			return err
		}
		runnables = append(runnables, status)
	}
	if *c.Export.Publish {
		follower, err := newFollower(fleet, platform, c)
		if err != nil {
			return err
		}
		runnables = append(runnables, follower)
	}
	for _, r := range runnables {
		if err := mgr.GetLocalManager().Add(r); err != nil {
			return err
		}
	}
	return nil
}

func newFollower(fleet *tmccluster.Fleet, platform *rest.Config, c *config.Configuration) (*publish.Follower, error) {
	var options []publish.PublisherOption
	if c.Export.AllowBreaking {
		options = append(options, publish.AllowBreaking())
	}
	if c.Export.AllowRemoval {
		options = append(options, publish.AllowRemoval())
	}
	publisher, err := publish.NewPublisher(platform, options...)
	if err != nil {
		return nil, err
	}
	placements, err := placementv1alpha1.CRDs()
	if err != nil {
		return nil, err
	}
	export := publish.Export{Name: c.Export.Name, Definitions: placements, Claims: c.PermissionClaims(), Binders: c.Export.Binders}
	return publish.NewFollower(fleet, publisher, export, config.GVKs(c.Resources), nil)
}
