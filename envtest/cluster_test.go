package envtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

const (
	long  = 30 * time.Second // for what must happen
	tick  = 50 * time.Millisecond
	brief = 500 * time.Millisecond // for what must not
)

func deployment(name string, replicas int32, cpu string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "main", Image: "example.org/app",
					Resources: corev1.ResourceRequirements{
						Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
					},
				}}},
			},
		},
	}
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
}

func mustClient(t *testing.T, c *tmcenvtest.Cluster) client.Client {
	t.Helper()
	cl, err := c.Client()
	require.NoError(t, err)
	return cl
}

// readyWithin waits until a Deployment has n ready replicas.
func readyWithin(t *testing.T, c client.Client, d *appsv1.Deployment, n int32) {
	t.Helper()
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		var got appsv1.Deployment
		if assert.NoError(ct, c.Get(t.Context(), client.ObjectKeyFromObject(d), &got)) {
			assert.Equal(ct, n, got.Status.ReadyReplicas)
		}
	}, long, tick)
}

func TestADeploymentRunsWhereThereIsRoom(t *testing.T) {
	ctx := t.Context()
	start := time.Now()
	cluster := tmcenvtest.NewCluster(t, "eu-1",
		tmcenvtest.WithWorkloads(),
		tmcenvtest.WithNodes(2, tmcenvtest.Node{CPU: "2", Memory: "4Gi", Pods: 10, Zone: "eu-1a", Region: "eu"}),
		tmcenvtest.WithNodes(1, tmcenvtest.Node{Zone: "eu-1b", Region: "eu", Taints: []corev1.Taint{
			{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule},
		}}),
	)
	t.Logf("a cluster with workloads started in %s", time.Since(start))
	c := mustClient(t, cluster)

	var nodes corev1.NodeList
	require.NoError(t, c.List(ctx, &nodes))
	require.Len(t, nodes.Items, 3)
	assert.Equal(t, "eu-1a", nodes.Items[0].Labels[corev1.LabelTopologyZone])
	assert.Equal(t, "eu", nodes.Items[2].Labels[corev1.LabelTopologyRegion])
	assert.Equal(t, "2", nodes.Items[0].Status.Allocatable.Cpu().String())

	web := deployment("web", 3, "1")
	start = time.Now()
	require.NoError(t, c.Create(ctx, web))
	readyWithin(t, c, web, 3)
	t.Logf("3 replicas were ready after %s", time.Since(start))

	web.Spec.Replicas = new(int32(6))
	require.NoError(t, c.Patch(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}},
		client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":6}}`))))
	readyWithin(t, c, web, 4) // two nodes of two CPUs; the third is tainted

	// What was killed does not keep its successors from tending to the nodes.
	cluster.Kill()
	require.NoError(t, cluster.Restart(ctx))
	var before corev1.PodList
	require.NoError(t, c.List(ctx, &before))
	require.NotEmpty(t, before.Items)
	require.NoError(t, c.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace("default")))
	require.EventuallyWithT(t, func(ct *assert.CollectT) {
		for i := range before.Items {
			err := c.Get(ctx, client.ObjectKeyFromObject(&before.Items[i]), &corev1.Pod{})
			assert.True(ct, apierrors.IsNotFound(err), "%s: %v", before.Items[i].Name, err)
		}
	}, long, tick)

	start = time.Now()
	require.NoError(t, cluster.RestartEmpty(ctx))
	t.Logf("it restarted empty in %s", time.Since(start))
	require.True(t, apierrors.IsNotFound(c.Get(ctx, client.ObjectKeyFromObject(web), web)), "its data is lost")
	require.NoError(t, c.List(ctx, &nodes))
	require.Len(t, nodes.Items, 3, "its nodes register again")
	again := deployment("again", 2, "1")
	require.NoError(t, c.Create(ctx, again))
	readyWithin(t, c, again, 2)
}

func TestRestartsKeepAddressAndData(t *testing.T) {
	ctx := t.Context()
	start := time.Now()
	cluster := tmcenvtest.NewCluster(t, "plain")
	t.Logf("a cluster without workloads started in %s", time.Since(start))
	c := mustClient(t, cluster)
	host := cluster.Config().Host
	require.NoError(t, c.Create(ctx, configMap("kept")))

	for name, stop := range map[string]func(){
		"stopped": func() { require.NoError(t, cluster.Stop(ctx)) },
		"killed":  cluster.Kill,
	} {
		stop()
		require.Error(t, c.Get(ctx, client.ObjectKeyFromObject(configMap("kept")), &corev1.ConfigMap{}), name)
		start := time.Now()
		require.NoError(t, cluster.Restart(ctx))
		t.Logf("%s, it restarted in %s", name, time.Since(start))
		assert.Equal(t, host, cluster.Config().Host)
		require.NoError(t, c.Get(ctx, client.ObjectKeyFromObject(configMap("kept")), &corev1.ConfigMap{}),
			"%s: the same client finds the same data", name)
	}

	then, err := cluster.Snapshot()
	require.NoError(t, err)
	require.NoError(t, c.Delete(ctx, configMap("kept")), "the servers go on")
	require.NoError(t, c.Create(ctx, configMap("later")))
	require.NoError(t, cluster.RestartFrom(ctx, then))
	require.NoError(t, c.Get(ctx, client.ObjectKeyFromObject(configMap("kept")), &corev1.ConfigMap{}), "it is as it was")
	require.True(t, apierrors.IsNotFound(c.Get(ctx, client.ObjectKeyFromObject(configMap("later")), &corev1.ConfigMap{})))
	require.ErrorContains(t, cluster.RestartFrom(ctx, nil), "another server")

	require.NoError(t, cluster.RestartEmpty(ctx))
	err = c.Get(ctx, client.ObjectKeyFromObject(configMap("kept")), &corev1.ConfigMap{})
	require.True(t, apierrors.IsNotFound(err), "the data is lost: %v", err)

	require.NoError(t, cluster.Close())
	require.NoError(t, cluster.Close())
	require.ErrorContains(t, cluster.Restart(ctx), "closed")
}

