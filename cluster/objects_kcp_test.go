package cluster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/access"
	"github.com/tmc-sdk/tmc/cluster/operations"
	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

var deployments = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

// provider is a workspace in which physical clusters are registered.
type provider struct {
	client.Client

	config *rest.Config
}

func newProvider(t *testing.T, kcp *tmcenvtest.KCP) *provider {
	t.Helper()
	tree, err := kcp.CreateTree(t.Context(), "provider")
	require.NoError(t, err)
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, apiextensionsv1.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	p := &provider{config: kcp.Config(tree[0].Path)}
	p.Client, err = client.New(p.config, client.Options{Scheme: scheme})
	require.NoError(t, err)
	crds, err := v1alpha1.CRDs()
	require.NoError(t, err)
	for _, crd := range crds {
		require.NoError(t, p.Create(t.Context(), crd))
	}
	require.Eventually(t, func() bool {
		return p.List(t.Context(), &v1alpha1.PhysicalClusterList{}) == nil
	}, 30*time.Second, 100*time.Millisecond)
	return p
}

func (p *provider) register(t *testing.T, c *tmcenvtest.Cluster) {
	t.Helper()
	kubeconfig, err := c.Kubeconfig()
	require.NoError(t, err)
	require.NoError(t, p.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: c.Name()},
		Data:       map[string][]byte{"kubeconfig": kubeconfig},
	}))
	require.NoError(t, p.Create(t.Context(), &v1alpha1.PhysicalCluster{
		ObjectMeta: metav1.ObjectMeta{Name: c.Name(), Labels: map[string]string{"tier": "gold"}},
		Spec: v1alpha1.PhysicalClusterSpec{
			Connection: v1alpha1.Connection{SecretRef: v1alpha1.SecretReference{Namespace: "default", Name: c.Name()}},
			Region:     "eu", Properties: map[string]string{"cost": "0.35"},
		},
	}))
}

// write replaces the kubeconfig of a cluster.
func (p *provider) write(t *testing.T, name string, kubeconfig []byte) {
	t.Helper()
	secret := &corev1.Secret{}
	require.NoError(t, p.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: name}, secret))
	secret.Data["kubeconfig"] = kubeconfig
	require.NoError(t, p.Update(t.Context(), secret))
}

// edit changes the spec of a cluster.
func (p *provider) edit(t *testing.T, name string, change func(*v1alpha1.PhysicalCluster)) {
	t.Helper()
	pc := p.cluster(t, name)
	old := pc.DeepCopy()
	change(pc)
	require.NoError(t, p.Patch(t.Context(), pc, client.MergeFrom(old)))
}

func (p *provider) cluster(t *testing.T, name string) *v1alpha1.PhysicalCluster {
	t.Helper()
	pc := &v1alpha1.PhysicalCluster{}
	require.NoError(t, p.Get(t.Context(), client.ObjectKey{Name: name}, pc))
	return pc
}

// awaits waits until conditions of a cluster read as given: "Ready=False
// (Unreachable)".
func (p *provider) awaits(t *testing.T, name string, want ...string) {
	t.Helper()
	var got []string
	ok := false
	for end := time.Now().Add(30 * time.Second); !ok && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ok, got = true, nil
		pc := p.cluster(t, name)
		for _, c := range pc.Status.Conditions {
			got = append(got, fmt.Sprintf("%s=%s (%s)", c.Type, c.Status, c.Reason))
		}
		for _, w := range want {
			found := false
			for _, g := range got {
				found = found || g == w
			}
			ok = ok && found
		}
	}
	require.True(t, ok, "%s: want %v, got %v", name, want, got)
}

