package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/kcp-dev/logicalcluster/v3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/publish"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	"github.com/tmc-sdk/tmc/cluster/workspaces"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
	"github.com/tmc-sdk/tmc/placement"
	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	placementv1alpha1 "github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/audit"
	"github.com/tmc-sdk/tmc/sync/plan"
	"github.com/tmc-sdk/tmc/transform"
)

const (
	patience     = 2 * time.Minute
	installation = "e2e"
)

// world is a kcp and two clusters, a platform, and the built program.
type world struct {
	t        *testing.T
	kcp      *tmcenvtest.KCP
	clusters map[string]*tmcenvtest.Cluster
	binary   string
	dir      string
	platform logicalcluster.Path
	grace    time.Duration // of the next controller's fleet
	// controller is the URL of what the one that runs plans.
	controller string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	log.SetLogger(logr.Discard())
	w := &world{t: t, clusters: map[string]*tmcenvtest.Cluster{}, grace: 5 * time.Minute, dir: t.TempDir()}
	w.binary = filepath.Join(w.dir, "kubectl-tmc")
	built := make(chan error, 1)
	go func() {
		out, err := exec.Command("go", "build", "-o", w.binary, ".").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		built <- err
	}()
	started := make(chan error, 1)
	go func() {
		var err error
		w.kcp, err = tmcenvtest.StartKCP(t.Context())
		started <- err
	}()
	node := tmcenvtest.Node{CPU: "4", Memory: "16Gi", Pods: 110}
	// Each has an etcd of its own, for one of them to be restored alone.
	var group errgroup.Group
	clusters := make([]*tmcenvtest.Cluster, 2)
	for i, name := range []string{"eu-1", "us-1"} {
		group.Go(func() (err error) {
			clusters[i], err = tmcenvtest.StartCluster(t.Context(), name, tmcenvtest.WithWorkloads(), tmcenvtest.WithNodes(1, node))
			return err
		})
	}
	err, kcpErr := group.Wait(), <-started
	t.Cleanup(func() {
		for _, c := range clusters {
			if c != nil {
				_ = c.Close()
			}
		}
		if w.kcp != nil {
			_ = w.kcp.Close()
		}
	})
	require.NoError(t, err)
	require.NoError(t, kcpErr)
	require.NoError(t, <-built)
	for _, c := range clusters {
		w.clusters[c.Name()] = c
	}
	return w
}

// makePlatform makes the platform's workspace, with the API of PhysicalClusters.
func (w *world) makePlatform() {
	w.t.Helper()
	ws, err := w.kcp.CreateWorkspace(w.t.Context(), tmcenvtest.Root, "platform")
	require.NoError(w.t, err)
	w.platform = ws.Path
	config, err := w.kcp.Kubeconfig(ws.Path)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(w.kubeconfig(), config, 0o600))
	definitions, err := clusterv1alpha1.CRDs()
	require.NoError(w.t, err)
	for _, crd := range definitions {
		require.NoError(w.t, w.at(ws.Path).Create(w.t.Context(), crd))
	}
	w.until("the API of PhysicalClusters is served", func() error {
		return w.at(ws.Path).List(w.t.Context(), &clusterv1alpha1.PhysicalClusterList{})
	})
}

func (w *world) register() {
	w.t.Helper()
	for name, c := range w.clusters {
		kubeconfig, err := c.Kubeconfig()
		require.NoError(w.t, err)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string][]byte{"kubeconfig": kubeconfig}}
		require.NoError(w.t, w.at(w.platform).Create(w.t.Context(), secret))
		require.NoError(w.t, w.at(w.platform).Create(w.t.Context(), &clusterv1alpha1.PhysicalCluster{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: clusterv1alpha1.PhysicalClusterSpec{
				Connection: clusterv1alpha1.Connection{SecretRef: clusterv1alpha1.SecretReference{Namespace: "default", Name: name, Key: "kubeconfig"}},
				Region:     name[:2],
			},
		}))
	}
}

func (w *world) kubeconfig() string { return filepath.Join(w.dir, "kubeconfig") }

// bind makes a tenant's workspace, as soon as the export can be bound.
func (w *world) bind(name string) tmcenvtest.Workspace {
	w.t.Helper()
	ws, err := w.kcp.CreateWorkspace(w.t.Context(), tmcenvtest.Root, name)
	require.NoError(w.t, err)
	w.awaitExport()
	require.NoError(w.t, w.kcp.Bind(w.t.Context(), ws.Path, w.platform, "tmc"))
	return ws
}

// awaitExport waits until the export offers Deployments.
func (w *world) awaitExport() {
	w.t.Helper()
	w.until("the export offers Deployments", func() error {
		export := exportOf(w.t.Context(), w.at(w.platform))
		if len(export) < 3 {
			return fmt.Errorf("it offers %v", export)
		}
		return nil
	})
}

func (w *world) at(path logicalcluster.Path) client.Client {
	w.t.Helper()
	s := scheme
	if !s.IsGroupRegistered(apiextensionsv1.GroupName) {
		require.NoError(w.t, apiextensionsv1.AddToScheme(s))
	}
	c, err := client.New(w.kcp.Config(path), client.Options{Scheme: s})
	require.NoError(w.t, err)
	return c
}

