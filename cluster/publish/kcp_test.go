package publish_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kcp-dev/logicalcluster/v3"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/publish"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// builtIn are the kinds of Kubernetes that workloads are made of.
var builtIn = []schema.GroupVersionKind{
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Group: "apps", Version: "v1", Kind: "DaemonSet"},
	{Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	{Group: "batch", Version: "v1", Kind: "Job"},
	{Group: "batch", Version: "v1", Kind: "CronJob"},
	{Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "PersistentVolumeClaim"},
	{Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "PodTemplate"},
	{Version: "v1", Kind: "LimitRange"},
	{Version: "v1", Kind: "ReplicationController"},
	{Version: "v1", Kind: "Endpoints"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "IngressClass"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
	{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"},
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: default
  labels: {app: web}
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  strategy: {}
  template:
    metadata:
      creationTimestamp: null
      labels: {app: web}
      annotations: {example.com/why: test}
    spec:
      initContainers:
      - name: sidecar
        image: registry.example/sidecar
        restartPolicy: Always
      containers:
      - name: web
        image: registry.example/web
        args: ["--port", "80"]
        ports:
        - containerPort: 80
        - containerPort: 80
          protocol: UDP
        env:
        - name: FROM
          valueFrom:
            configMapKeyRef: {name: web, key: from}
        resources:
          requests: {cpu: 0.5, memory: 64Mi, example.com/gpu: 1}
          limits: {cpu: "1", memory: 1.5Gi, example.com/gpu: 1}
        livenessProbe:
          httpGet: {path: /, port: http}
        readinessProbe:
          httpGet: {path: /, port: 80}
        securityContext: {}
      tolerations:
      - operator: Exists
        effect: ""
      imagePullSecrets:
      - name: pull
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: zone
        whenUnsatisfiable: DoNotSchedule
      volumes:
      - name: scratch
        emptyDir: {}
`

func TestWorkloadAPIsOfARealClusterArePublished(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	physical := tmcenvtest.NewCluster(t, "a")
	kcp := tmcenvtest.NewKCP(t)
	ctx := t.Context()
	tree, err := kcp.CreateTree(ctx, "provider", "tenant")
	require.NoError(t, err)
	provider, tenant := tree[0].Path, tree[1].Path

	importer, err := publish.NewImporter(physical.Config(), nil)
	require.NoError(t, err)
	var schemas []*publish.Schema
	start := time.Now()
	for _, kind := range builtIn {
		s, err := importer.Import(ctx, kind)
		require.NoError(t, err)
		schemas = append(schemas, s)
	}
	t.Logf("imported %d kinds in %s", len(schemas), time.Since(start))
	_, err = importer.Import(ctx, schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Nothing"})
	require.ErrorIs(t, err, publish.ErrNotServed)

	crds, err := clusterv1alpha1.CRDs()
	require.NoError(t, err)
	export := publish.Export{
		Name: "workloads", Schemas: schemas, Definitions: crds, Claims: publish.WorkloadClaims(),
		Binders: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:authenticated"}},
	}
	publisher, err := publish.NewPublisher(kcp.Config(provider))
	require.NoError(t, err)
	start = time.Now()
	result, err := publisher.Ensure(ctx, export)
	require.NoError(t, err)
	require.Len(t, result.Created, len(builtIn)+len(crds)+3)
	t.Logf("published %d kinds in %s", len(schemas), time.Since(start))

	result, err = publisher.Ensure(ctx, export)
	require.NoError(t, err)
	require.False(t, result.Changed(), "nothing is written again: %+v", result)
	follow(t, publisher, physical)

	require.NoError(t, kcp.Bind(ctx, tenant, provider, export.Name))
	everyKind(t, kcp, provider, physical)
	measureFleet(t, physical)
	roundTrip(t, kcp, tenant, physical)
	corpus(t, kcp, tenant, physical)
	evolve(t, publisher, kcp.Config(provider), export)
}

// follow publishes what a fleet serves, of which one cluster is down.
func follow(t *testing.T, publisher *publish.Publisher, physical *tmcenvtest.Cluster) {
	t.Helper()
	fleet, err := tmccluster.NewFleet(
		tmccluster.WithSource(tmccluster.Static(
			tmccluster.Registration{Name: "a", Config: physical.Config()},
			tmccluster.Registration{Name: "down", Config: &rest.Config{Host: "https://127.0.0.1:1"}},
		)),
		tmccluster.WithProbe(tmccluster.ProbePolicy{Interval: 100 * time.Millisecond}),
	)
	require.NoError(t, err)
	results := make(chan *publish.Result, 10)
	kinds := []schema.GroupVersionKind{builtIn[0], {Group: "example.com", Version: "v1", Kind: "Nothing"}}
	follower, err := publish.NewFollower(fleet, publisher, publish.Export{Name: "followed"}, kinds, func(r *publish.Result, _ []publish.Narrowing, err error) {
		if err != nil {
			t.Errorf("publish: %v", err)
		}
		results <- r
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- fleet.Start(ctx) }()
	go func() { ended <- follower.Start(ctx) }()
	created := (<-results).Created
	require.Contains(t, created, "apiexport/followed")
	require.True(t, slices.ContainsFunc(created, func(what string) bool { return strings.HasPrefix(what, "apiresourceschema/") }),
		"another export of the workspace has the same schema, and must not share it: %v", created)
	cancel()
	require.NoError(t, errors.Join(<-ended, <-ended))
}

// evolve publishes schemas that accept more and less than those before.
func evolve(t *testing.T, publisher *publish.Publisher, cfg *rest.Config, export publish.Export) {
	t.Helper()
	ctx := t.Context()
	narrower, wider := clone(t, export.Schemas[0]), clone(t, export.Schemas[0])
	delete(narrower.OpenAPI.Properties["spec"].Properties, "paused")
	wider.OpenAPI.Properties["spec"].Properties["brandNew"] = apiextensionsv1.JSONSchemaProps{Type: "string"}

	next := export
	next.Schemas = append([]*publish.Schema{narrower}, export.Schemas[1:]...)
	result, err := publisher.Ensure(ctx, next)
	require.ErrorIs(t, err, publish.ErrBreaking)
	require.ErrorContains(t, err, "publish deployments.apps: schema would break existing objects: .spec.paused is no longer accepted")
	require.False(t, result.Changed(), "a narrower schema is refused: %+v", result)

	next.Schemas = append([]*publish.Schema{wider}, export.Schemas[1:]...)
	result, err = publisher.Ensure(ctx, next)
	require.NoError(t, err)
	require.Len(t, result.Created, 1)
	require.Equal(t, []string{"apiexport/workloads"}, result.Updated)

	next.Schemas, next.Claims = next.Schemas[:3], next.Claims[:2]
	result, err = publisher.Ensure(ctx, next)
	require.NoError(t, err)
	require.False(t, result.Changed(), "nothing is withdrawn unasked: %+v", result)
	require.Contains(t, result.Kept, "resource services")
	require.Contains(t, result.Kept, "claim events")

	forceful, err := publish.NewPublisher(cfg, publish.AllowBreaking(), publish.AllowRemoval())
	require.NoError(t, err)
	next.Schemas = []*publish.Schema{narrower}
	result, err = forceful.Ensure(ctx, next)
	require.NoError(t, err)
	require.Len(t, result.Created, 1)
	require.Empty(t, result.Deleted, "schemas that were superseded just now stay for bindings to follow")
	require.Empty(t, result.Kept)

	next.Name = "somebody-elses"
	c, err := client.New(cfg, client.Options{})
	require.NoError(t, err)
	foreign := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport", "metadata": map[string]any{"name": next.Name},
	}}
	require.NoError(t, c.Create(ctx, foreign))
	_, err = publisher.Ensure(ctx, next)
	require.ErrorIs(t, err, publish.ErrForeign)
}

func clone(t *testing.T, s *publish.Schema) *publish.Schema {
	t.Helper()
	c := *s
	c.OpenAPI = s.OpenAPI.DeepCopy()
	return &c
}

// measureFleet imports and intersects the kinds over fifty clusters, of two
// versions: the older one lacks a field.
func measureFleet(t *testing.T, physical *tmcenvtest.Cluster) {
	t.Helper()
	start := time.Now()
	cache := publish.NewCache()
	fleet, older := map[schema.GroupVersionKind][]*publish.Schema{}, map[schema.GroupVersionKind]*publish.Schema{}
	for i := range 50 {
		importer, err := publish.NewImporter(physical.Config(), nil, publish.WithCache(cache))
		require.NoError(t, err)
		for _, kind := range builtIn {
			s, err := importer.Import(t.Context(), kind)
			require.NoError(t, err)
			if i == 0 {
				older[kind] = clone(t, s)
				delete(older[kind].OpenAPI.Properties["spec"].Properties, "replicas")
			}
			if i%2 == 1 {
				s = older[kind]
			}
			fleet[kind] = append(fleet[kind], s)
		}
	}
	imported := time.Since(start)
	for _, schemas := range fleet {
		_, _, err := publish.Intersect(schemas...)
		require.NoError(t, err)
	}
	t.Logf("imported %d kinds from 50 clusters in %s, and intersected them in %s", len(builtIn), imported, time.Since(start)-imported)
}

// roundTrip writes the same Deployment to a cluster and to a workspace, and
// compares what they say.
func roundTrip(t *testing.T, kcp *tmcenvtest.KCP, workspace logicalcluster.Path, physical *tmcenvtest.Cluster) {
	t.Helper()
	ctx := t.Context()
	up, err := kcp.Client(workspace)
	require.NoError(t, err)
	down, err := physical.Client()
	require.NoError(t, err)

	stored := create(t, ctx, up)
	back := create(t, ctx, down)
	written := parse(t)
	editContainer(t, written, func(c map[string]any) {
		c["ports"].([]any)[0].(map[string]any)["protocol"] = "TCP"
	})
	if diff := cmp.Diff(written.Object["spec"], stored.Object["spec"]); diff != "" {
		t.Errorf("spec in the workspace, with the one default that the cluster's document has (-want +got):\n%s", diff)
	}
	// What the cluster made of it, defaults and all, is welcome in kcp.
	copied := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "back", "namespace": "default"}, "spec": back.Object["spec"],
	}}
	require.NoError(t, up.Create(ctx, copied))
	if diff := cmp.Diff(back.Object["spec"], copied.Object["spec"]); diff != "" {
		t.Errorf("spec of the cluster, in the workspace (-cluster +workspace):\n%s", diff)
	}

	typed := &appsv1.Deployment{}
	require.NoError(t, up.Get(ctx, client.ObjectKeyFromObject(stored), typed))
	typed.Status = appsv1.DeploymentStatus{
		ObservedGeneration: 1, Replicas: 3, ReadyReplicas: 2,
		Conditions: []appsv1.DeploymentCondition{{
			Type: appsv1.DeploymentAvailable, Status: "True", Reason: "Test", Message: "test",
			LastUpdateTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}},
	}
	require.NoError(t, up.Status().Update(ctx, typed))
	require.EqualValues(t, 2, typed.Status.ReadyReplicas)
	require.Len(t, typed.Status.Conditions, 1)

	typed.Spec.Template.Spec.Containers[0].Ports[0].Protocol = "NONSENSE"
	require.ErrorContains(t, up.Update(ctx, typed), "Unsupported value")
	bad := parse(t)
	bad.SetName("bad")
	unstructured.RemoveNestedField(bad.Object, "spec", "selector")
	require.ErrorContains(t, up.Create(ctx, bad), "spec.selector: Required value")
	bad = parse(t)
	bad.SetName("bad")
	editContainer(t, bad, func(c map[string]any) {
		c["resources"] = map[string]any{"requests": map[string]any{"cpu": "half"}}
	})
	require.ErrorContains(t, up.Create(ctx, bad), "cpu")
}

func parse(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(deployment))
	require.NoError(t, err)
	require.NoError(t, u.UnmarshalJSON(data))
	return u
}

func create(t *testing.T, ctx context.Context, c client.Client) *unstructured.Unstructured {
	t.Helper()
	u := parse(t)
	require.NoError(t, c.Create(ctx, u))
	return u
}

func editContainer(t *testing.T, u *unstructured.Unstructured, edit func(map[string]any)) {
	t.Helper()
	containers, ok, err := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	require.True(t, ok && err == nil)
	edit(containers[0].(map[string]any))
	require.NoError(t, unstructured.SetNestedSlice(u.Object, containers, "spec", "template", "spec", "containers"))
}
