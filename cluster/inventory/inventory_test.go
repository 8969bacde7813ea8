package inventory

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	inventoryv1alpha1 "sigs.k8s.io/cluster-inventory-api/apis/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tmc-sdk/tmc/cluster"
)

// notes is a sink that notes the last registration of each cluster.
type notes struct {
	mu     sync.Mutex
	regs   map[string]cluster.Registration
	synced bool
}

func (n *notes) Set(reg cluster.Registration) { n.do(func() { n.regs[reg.Name] = reg }) }
func (n *notes) Remove(name string)           { n.do(func() { delete(n.regs, name) }) }
func (n *notes) Synced()                      { n.do(func() { n.synced = true }) }

func (n *notes) do(what func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	what()
}

// plain says that the fake client cannot begin a watch with a list.
type plain struct{ client.WithWatch }

// IsWatchListSemanticsUnSupported is what client-go asks for.
func (plain) IsWatchListSemanticsUnSupported() bool { return true }

// inventoryClient counts writes, and fails reads while failing is set.
type inventoryClient struct {
	client.WithWatch

	mu      sync.Mutex
	writes  int
	failing error
}

func newInventory(t *testing.T, objects ...client.Object) *inventoryClient {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, inventoryv1alpha1.AddToScheme(scheme))
	c := &inventoryClient{}
	wrote := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.writes++
	}
	c.WithWatch = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&inventoryv1alpha1.ClusterProfile{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				c.mu.Lock()
				err := c.failing
				c.mu.Unlock()
				if err != nil {
					return err
				}
				return w.Get(ctx, key, obj, opts...)
			},
			Create: func(ctx context.Context, w client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
				wrote()
				return w.Create(ctx, obj, opts...)
			},
			Patch: func(ctx context.Context, w client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
				wrote()
				return w.Patch(ctx, obj, patch, opts...)
			},
			SubResourcePatch: func(ctx context.Context, w client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				wrote()
				return w.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	return c
}

func (c *inventoryClient) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = err
}

func anyAccess() Access {
	return AccessFunc("plugin", func(e Endpoint) (*rest.Config, error) { return e.config(), nil })
}

func TestWhatASourceNeeds(t *testing.T) {
	cfg := &rest.Config{Host: "https://hub.example.com"}
	for _, try := range []func() (cluster.Source, error){
		func() (cluster.Source, error) { return FromProfiles(nil, "fleet", anyAccess()) },
		func() (cluster.Source, error) { return FromProfiles(cfg, "", anyAccess()) },
		func() (cluster.Source, error) { return FromProfiles(cfg, "fleet") },
	} {
		_, err := try()
		require.ErrorContains(t, err, "read ClusterProfiles")
	}
	s, err := FromProfiles(cfg, "fleet", anyAccess())
	require.NoError(t, err)
	require.Equal(t, "clusterprofiles", s.Name())
}

