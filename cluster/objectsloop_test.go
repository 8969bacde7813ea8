package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// notes is a sink that notes the last registration of each cluster.
type notes struct {
	mu     sync.Mutex
	regs   map[string]Registration
	synced bool
}

func (n *notes) Set(reg Registration) { n.do(func() { n.regs[reg.Name] = reg }) }
func (n *notes) Remove(name string)   { n.do(func() { delete(n.regs, name) }) }
func (n *notes) Synced()              { n.do(func() { n.synced = true }) }

func (n *notes) do(what func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	what()
}

// plain says that the fake client cannot begin a watch with a list.
type plain struct{ client.WithWatch }

// IsWatchListSemanticsUnSupported is what client-go asks for.
func (plain) IsWatchListSemanticsUnSupported() bool { return true }

// TestOneBadSecretHarmsNoOtherCluster reads objects of which one names a
// Secret that may not be read, and deletes one while live reads fail.
func TestOneBadSecretHarmsNoOtherCluster(t *testing.T) {
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	require.NoError(t, corev1.AddToScheme(scheme))
	registered := func(name string) *v1alpha1.PhysicalCluster {
		return &v1alpha1.PhysicalCluster{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       v1alpha1.PhysicalClusterSpec{Connection: v1alpha1.Connection{SecretRef: v1alpha1.SecretReference{Namespace: "default", Name: name}}},
		}
	}
	var mu sync.Mutex
	refuse := map[string]error{"bad": apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "bad", errors.New("no"))}
	c := fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(registered("good"), registered("bad"), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "good"},
			Data:       map[string][]byte{"kubeconfig": []byte(kubeconfig("", `"token":"t"`))},
		}).
		WithInterceptorFuncs(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			mu.Lock()
			err := refuse[key.Name]
			mu.Unlock()
			if err != nil {
				return err
			}
			return c.Get(ctx, key, obj, opts...)
		}}).Build()

	n := &notes{regs: map[string]Registration{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- newObjectsLoop(plain{c}, Trust{}, n).run(ctx) }()
	until := func(what string, ok func() bool) {
		t.Helper()
		require.Eventually(t, func() (met bool) { n.do(func() { met = ok() }); return met }, 10*time.Second, 5*time.Millisecond, what)
	}
	until("both are there, and the source is synced", func() bool { return n.synced && len(n.regs) == 2 })
	require.NoError(t, n.regs["good"].Err)
	require.ErrorContains(t, n.regs["bad"].Err, "forbidden")

	mu.Lock()
	refuse["good"] = errors.New("connection refused")
	mu.Unlock()
	require.NoError(t, c.Delete(t.Context(), registered("good")))
	time.Sleep(300 * time.Millisecond)
	until("a deletion that cannot be confirmed removes nothing", func() bool { return len(n.regs) == 2 })
	mu.Lock()
	delete(refuse, "good")
	mu.Unlock()
	until("once it is confirmed it does", func() bool { _, there := n.regs["good"]; return !there })
	cancel()
	require.NoError(t, <-done)
}