func TestFaultsAreSeenAndHealed(t *testing.T) {
	ctx := t.Context()
	cluster := tmcenvtest.NewCluster(t, "faulty")
	c := mustClient(t, cluster)
	direct, err := client.New(cluster.Direct(), client.Options{})
	require.NoError(t, err)
	get := func(c client.Client, patience time.Duration) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return c.Get(ctx, client.ObjectKey{Name: "default"}, &corev1.Namespace{})
	}
	require.NoError(t, get(c, long))

	cluster.Proxy().Cut()
	require.ErrorIs(t, get(c, brief), context.DeadlineExceeded)
	require.NoError(t, get(direct, long), "the cluster itself is well")
	cluster.Proxy().Heal()
	require.NoError(t, get(c, long))

	require.NoError(t, cluster.Freeze())
	require.ErrorIs(t, get(c, brief), context.DeadlineExceeded)
	require.ErrorIs(t, get(direct, brief), context.DeadlineExceeded)
	require.NoError(t, cluster.Thaw())
	require.NoError(t, get(c, long))

	cluster.Proxy().Refuse()
	err = get(c, long)
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	cluster.Proxy().Heal()

	cluster.Proxy().Delay(100 * time.Millisecond)
	start := time.Now()
	require.NoError(t, get(c, long))
	assert.GreaterOrEqual(t, time.Since(start), 200*time.Millisecond)
}

func TestAUserMayDoWhatRBACAllows(t *testing.T) {
	ctx := t.Context()
	cluster := tmcenvtest.NewCluster(t, "rbac")
	admin := mustClient(t, cluster)
	require.NoError(t, admin.Create(ctx, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "viewer"},
		Rules:      []rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"configmaps"}}},
	}))
	require.NoError(t, admin.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "viewers"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "viewer"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "viewers"}},
	}))
	viewer, err := client.New(cluster.UserConfig("jane", "viewers"), client.Options{})
	require.NoError(t, err)
	stranger, err := client.New(cluster.UserConfig("joe"), client.Options{})
	require.NoError(t, err)

	require.Eventually(t, func() bool { return viewer.List(ctx, &corev1.ConfigMapList{}) == nil }, long, tick)
	require.True(t, apierrors.IsForbidden(viewer.Create(ctx, configMap("no"))))
	err = stranger.List(ctx, &corev1.ConfigMapList{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	assert.ErrorContains(t, err, "joe")
}

func TestClustersStartTogetherAndShareNothingVisible(t *testing.T) {
	ctx := t.Context()
	start := time.Now()
	clusters := tmcenvtest.NewClusters(t,
		tmcenvtest.Spec("eu-1", tmcenvtest.WithWorkloads(), tmcenvtest.WithNodes(1, tmcenvtest.Node{Region: "eu"})),
		tmcenvtest.Spec("eu-2", tmcenvtest.WithControllers("namespace-controller")),
		tmcenvtest.Spec("us-1", tmcenvtest.WithNodes(3, tmcenvtest.Node{Region: "us"})),
	)
	t.Logf("3 clusters started in %s", time.Since(start))
	require.Len(t, clusters, 3)
	_, err := clusters[0].Snapshot()
	require.ErrorContains(t, err, "it shares an etcd")
	for i, name := range []string{"eu-1", "eu-2", "us-1"} {
		assert.Equal(t, name, clusters[i].Name())
		require.NoError(t, mustClient(t, clusters[i]).Create(ctx, configMap("only-in-"+name)))
	}
	for i, name := range []string{"eu-1", "eu-2", "us-1"} {
		var list corev1.ConfigMapList
		require.NoError(t, mustClient(t, clusters[i]).List(ctx, &list, client.InNamespace("default")))
		for _, cm := range list.Items {
			assert.Contains(t, []string{"only-in-" + name, "kube-root-ca.crt"}, cm.Name)
		}
	}

	// A namespace goes away only where its controller runs.
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short-lived"}}
	c := mustClient(t, clusters[1])
	require.NoError(t, c.Create(ctx, ns))
	require.NoError(t, c.Delete(ctx, ns))
	require.Eventually(t, func() bool {
		return apierrors.IsNotFound(c.Get(ctx, client.ObjectKeyFromObject(ns), ns))
	}, long, tick)

	// The end of one is not the end of the etcd that the others use.
	require.NoError(t, clusters[0].Close())
	require.NoError(t, c.List(ctx, &corev1.ConfigMapList{}))
}

func TestAWrongNodeIsAnError(t *testing.T) {
	_, err := tmcenvtest.StartCluster(t.Context(), "odd", tmcenvtest.WithNodes(1, tmcenvtest.Node{CPU: "many"}))
	require.ErrorContains(t, err, `"many"`)
}