// run starts a fleet over the objects, with a status writer.
func (p *provider) run(t *testing.T) (f *tmccluster.Fleet, stop func()) {
	t.Helper()
	f, err := tmccluster.NewFleet(
		tmccluster.WithSource(tmccluster.FromObjects(p.config)),
		tmccluster.WithAPIs(deployments),
		tmccluster.WithProbe(tmccluster.ProbePolicy{Interval: 300 * time.Millisecond, Timeout: time.Second, FailureThreshold: 2}),
		tmccluster.WithGrace(2*time.Second),
	)
	require.NoError(t, err)
	w, err := tmccluster.NewStatusWriter(f, p.config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- f.Start(ctx) }()
	go func() { ended <- w.Start(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-ended)
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return f, stop
}

func TestPhysicalClustersOnRealServers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	kcp := tmcenvtest.NewKCP(t)
	clusters := tmcenvtest.NewClusters(t,
		tmcenvtest.Spec("a", tmcenvtest.WithWorkloads(), tmcenvtest.WithNodes(2, tmcenvtest.Node{CPU: "4", Memory: "8Gi"})),
		tmcenvtest.Spec("b"))
	a, b := clusters[0], clusters[1]
	p := newProvider(t, kcp)
	p.register(t, a)
	p.register(t, b)
	f, stop := p.run(t)
	state := func(name string) *tmccluster.State {
		st, ok := f.Snapshot().Lookup(name)
		require.True(t, ok, "%s is in the fleet", name)
		return st
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		require.Eventually(t, ok, 30*time.Second, 20*time.Millisecond, what)
	}

	t.Log("a registered cluster is ready, and its object says so")
	require.True(t, f.WaitForSync(t.Context()))
	require.True(t, state("a").Ready, state("a").Message)
	p.awaits(t, "a", "Reachable=True (Answering)", "Ready=True (Ready)", "Schedulable=True (Schedulable)")
	status := p.cluster(t, "a").Status
	require.Equal(t, state("a").UID, status.ClusterUID)
	require.Equal(t, []string{"deployments.v1.apps"}, status.APIs)
	require.EqualValues(t, 2, status.Capacity.Nodes)
	require.Equal(t, resource.MustParse("8"), status.Capacity.Allocatable[corev1.ResourceCPU])

	t.Log("capacity follows the pods")
	down, err := a.Client()
	require.NoError(t, err)
	require.NoError(t, down.Create(t.Context(), web(3, "500m")))
	until("three pods are counted", func() bool { return state("a").Allocated.MilliCPU == 1500 && state("a").Allocated.Pods == 3 })
	require.NoError(t, down.Delete(t.Context(), web(3, "500m"), client.PropagationPolicy(metav1.DeletePropagationBackground)))
	until("none is counted", func() bool { return state("a").Allocated.Pods == 0 && state("a").Allocated.MilliCPU == 0 })

	t.Log("headroom is what kube-scheduler makes of it")
	agrees(t, f, a)

	t.Log("new credentials give a new connection, without a restart")
	before, err := f.Connection("a")
	require.NoError(t, err)
	p.write(t, "a", kubeconfigOf(t, a.UserConfig("somebody-else", "system:masters")))
	<-before.Done()
	until("there is another connection", func() bool { c, err := f.Connection("a"); return err == nil && c != before })
	require.True(t, state("a").Ready)

	t.Log("credentials that are revoked are told of, and others make good")
	revoke(t, p, f, a)
	p.write(t, "a", kubeconfigOf(t, a.Config()))
	p.awaits(t, "a", "Ready=True (Ready)")

	t.Log("a kubeconfig that would run a program is refused, and the object says why")
	p.write(t, "a", []byte(hostile))
	p.awaits(t, "a", "Ready=False (InvalidRegistration)")
	require.Contains(t, state("a").Message, "it would run \"/bin/sh\"")
	p.write(t, "a", kubeconfigOf(t, a.Config()))
	p.awaits(t, "a", "Ready=True (Ready)")

	t.Log("cordon and uncordon")
	p.edit(t, "a", func(pc *v1alpha1.PhysicalCluster) { pc.Spec.Unschedulable = true })
	p.awaits(t, "a", "Schedulable=False (Cordoned)", "Ready=True (Ready)")
	require.True(t, state("a").Unschedulable)
	p.edit(t, "a", func(pc *v1alpha1.PhysicalCluster) { pc.Spec.Unschedulable = false })
	p.awaits(t, "a", "Schedulable=True (Schedulable)")

	t.Log("a frozen cluster is unreachable, then lost, and disturbs no other")
	require.NoError(t, b.Freeze())
	p.awaits(t, "b", "Reachable=False (Unreachable)", "Ready=False (Unreachable)", "Schedulable=False (NotReady)")
	until("NoExecute after the grace period", func() bool {
		for _, taint := range state("b").Taints {
			if taint.Key == v1alpha1.TaintUnreachable && taint.Effect == corev1.TaintEffectNoExecute {
				return taint.TimeAdded != nil
			}
		}
		return false
	})
	require.True(t, state("a").Ready)
	require.NoError(t, b.Thaw())
	p.awaits(t, "b", "Reachable=True (Answering)", "Ready=True (Ready)")
	require.Empty(t, state("b").Taints)

	t.Log("a cluster that was rebuilt behind its address is another cluster")
	old := state("b").UID
	conn, err := f.Connection("b")
	require.NoError(t, err)
	require.NoError(t, b.RestartEmpty(t.Context()))
	<-conn.Done()
	p.awaits(t, "b", "Identified=True (Rebuilt)", "Ready=True (Ready)")
	require.NotEqual(t, old, state("b").UID)
	require.Equal(t, p.cluster(t, "b").Status.ClusterUID, state("b").UID)

	t.Log("a restart writes nothing")
	stop()
	versions := []string{p.cluster(t, "a").ResourceVersion, p.cluster(t, "b").ResourceVersion}
	f, stop = p.run(t)
	require.True(t, f.WaitForSync(t.Context()))
	time.Sleep(2 * time.Second)
	require.Equal(t, versions, []string{p.cluster(t, "a").ResourceVersion, p.cluster(t, "b").ResourceVersion})

	t.Log("a provider workspace that goes away takes no cluster with it")
	kcp.Proxy().Refuse()
	kcp.Proxy().Reset()
	time.Sleep(3 * time.Second)
	require.Equal(t, 2, f.Snapshot().Len())
	require.True(t, state("a").Ready && state("b").Ready)
	kcp.Proxy().Heal()

	t.Log("a deleted object removes its cluster, when its work has left")
	left := make(chan string, 1)
	f.Subscribe(func(c tmccluster.Change) {
		if c.New == nil {
			left <- c.Name()
		}
	})
	conn, err = f.Connection("b")
	require.NoError(t, err)
	remove(t, p, f, b)
	require.Equal(t, "b", <-left)
	<-conn.Done()
	stop()
}

