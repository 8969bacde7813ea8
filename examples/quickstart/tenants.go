package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kcp-dev/logicalcluster/v3"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// tenant is a workspace with a Deployment "web".
type tenant struct {
	client.Client
	name      string
	workspace tmcenvtest.Workspace
	replicas  int32
	placement string // that the work belongs to
}

// ownPlacement is what the second tenant asks for: two clusters in two regions,
// replicas divided by free capacity.
var ownPlacement = placementv1alpha1.PlacementSpec{
	Count:    &placementv1alpha1.Count{Min: new(int32(2)), Max: new(int32(2))},
	Spread:   []placementv1alpha1.Spread{{TopologyKey: placementv1alpha1.TopologyRegion, MinGroups: new(int32(2))}},
	Division: &placementv1alpha1.Division{Type: placementv1alpha1.DivisionCapacity},
}

// newTenant makes a workspace and binds the platform's export in it.
func newTenant(ctx context.Context, s *servers, platform logicalcluster.Path, name string, replicas int32) (*tenant, error) {
	ws, err := s.kcp.CreateWorkspace(ctx, tmcenvtest.Root, name)
	if err != nil {
		return nil, err
	}
	if err := s.kcp.Bind(ctx, ws.Path, platform, exportName); err != nil {
		return nil, err
	}
	c, err := platformClient(s, ws.Path)
	if err != nil {
		return nil, err
	}
	return &tenant{Client: c, name: name, workspace: ws, replicas: replicas, placement: placementv1alpha1.DefaultName}, nil
}

// deploy creates what a tenant would: a ConfigMap and a Deployment that mentions
// it, and nothing that knows of clusters.
func (t *tenant) deploy(ctx context.Context) error {
	labels := map[string]string{"app": "web"}
	settings := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-settings"},
		Data:       map[string]string{"greeting": "hello from " + t.name},
	}
	web := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &t.replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					Containers: []corev1.Container{{
						Name: "web", Image: "registry.example/web:1.0",
						EnvFrom:   []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: settings.Name}}}},
						Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")}},
					}},
				},
			},
		},
	}
	if err := t.Create(ctx, settings); err != nil {
		return fmt.Errorf("create ConfigMap in %s: %w", t.name, err)
	}
	if err := t.Create(ctx, web); err != nil {
		return fmt.Errorf("create Deployment in %s: %w", t.name, err)
	}
	return nil
}

// place creates a Placement of the tenant's own.
func (t *tenant) place(ctx context.Context, name string, spec placementv1alpha1.PlacementSpec) error {
	t.placement = name
	p := &placementv1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: spec}
	if err := t.Create(ctx, p); err != nil {
		return fmt.Errorf("create Placement in %s: %w", t.name, err)
	}
	return nil
}

// view is what the tenant sees.
type view struct {
	web       *appsv1.Deployment // nil if there is none
	placement *placementv1alpha1.Placement
}

func (t *tenant) look(ctx context.Context) (view, error) {
	v := view{web: &appsv1.Deployment{}, placement: &placementv1alpha1.Placement{}}
	if err := t.Get(ctx, client.ObjectKey{Namespace: "default", Name: "web"}, v.web); apierrors.IsNotFound(err) {
		v.web = nil
	} else if err != nil {
		return view{}, err
	}
	if err := t.Get(ctx, client.ObjectKey{Namespace: "default", Name: t.placement}, v.placement); client.IgnoreNotFound(err) != nil {
		return view{}, err
	}
	return v, nil
}

// platformClient returns a typed client for a workspace.
func platformClient(s *servers, path logicalcluster.Path) (client.Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, clusterv1alpha1.AddToScheme, placementv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return client.New(s.kcp.Config(path), client.Options{Scheme: scheme})
}

// until tries again until something holds, or ctx ends.
func until(ctx context.Context, what string, holds func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, err)
		case <-tick.C:
		}
	}
}
