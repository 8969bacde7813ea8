package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kcp-dev/logicalcluster/v3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/examples/controller/config"
	"github.com/tmc-sdk/tmc/transform"
)

const loadConfiguration = `
apiVersion: config.tmc-sdk.dev/v1alpha1
kind: ControllerConfiguration
installation: load
leaderElection: {enabled: false}
serving: {health: "0", address: "0", authorization: None}
logging: {level: error}
fleet: {probe: {interval: 2s, timeout: 2s}}
resources: [{group: apps, version: v1, kind: Deployment}]
`

var exportKind = schema.GroupVersionKind{Group: "apis.kcp.io", Version: "v1alpha2", Kind: "APIExport"}

// load is a platform with a controller that runs in this process.
type load struct {
	t        *testing.T
	kcp      *tmcenvtest.KCP
	clusters []*tmcenvtest.Cluster
	platform logicalcluster.Path
	tenants  []client.Client
	all      client.Client // of the originals in all workspaces
	registry *prometheus.Registry
	want     map[string]int32 // replicas by workspace and name
}

func newLoad(t *testing.T) *load {
	t.Helper()
	l := &load{t: t, want: map[string]int32{}, registry: prometheus.NewRegistry()}
	started := make(chan error, 1)
	go func() {
		var err error
		l.kcp, err = tmcenvtest.StartKCP(t.Context())
		started <- err
	}()
	nodes := []tmcenvtest.ClusterOption{tmcenvtest.WithWorkloads(), tmcenvtest.WithNodes(20, tmcenvtest.Node{CPU: "64", Memory: "256Gi", Pods: 250})}
	l.clusters = tmcenvtest.NewClusters(t, tmcenvtest.Spec("eu-1", nodes...), tmcenvtest.Spec("eu-2", nodes...), tmcenvtest.Spec("us-1", nodes...))
	require.NoError(t, <-started)
	t.Cleanup(func() { _ = l.kcp.Close() })
	l.makePlatform()
	l.start()
	return l
}

func (l *load) makePlatform() {
	t := l.t
	ws, err := l.kcp.CreateWorkspace(t.Context(), tmcenvtest.Root, "platform")
	require.NoError(t, err)
	l.platform = ws.Path
	c := l.client(l.kcp.Config(ws.Path))
	definitions, err := clusterv1alpha1.CRDs()
	require.NoError(t, err)
	for _, crd := range definitions {
		require.NoError(t, c.Create(t.Context(), crd))
	}
	for _, cl := range l.clusters {
		kubeconfig, err := cl.Kubeconfig()
		require.NoError(t, err)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: cl.Name()}, Data: map[string][]byte{"kubeconfig": kubeconfig}}
		require.NoError(t, c.Create(t.Context(), secret))
		require.NoError(t, until("PhysicalClusters are served", time.Minute, func() error {
			return client.IgnoreAlreadyExists(c.Create(t.Context(), &clusterv1alpha1.PhysicalCluster{
				ObjectMeta: metav1.ObjectMeta{Name: cl.Name()},
				Spec: clusterv1alpha1.PhysicalClusterSpec{
					Connection: clusterv1alpha1.Connection{SecretRef: clusterv1alpha1.SecretReference{Namespace: "default", Name: cl.Name(), Key: "kubeconfig"}},
					Region:     cl.Name()[:2],
				},
			}))
		}))
	}
}

// start starts the example's own controller.
func (l *load) start() {
	t := l.t
	kubeconfig, err := l.kcp.Kubeconfig(l.platform)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(path, kubeconfig, 0o600))
	c, err := config.Decode([]byte(loadConfiguration))
	require.NoError(t, err)
	c.Platform.Kubeconfig = path
	c.Audit = &config.Audit{Directory: t.TempDir()}
	c.Default()
	require.NoError(t, c.Validate(known))
	logger, level, err := newLogger(c.Logging, io.Discard)
	require.NoError(t, err)
	log.SetLogger(logger)
	x, err := compose(c, &flags{}, level, l.registry)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- errors.Join(x.mgr.Start(ctx), x.close()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("controller: %v", err)
		}
	})
}

// makeTenants makes workspaces that bind the export.
func (l *load) makeTenants(n int) {
	t := l.t
	platform := l.client(l.kcp.Config(l.platform))
	require.NoError(t, until("the export offers Deployments", 2*time.Minute, func() error {
		export := &unstructured.Unstructured{}
		export.SetGroupVersionKind(exportKind)
		if err := platform.Get(t.Context(), client.ObjectKey{Name: "tmc"}, export); err != nil {
			return err
		}
		if offered, _, _ := unstructured.NestedSlice(export.Object, "spec", "resources"); len(offered) < 3 {
			return fmt.Errorf("it offers %d kinds", len(offered))
		}
		return nil
	}))
	l.tenants = make([]client.Client, n)
	var group errgroup.Group
	// kcp makes one after the other: more at once only wait for each other, and give
	// up in the end. What was begun is taken up again.
	group.SetLimit(2)
	for i := range n {
		group.Go(func() error {
			return until(fmt.Sprintf("workspace %d is bound", i), 10*time.Minute, func() error {
				ws, err := l.kcp.CreateWorkspace(t.Context(), tmcenvtest.Root, fmt.Sprintf("tenant-%d", i))
				if err != nil {
					return err
				}
				if err := l.kcp.Bind(t.Context(), ws.Path, l.platform, "tmc"); err != nil {
					return err
				}
				l.tenants[i] = l.client(l.kcp.Config(ws.Path))
				return nil
			})
		})
	}
	require.NoError(t, group.Wait())
	urls, err := l.kcp.WaitEndpoint(t.Context(), l.platform, "tmc")
	require.NoError(t, err)
	everywhere := rest.CopyConfig(l.kcp.Direct(l.platform))
	_, endpoint, _ := strings.Cut(urls[0], "/services/")
	server, _, _ := strings.Cut(everywhere.Host, "/clusters/")
	everywhere.Host = server + "/services/" + endpoint + "/clusters/*"
	l.all = l.client(everywhere)
}