// agrees has kube-scheduler place as many pods of a shape as Headroom says that there
// is room for, and some more, on nodes that are filled unevenly: none more is placed,
// and none less.
func agrees(t *testing.T, f *tmccluster.Fleet, c *tmcenvtest.Cluster) {
	t.Helper()
	down, err := c.Client()
	require.NoError(t, err)
	pod := func(name, cpu, memory string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "main", Image: "app",
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
				}},
			}}},
		}
	}
	counted := func(pods int64) {
		t.Helper()
		require.Eventually(t, func() bool {
			st, ok := f.Snapshot().Lookup(c.Name())
			return ok && st.Allocated.Pods == pods
		}, 30*time.Second, 20*time.Millisecond)
	}
	const more = 3
	for _, shape := range []struct{ filler, cpu, memory string }{{"1300m", "900m", "256Mi"}, {"700m", "250m", "1100Mi"}, {"3100m", "2", "1Gi"}} {
		require.NoError(t, down.Create(t.Context(), pod("filler", shape.filler, "300Mi")))
		counted(1)
		cpu, memory := resource.MustParse(shape.cpu), resource.MustParse(shape.memory)
		want, ok := f.Headroom(c.Name(), tmccluster.Resources{MilliCPU: cpu.MilliValue(), Memory: memory.Value()})
		require.True(t, ok)
		require.Positive(t, want)
		for i := range want + more {
			require.NoError(t, down.Create(t.Context(), pod(fmt.Sprintf("pod-%d", i), shape.cpu, shape.memory)))
		}
		require.EventuallyWithT(t, func(ct *assert.CollectT) {
			var list corev1.PodList
			if !assert.NoError(ct, down.List(t.Context(), &list, client.InNamespace("default"))) {
				return
			}
			var placed, refused int64
			for i := range list.Items {
				for _, condition := range list.Items[i].Status.Conditions {
					if condition.Type != corev1.PodScheduled {
						continue
					}
					if condition.Status == corev1.ConditionTrue {
						placed++
					} else if condition.Reason == corev1.PodReasonUnschedulable {
						refused++
					}
				}
			}
			assert.Equal(ct, want+1, placed, "%v, with the filler", shape)
			assert.EqualValues(ct, more, refused)
		}, 30*time.Second, 50*time.Millisecond)
		require.NoError(t, down.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace("default"), client.GracePeriodSeconds(0)))
		counted(0)
	}
}