func TestProfilesAreASource(t *testing.T) {
	observed := metav1.NewTime(time.Unix(1000, 0))
	good := profileWith(provider("plugin"))
	good.Labels = map[string]string{"tier": "gold", corev1.LabelTopologyZone: "eu-a"}
	good.Status.Properties = []inventoryv1alpha1.Property{{Name: corev1.LabelTopologyRegion, Value: "eu", LastObservedTime: observed}, {Name: "cost", Value: "0.35"}}
	bad := profileWith()
	bad.Name = "bad"
	elsewhere := profileWith(provider("plugin"))
	elsewhere.Namespace = "other"
	c := newInventory(t, good, bad, elsewhere)
	n := &notes{regs: map[string]cluster.Registration{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := &source{client: plain{c}, namespace: "fleet", ways: []Access{anyAccess()}}
	go func() { done <- s.Run(ctx, n) }()
	until := func(what string, ok func() bool) {
		t.Helper()
		require.Eventually(t, func() (yes bool) { n.do(func() { yes = ok() }); return yes }, 30*time.Second, 5*time.Millisecond, what)
	}
	until("the source is read", func() bool { return n.synced && len(n.regs) == 2 })
	n.do(func() {
		reg := n.regs["eu-1"]
		require.Equal(t, []string{"eu", "eu-a", "gold", "0.35"}, []string{reg.Region, reg.Zone, reg.Labels["tier"], reg.Properties["cost"]})
		require.Equal(t, map[string]time.Time{corev1.LabelTopologyRegion: observed.Time}, reg.Observed)
		require.ErrorContains(t, n.regs["bad"].Err, "names no access provider yet", "one bad profile harms no other, and says why")
	})

	fresh := &inventoryv1alpha1.ClusterProfile{}
	require.NoError(t, c.Get(ctx, types.NamespacedName{Namespace: "fleet", Name: "bad"}, fresh))
	fresh.Status.AccessProviders = []inventoryv1alpha1.AccessProvider{provider("plugin")}
	require.NoError(t, c.Status().Update(ctx, fresh))
	until("a change takes effect", func() bool { return n.regs["bad"].Err == nil })

	c.fail(errors.New("no answer"))
	require.NoError(t, c.Delete(ctx, good))
	require.Never(t, func() (gone bool) { n.do(func() { gone = len(n.regs) < 2 }); return gone }, 300*time.Millisecond, 20*time.Millisecond,
		"a deletion that cannot be confirmed removes nothing")
	c.fail(nil)
	until("once it is confirmed it does", func() bool { return len(n.regs) == 1 })
	cancel()
	require.NoError(t, <-done)
}

// standing is a fleet that changes when told to.
type standing struct {
	mu       sync.Mutex
	snapshot *cluster.Snapshot
}

func (f *standing) Snapshot() *cluster.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshot
}

func (f *standing) Subscribe(func(cluster.Change)) func() { return func() {} }

func (f *standing) become(states ...*cluster.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshot = cluster.NewSnapshot(states...)
}

func TestAFleetIsPublished(t *testing.T) {
	foreign := profileWith()
	foreign.Name, foreign.Spec.ClusterManager.Name = "foreign", "somebody-else"
	c := newInventory(t, foreign)
	f := &standing{}
	eu := cluster.State{
		Name: "eu-1", Region: "eu", Reachable: true, Version: "v1.36.3",
		Properties: map[string]cluster.Property{"cost": {Text: "0.35"}, "empty": {}, cluster.PropertyOS: {Text: "linux", ObservedAt: time.Unix(1000, 0)}},
	}
	f.become(&eu, &cluster.State{Name: "foreign"})
	p := newPublisher(f, c, "fleet", "tmc")
	get := func(name string) *inventoryv1alpha1.ClusterProfile {
		t.Helper()
		found := &inventoryv1alpha1.ClusterProfile{}
		require.NoError(t, c.Get(t.Context(), types.NamespacedName{Namespace: "fleet", Name: name}, found))
		return found
	}
	require.NoError(t, p.publish(t.Context(), "eu-1"))
	got := get("eu-1")
	require.Equal(t, "tmc", got.Labels[inventoryv1alpha1.LabelClusterManagerKey])
	require.Equal(t, "v1.36.3", got.Status.Version.Kubernetes)
	require.Empty(t, got.Status.AccessProviders, "the inventory lets nobody in")
	require.True(t, meta.IsStatusConditionTrue(got.Status.Conditions, inventoryv1alpha1.ClusterConditionControlPlaneHealthy))
	var names []string
	for _, property := range got.Status.Properties {
		names = append(names, property.Name+"="+property.Value)
	}
	require.Equal(t, []string{"cost=0.35", "kubernetes.io/os=linux", "topology.kubernetes.io/region=eu"}, names)

	writes := c.writes
	require.NoError(t, p.publish(t.Context(), "eu-1"))
	require.Equal(t, writes, c.writes, "what is there is not written again")

	lost := eu
	lost.Reachable, lost.UnreachableSince = false, time.Unix(2000, 0)
	f.become(&lost, &cluster.State{Name: "foreign"})
	require.NoError(t, p.publish(t.Context(), "eu-1"))
	require.True(t, meta.IsStatusConditionFalse(get("eu-1").Status.Conditions, inventoryv1alpha1.ClusterConditionControlPlaneHealthy))

	require.ErrorIs(t, p.publish(t.Context(), "foreign"), ErrForeign)
	require.Equal(t, "somebody-else", get("foreign").Spec.ClusterManager.Name)

	f.become()
	require.NoError(t, p.publish(t.Context(), "eu-1"))
	get("eu-1") // not to be in the fleet is not to have left it
	p.left["eu-1"], p.left["foreign"] = true, true
	require.NoError(t, p.publish(t.Context(), "eu-1"))
	require.NoError(t, p.publish(t.Context(), "foreign"))
	require.True(t, apierrors.IsNotFound(c.Get(t.Context(), types.NamespacedName{Namespace: "fleet", Name: "eu-1"}, &inventoryv1alpha1.ClusterProfile{})))
	get("foreign")
}

// synced is a fleet that has read its sources, or not yet.
type synced struct {
	*standing

	read bool
}

func (f synced) WaitForSync(context.Context) bool { return f.read }

// A cluster that left while nobody published leaves no profile behind: none of
// ours, and only once the fleet has read all of its sources.
func TestWhatLeftUnseenIsCollected(t *testing.T) {
	named := func(name, label, manager string) *inventoryv1alpha1.ClusterProfile {
		p := profileWith()
		p.Name, p.Spec.ClusterManager.Name = name, manager
		p.Labels = map[string]string{inventoryv1alpha1.LabelClusterManagerKey: label}
		return p
	}
	for name, tc := range map[string]struct {
		reason string
		read   bool
		want   []string
	}{
		"read":     {"what is ours and not in the fleet goes", true, []string{"foreign", "here", "pretender"}},
		"not read": {"what is not there yet may come", false, []string{"foreign", "gone", "here", "pretender"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newInventory(t, named("gone", "tmc", "tmc"), named("here", "tmc", "tmc"), named("foreign", "other", "other"), named("pretender", "tmc", "other"))
			f := synced{&standing{}, tc.read}
			f.become(&cluster.State{Name: "here", Reachable: true})
			p := newPublisher(f, c, "fleet", "tmc")
			p.collect(t.Context(), func(name string) { require.NoError(t, p.publish(t.Context(), name)) })
			list := &inventoryv1alpha1.ClusterProfileList{}
			require.NoError(t, c.List(t.Context(), list))
			var left []string
			for i := range list.Items {
				left = append(left, list.Items[i].Name)
			}
			require.Equal(t, tc.want, left, tc.reason)
		})
	}
}