// client returns one that asks nobody what is served.
func (l *load) client(cfg *rest.Config) client.Client {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind, scope := range map[schema.GroupVersionKind]meta.RESTScope{
		appsv1.SchemeGroupVersion.WithKind("Deployment"): meta.RESTScopeNamespace,
		corev1.SchemeGroupVersion.WithKind("Secret"):     meta.RESTScopeNamespace,
		exportKind: meta.RESTScopeRoot,
		clusterv1alpha1.GroupVersion.WithKind("PhysicalCluster"):                meta.RESTScopeRoot,
		apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"): meta.RESTScopeRoot,
	} {
		mapper.Add(kind, scope)
	}
	httpClient, err := rest.HTTPClientFor(cfg)
	require.NoError(l.t, err)
	scheme := k8sruntime.NewScheme()
	for _, add := range []func(*k8sruntime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, clusterv1alpha1.AddToScheme} {
		require.NoError(l.t, add(scheme))
	}
	c, err := client.New(cfg, client.Options{Scheme: scheme, Mapper: mapper, HTTPClient: httpClient})
	require.NoError(l.t, err)
	return c
}

// deploy creates so many Deployments in each workspace.
func (l *load) deploy(each int) {
	for i := range l.tenants {
		for n := range each {
			l.want[fmt.Sprintf("tenant-%d/web-%d", i, n)] = 1
		}
	}
	l.forEach(slices.Sorted(maps.Keys(l.want)), func(c client.Client, tenant, name string) error {
		labels := map[string]string{"app": name}
		return c.Create(l.t.Context(), &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Annotations: map[string]string{"load.example/id": tenant + "/" + name}},
			Spec: appsv1.DeploymentSpec{
				Replicas: new(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "web", Image: "registry.example/web:1.0",
					Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
				}}}},
			},
		})
	})
}

// change scales every tenth object.
func (l *load) change(round int) int {
	var ids []string
	for n, id := range slices.Sorted(maps.Keys(l.want)) {
		if n%10 == round%10 {
			l.want[id] = l.want[id]%2 + 1
			ids = append(ids, id)
		}
	}
	l.forEach(ids, func(c client.Client, tenant, name string) error {
		patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, l.want[tenant+"/"+name])
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		return c.Patch(l.t.Context(), d, client.RawPatch(types.MergePatchType, patch))
	})
	return len(ids)
}

// forEach does something for objects, several at a time, again where it fails:
// servers may be away.
func (l *load) forEach(ids []string, do func(c client.Client, tenant, name string) error) {
	l.t.Helper()
	var group errgroup.Group
	group.SetLimit(8)
	for _, id := range ids {
		group.Go(func() error {
			tenant, name, _ := strings.Cut(id, "/")
			var i int
			if _, err := fmt.Sscanf(tenant, "tenant-%d", &i); err != nil {
				return err
			}
			return until("write "+id, 5*time.Minute, func() error { return client.IgnoreAlreadyExists(do(l.tenants[i], tenant, name)) })
		})
	}
	require.NoError(l.t, group.Wait())
}

// settle waits until every tenant sees what it wrote, healthy.
func (l *load) settle(what string, patience time.Duration) {
	l.t.Helper()
	require.NoError(l.t, until(what, patience, func() error {
		var list appsv1.DeploymentList
		if err := l.all.List(l.t.Context(), &list); err != nil {
			return err
		}
		good := 0
		for i := range list.Items {
			d := &list.Items[i]
			want := l.want[d.Annotations["load.example/id"]]
			if *d.Spec.Replicas == want && d.Status.ReadyReplicas == want && d.Status.Replicas == want && synced(d) {
				good++
			}
		}
		if good != len(l.want) {
			return fmt.Errorf("%d of %d are as they should be", good, len(l.want))
		}
		return nil
	}))
}

func synced(d *appsv1.Deployment) bool {
	return slices.ContainsFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == "Synced" && c.Status == corev1.ConditionTrue
	})
}

// copies returns the UIDs of all copies, by cluster and place.
func (l *load) copies() map[string]types.UID {
	l.t.Helper()
	all := map[string]types.UID{}
	for _, cl := range l.clusters {
		var list appsv1.DeploymentList
		require.NoError(l.t, l.client(cl.Direct()).List(l.t.Context(), &list, client.MatchingLabels{transform.LabelInstallation: "load"}))
		for i := range list.Items {
			all[cl.Name()+"/"+list.Items[i].Namespace+"/"+list.Items[i].Name] = list.Items[i].UID
		}
	}
	return all
}
