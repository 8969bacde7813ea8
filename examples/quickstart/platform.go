package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kcp-dev/logicalcluster/v3"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// exportName is the APIExport that tenants bind.
const exportName = "tmc"

// A lost cluster is found, and its work moved, within seconds: this is a show.
var (
	probe = tmccluster.ProbePolicy{Interval: 500 * time.Millisecond, Timeout: time.Second, FailureThreshold: 2, SuccessThreshold: 2}
	grace = 2 * time.Second
)

// site is a physical cluster of the show.
type site struct{ name, region, zone, carbon string }

var sites = []site{
	{"eu-1", "eu", "eu-a", "40"},
	{"eu-2", "eu", "eu-b", "120"},
	{"us-1", "us", "us-a", "380"},
}

// servers are what the show runs on.
type servers struct {
	kcp      *tmcenvtest.KCP
	clusters map[string]*tmcenvtest.Cluster
}

// startServers starts kcp and the clusters, side by side.
func startServers(ctx context.Context) (*servers, error) {
	if _, err := tmcenvtest.Ensure(ctx, tmcenvtest.Servers()...); err != nil {
		return nil, err
	}
	s := &servers{clusters: map[string]*tmcenvtest.Cluster{}}
	specs := make([]tmcenvtest.ClusterSpec, 0, len(sites))
	for _, site := range sites {
		node := tmcenvtest.Node{CPU: "4", Memory: "16Gi", Pods: 110, Zone: site.zone, Region: site.region}
		specs = append(specs, tmcenvtest.Spec(site.name, tmcenvtest.WithWorkloads(), tmcenvtest.WithNodes(2, node)))
	}
	kcp := make(chan error, 1)
	go func() {
		var err error
		s.kcp, err = tmcenvtest.StartKCP(ctx)
		kcp <- err
	}()
	clusters, err := tmcenvtest.StartClusters(ctx, specs...)
	err = errors.Join(err, <-kcp)
	for _, c := range clusters {
		s.clusters[c.Name()] = c
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close ends every server that was started.
func (s *servers) close() error {
	var errs []error
	for _, c := range s.clusters {
		errs = append(errs, c.Close())
	}
	if s.kcp != nil {
		errs = append(errs, s.kcp.Close())
	}
	return errors.Join(errs...)
}

// register makes the platform's workspace and a PhysicalCluster for each site.
func register(ctx context.Context, s *servers) (logicalcluster.Path, error) {
	ws, err := s.kcp.CreateWorkspace(ctx, tmcenvtest.Root, "platform")
	if err != nil {
		return logicalcluster.Path{}, err
	}
	c, err := platformClient(s, ws.Path)
	if err != nil {
		return logicalcluster.Path{}, err
	}
	definitions, err := clusterv1alpha1.CRDs()
	if err != nil {
		return logicalcluster.Path{}, err
	}
	for _, crd := range definitions {
		if err := c.Create(ctx, crd); err != nil {
			return logicalcluster.Path{}, fmt.Errorf("install %s: %w", crd.Name, err)
		}
	}
	for _, site := range sites {
		if err := registerSite(ctx, c, s, site); err != nil {
			return logicalcluster.Path{}, fmt.Errorf("register %s: %w", site.name, err)
		}
	}
	return ws.Path, nil
}

func registerSite(ctx context.Context, c client.Client, s *servers, site site) error {
	kubeconfig, err := s.clusters[site.name].Kubeconfig()
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: site.name},
		Data:       map[string][]byte{"kubeconfig": kubeconfig},
	}
	if err := c.Create(ctx, secret); err != nil {
		return err
	}
	cluster := &clusterv1alpha1.PhysicalCluster{
		ObjectMeta: metav1.ObjectMeta{Name: site.name, Labels: map[string]string{"env": "prod"}},
		Spec: clusterv1alpha1.PhysicalClusterSpec{
			Connection: clusterv1alpha1.Connection{SecretRef: clusterv1alpha1.SecretReference{Namespace: "default", Name: site.name}},
			Region:     site.region, Zone: site.zone, Provider: "simulated",
			Properties: map[string]string{"carbon": site.carbon},
		},
	}
	return until(ctx, "the PhysicalCluster API is served", func() error { return c.Create(ctx, cluster.DeepCopy()) })
}
