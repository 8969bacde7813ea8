package syncer_test

import (
	"context"
	"log"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/transform"
)

// The loop syncs Deployments, and the ConfigMaps and Secrets that they mention,
// from the workspaces that bind an export to the clusters of a fleet. Decisions
// come from the controller of placement/controller, here or in another process.
func ExampleNew() {
	platform := &rest.Config{Host: "https://kcp.example.com/clusters/root:platform"}
	tenants, err := workspaces.NewProvider(platform, "tmc", workspaces.Options{})
	if err != nil {
		log.Fatal(err)
	}
	mgr, err := mcmanager.New(platform, tenants, manager.Options{})
	if err != nil {
		log.Fatal(err)
	}
	deployment, configMap, secret := appsv1.SchemeGroupVersion.WithKind("Deployment"),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"), corev1.SchemeGroupVersion.WithKind("Secret")
	fleet, err := tmccluster.NewFleet(
		tmccluster.WithSource(tmccluster.FromObjects(platform)), tmccluster.WithAPIs(deployment, configMap, secret))
	if err != nil {
		log.Fatal(err)
	}
	// The name of the installation stands in the marks of every copy: another
	// installation on the same clusters leaves them alone.
	pipeline, err := transform.NewPipeline("production-eu")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := syncer.New(mgr, fleet, pipeline,
		syncer.Resources(deployment), syncer.Related(configMap, secret),
		syncer.ReportEvery(time.Second),                     // at most one status a second per object
		syncer.ReleaseLostAfter(72*time.Hour)); err != nil { // a lost cluster holds a deletion no longer
		log.Fatal(err)
	}
	if err := mgr.GetLocalManager().Add(fleet); err != nil {
		log.Fatal(err)
	}
	if err := mgr.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
}
