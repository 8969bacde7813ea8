package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/publish"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

var (
	deployment = appsv1.SchemeGroupVersion.WithKind("Deployment")
	configMap  = corev1.SchemeGroupVersion.WithKind("ConfigMap")
)

// compose builds a controller of our packages. This is what to copy: platform
// leads to the workspace with the PhysicalClusters and the export.
func compose(platform *rest.Config) (mcmanager.Manager, *tmccluster.Fleet, *placement.Engine, error) {
	tenants, err := workspaces.NewProvider(platform, exportName, workspaces.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	mgr, err := mcmanager.New(platform, tenants, manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return nil, nil, nil, err
	}

	fleet, err := tmccluster.NewFleet( // the physical clusters
		tmccluster.WithSource(tmccluster.FromObjects(platform)),
		tmccluster.WithAPIs(deployment, configMap),
		tmccluster.WithProbe(probe), tmccluster.WithGrace(grace))
	if err != nil {
		return nil, nil, nil, err
	}
	engine, err := placement.NewEngine(placement.WithScorer(LowCarbon{}, 3)) // Place
	if err != nil {
		return nil, nil, nil, err
	}
	pipeline, err := transform.NewPipeline("quickstart", transform.With( // Transform
		builtin.Must(builtin.References(builtin.ReferenceRules{})), RegionEnv{}))
	if err != nil {
		return nil, nil, nil, err
	}
	loop, err := syncer.New(mgr, fleet, pipeline, // Apply, Observe, Report
		syncer.Resources(deployment), syncer.Related(configMap))
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err = placementcontroller.New(mgr, fleet, engine,
		placementcontroller.Resources(deployment), placementcontroller.WithCopies(loop)); err != nil {
		return nil, nil, nil, err
	}
	return mgr, fleet, engine, addPlatform(mgr, fleet, platform)
}

// addPlatform adds what serves the platform team: the status of its
// PhysicalClusters, and the export with the APIs that the clusters serve.
func addPlatform(mgr mcmanager.Manager, fleet *tmccluster.Fleet, platform *rest.Config) error {
	status, err := tmccluster.NewStatusWriter(fleet, platform)
	if err != nil {
		return err
	}
	publisher, err := publish.NewPublisher(platform)
	if err != nil {
		return err
	}
	placements, err := placementv1alpha1.CRDs()
	if err != nil {
		return err
	}
	export := publish.Export{Name: exportName, Definitions: placements, Claims: publish.WorkloadClaims()}
	follower, err := publish.NewFollower(fleet, publisher, export, []schema.GroupVersionKind{deployment}, nil)
	if err != nil {
		return err
	}
	for _, r := range []manager.Runnable{fleet, status, follower} {
		if err := mgr.GetLocalManager().Add(r); err != nil {
			return err
		}
	}
	return nil
}

// run starts the controller; the channel closes when it has stopped.
func run(ctx context.Context, mgr mcmanager.Manager, failed func(error)) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := mgr.Start(ctx); err != nil {
			failed(err)
		}
	}()
	return done
}