func (w *world) on(cluster string) client.Client {
	w.t.Helper()
	c, err := w.clusters[cluster].Client()
	require.NoError(w.t, err)
	return c
}

func (w *world) until(what string, holds func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("waiting until %s: %v", what, err)
		case <-tick.C:
		}
	}
}

// run runs the built program; it returns its output and its exit code.
func (w *world) run(args ...string) (string, int) {
	w.t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(w.t.Context(), w.binary, append([]string{"--kubeconfig", w.kubeconfig()}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = cmd.Run() // the exit code says it
	w.t.Logf("kubectl tmc %v: exit %d\n%s%s", args, cmd.ProcessState.ExitCode(), out.String(), errOut.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

// fine runs the program, which must succeed.
func (w *world) fine(args ...string) string {
	w.t.Helper()
	out, code := w.run(args...)
	require.Zero(w.t, code)
	return out
}

// decode runs the program with -o json.
func (w *world) decode(into any, args ...string) {
	w.t.Helper()
	require.NoError(w.t, json.Unmarshal([]byte(w.fine(append(args, "-o", "json")...)), into))
}

// start runs a controller; stop ends it and waits.
func (w *world) start(naming transform.Naming) (stop func()) {
	w.t.Helper()
	recorder, err := audit.Open(audit.Writer("controller-0"), audit.Directory(w.auditDir(), audit.Rotation{}))
	require.NoError(w.t, err)
	mgr, planner, err := compose(w.kcp.Config(w.platform), naming, recorder, tmccluster.WithGrace(w.grace))
	require.NoError(w.t, err)
	server := httptest.NewServer(planner)
	w.controller = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		server.Close()
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("controller: %v", err)
		}
		require.NoError(w.t, recorder.Close())
	}
	w.t.Cleanup(stop)
	return stop
}

func (w *world) auditDir() string { return filepath.Join(w.dir, "audit") }

func compose(platform *rest.Config, naming transform.Naming, recorder *audit.Log, more ...tmccluster.Option) (mcmanager.Manager, *plan.Handler, error) {
	deployment, configMap := appsv1.SchemeGroupVersion.WithKind("Deployment"), corev1.SchemeGroupVersion.WithKind("ConfigMap")
	tenants, err := workspaces.NewProvider(platform, "tmc", workspaces.Options{})
	if err != nil {
		return nil, nil, err
	}
	mgr, err := mcmanager.New(platform, tenants, manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return nil, nil, err
	}
	fleet, err := tmccluster.NewFleet(append(more, tmccluster.WithSource(tmccluster.FromObjects(platform)), tmccluster.WithAPIs(deployment, configMap),
		tmccluster.WithProbe(tmccluster.ProbePolicy{Interval: time.Second, Timeout: 5 * time.Second, FailureThreshold: 5, SuccessThreshold: 1}))...)
	if err != nil {
		return nil, nil, err
	}
	engine, err := placement.NewEngine()
	if err != nil {
		return nil, nil, err
	}
	pipeline, err := transform.NewPipeline(installation, transform.WithNaming(naming))
	if err != nil {
		return nil, nil, err
	}
	loop, err := syncer.New(mgr, fleet, pipeline, syncer.Resources(deployment), syncer.Related(configMap),
		syncer.WithAudit(recorder.Changes()), syncer.WithGate(recorder.Gate()))
	if err != nil {
		return nil, nil, err
	}
	placer, err := placementcontroller.New(mgr, fleet, engine, placementcontroller.Resources(deployment), placementcontroller.WithCopies(loop),
		placementcontroller.OnDecision(recorder.Decided))
	if err != nil {
		return nil, nil, err
	}
	status, err := tmccluster.NewStatusWriter(fleet, platform)
	if err != nil {
		return nil, nil, err
	}
	publisher, err := publish.NewPublisher(platform)
	if err != nil {
		return nil, nil, err
	}
	definitions, err := placementv1alpha1.CRDs()
	if err != nil {
		return nil, nil, err
	}
	follower, err := publish.NewFollower(fleet, publisher, publish.Export{Name: "tmc", Definitions: definitions, Claims: publish.WorkloadClaims()},
		[]schema.GroupVersionKind{deployment}, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range []manager.Runnable{fleet, status, follower} {
		if err := mgr.GetLocalManager().Add(r); err != nil {
			return nil, nil, err
		}
	}
	planner, err := plan.NewHandler(loop, placer)
	return mgr, planner, err
}

// deploy creates a Deployment that mentions a ConfigMap.
func (w *world) deploy(path logicalcluster.Path) {
	w.t.Helper()
	require.NoError(w.t, w.at(path).Create(w.t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "settings"}, Data: map[string]string{"greeting": "hello"},
	}))
	w.create(path, "web", 2)
}

// create creates a Deployment that mentions the ConfigMap settings.
func (w *world) create(path logicalcluster.Path, name string, replicas int32) {
	w.t.Helper()
	labels := map[string]string{"app": name}
	require.NoError(w.t, w.at(path).Create(w.t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "web", Image: "registry.example/web:1.0",
				EnvFrom:   []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}},
			}}}},
		},
	}))
}