// revoke has a cluster be reached with the token of a service account, which is
// then deleted.
func revoke(t *testing.T, p *provider, f *tmccluster.Fleet, c *tmcenvtest.Cluster) {
	t.Helper()
	down, err := c.Client()
	require.NoError(t, err)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "fleet"}}
	require.NoError(t, down.Create(t.Context(), account))
	role := access.ClusterRole("fleet", access.FleetRules())
	require.NoError(t, down.Create(t.Context(), role))
	require.NoError(t, down.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "fleet"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "fleet"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "default", Name: "fleet"}},
	}))
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(3600))}}
	require.NoError(t, down.SubResource("token").Create(t.Context(), account, token))
	p.write(t, c.Name(), kubeconfigOf(t, &rest.Config{
		Host: c.Config().Host, BearerToken: token.Status.Token, TLSClientConfig: rest.TLSClientConfig{CAData: c.Config().CAData},
	}))
	// Least privilege is enough: it is reached in the name of the account, and ready.
	require.Eventually(t, func() bool {
		conn, err := f.Connection(c.Name())
		return err == nil && conn.Config.BearerToken == token.Status.Token &&
			meta.IsStatusConditionTrue(p.cluster(t, c.Name()).Status.Conditions, v1alpha1.ConditionReady)
	}, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, down.Delete(t.Context(), account))
	p.awaits(t, c.Name(), "Ready=False (Unauthorized)", "Schedulable=False (NotReady)")
}

// remove a cluster on which there is a copy.
func remove(t *testing.T, p *provider, f *tmccluster.Fleet, c *tmcenvtest.Cluster) {
	t.Helper()
	controller, err := operations.NewController(f, p.config, operations.Copies{
		Selector: labels.SelectorFromSet(labels.Set{"example.org/copy": "true"}), Tenant: "example.org/tenant",
		Resources: []schema.GroupVersionResource{{Version: "v1", Resource: "configmaps"}, {Group: "example.org", Version: "v1", Resource: "nothings"}},
	}, operations.Settle(time.Second))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- controller.Start(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
	}()
	down, err := c.Client()
	require.NoError(t, err)
	held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: "held", Labels: map[string]string{"example.org/copy": "true", "example.org/tenant": "t"},
	}}
	require.NoError(t, down.Create(t.Context(), held))
	require.Eventually(t, func() bool { return len(p.cluster(t, c.Name()).Finalizers) == 1 }, 30*time.Second, 50*time.Millisecond)

	op, err := operations.NewOperator(p.config, operations.WithFleet(f))
	require.NoError(t, err)
	for tenant, done := range map[string]bool{"u": true, "t": false} { // the copy is of t
		plan, err := op.Evict(t.Context(), c.Name(), operations.OfTenant(tenant))
		require.NoError(t, err)
		require.Len(t, plan.Changes, 1)
		require.Eventually(t, func() bool {
			drained := meta.FindStatusCondition(p.cluster(t, c.Name()).Status.Conditions, v1alpha1.ConditionDrained)
			st, ok := f.Snapshot().Lookup(c.Name())
			return drained != nil && drained.ObservedGeneration == p.cluster(t, c.Name()).Generation && (drained.Status == metav1.ConditionTrue) == done &&
				ok && len(st.Taints) == 1 && st.Taints[0].Workspace == tenant
		}, 30*time.Second, 50*time.Millisecond, tenant)
		_, err = op.Uncordon(t.Context(), c.Name(), operations.OfTenant(tenant))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return p.cluster(t, c.Name()).Status.Work == nil }, 30*time.Second, 50*time.Millisecond, "nothing is to leave any more")
	}
	var told []string
	_, err = op.Remove(t.Context(), c.Name(), operations.Wait(func(progress operations.Progress) {
		told = append(told, progress.Reason)
		if progress.Work.Copies > 0 {
			require.NoError(t, client.IgnoreNotFound(down.Delete(t.Context(), held)))
		}
	}))
	require.NoError(t, err)
	require.Contains(t, told, operations.ReasonWorkLeft)
}

const hostile = `
apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: it}}]
clusters: [{name: it, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: it, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, interactiveMode: Never}}}]
`

func kubeconfigOf(t *testing.T, cfg *rest.Config) []byte {
	t.Helper()
	raw := clientcmdConfig(cfg)
	data, err := clientcmd.Write(raw)
	require.NoError(t, err)
	return data
}

func web(replicas int32, cpu string) *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(replicas), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: new(int64(0)),
					Containers: []corev1.Container{{
						Name: "web", Image: "registry.example/web",
						Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
					}},
				},
			},
		},
	}
}

func clientcmdConfig(cfg *rest.Config) clientcmdapi.Config {
	return clientcmdapi.Config{
		CurrentContext: "it",
		Contexts:       map[string]*clientcmdapi.Context{"it": {Cluster: "it", AuthInfo: "it"}},
		Clusters:       map[string]*clientcmdapi.Cluster{"it": {Server: cfg.Host, CertificateAuthorityData: cfg.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"it": {ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData, Token: cfg.BearerToken}},
	}
}
