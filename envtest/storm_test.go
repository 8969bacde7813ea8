package envtest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// impatient is a client that does not try again by itself, as client-go does
// where a Retry-After asks for it.
func impatient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	config.Timeout = brief
	c, err := client.New(config, client.Options{})
	require.NoError(t, err)
	return c
}

// whoAmI asks the server for whom it takes a client.
func whoAmI(t *testing.T, config *rest.Config) (authenticationv1.UserInfo, error) {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}
	review := &authenticationv1.SelfSubjectReview{}
	err = c.Create(t.Context(), review)
	return review.Status.UserInfo, err
}

func TestStorms(t *testing.T) {
	clusters := tmcenvtest.NewClusters(t, tmcenvtest.Spec("stormy"), tmcenvtest.Spec("elsewhere"))
	t.Run("strike what they choose", func(t *testing.T) { testChosen(t, clusters[0]) })
	t.Run("cut watches and let others live", func(t *testing.T) { testCutWatches(t, clusters[0]) })
	t.Run("leave everyone who they are", func(t *testing.T) { testIdentities(t, clusters[1], clusters[0]) })
}

func testChosen(t *testing.T, cluster *tmcenvtest.Cluster) {
	t.Helper()
	ctx := t.Context()
	c := impatient(t, cluster.Config())
	patient := mustClient(t, cluster)
	proxy := cluster.Proxy()
	key := client.ObjectKeyFromObject(configMap("a"))
	require.NoError(t, patient.Create(ctx, configMap("a")))
	// The first storm breaks the connections that there are, and a client may write
	// into one before it hears of that: let it connect anew first.
	proxy.Storm()
	require.Eventually(t, func() bool { return c.Get(ctx, key, &corev1.ConfigMap{}) == nil }, long, tick)

	proxy.Storm(tmcenvtest.Storm{Answer: tmcenvtest.Fail(http.StatusInternalServerError), Verbs: []string{"create"}, Resources: []string{"configmaps"}})
	err := c.Create(ctx, configMap("b"))
	require.True(t, apierrors.IsInternalError(err), "%v", err)
	require.NoError(t, c.Get(ctx, key, &corev1.ConfigMap{}), "another verb")
	require.NoError(t, c.Create(ctx, &corev1.Namespace{ObjectMeta: configMap("b").ObjectMeta}), "another resource")
	require.Equal(t, 1, proxy.Struck())
	proxy.Heal()
	require.NoError(t, c.Create(ctx, configMap("b")), "the storm is over, and the server knew nothing of the first")

	proxy.Storm(tmcenvtest.Storm{Answer: tmcenvtest.Fail(http.StatusServiceUnavailable), Path: "/configmaps/a"})
	require.True(t, apierrors.IsServiceUnavailable(c.Get(ctx, key, &corev1.ConfigMap{})))
	proxy.Heal()

	// client-go waits as long as it is asked to, and tries again.
	proxy.Storm(tmcenvtest.Storm{Answer: tmcenvtest.Throttle(time.Second), Verbs: []string{"get"}})
	err = c.Get(ctx, key, &corev1.ConfigMap{})
	require.Error(t, err, "it has no patience")
	asked := make(chan error, 1)
	before := proxy.Struck()
	go func() { asked <- patient.Get(ctx, key, &corev1.ConfigMap{}) }()
	require.Eventually(t, func() bool { return proxy.Struck() > before }, long, tick)
	proxy.Heal()
	require.NoError(t, <-asked)

	proxy.Storm(tmcenvtest.Storm{Answer: tmcenvtest.Hang()})
	require.ErrorIs(t, c.Get(ctx, key, &corev1.ConfigMap{}), context.DeadlineExceeded)
	before = proxy.Struck()
	go func() { asked <- patient.Get(ctx, key, &corev1.ConfigMap{}) }()
	require.Eventually(t, func() bool { return proxy.Struck() > before }, long, tick)
	proxy.Heal()
	require.Error(t, <-asked, "what hung breaks with the end of the storm")

	proxy.Storm(tmcenvtest.Storm{Answer: tmcenvtest.LoseAnswer(), Verbs: []string{"create"}})
	require.Error(t, c.Create(ctx, configMap("c")))
	proxy.Heal()
	require.True(t, apierrors.IsAlreadyExists(c.Create(ctx, configMap("c"))), "the write happened")
}

func testCutWatches(t *testing.T, cluster *tmcenvtest.Cluster) {
	t.Helper()
	ctx := t.Context()
	c, err := client.NewWithWatch(cluster.Config(), client.Options{})
	require.NoError(t, err)
	cluster.Proxy().Storm()
	quiet, err := c.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace("default"))
	require.NoError(t, err)
	defer quiet.Stop()

	cluster.Proxy().Storm(tmcenvtest.Storm{Answer: tmcenvtest.CutWatch(brief)})
	cut, err := c.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace("default"))
	require.NoError(t, err)
	defer cut.Stop()
	require.NoError(t, c.Create(ctx, configMap("seen")))
	for _, w := range []<-chan struct{}{nextAdded(quiet.ResultChan(), "seen"), nextAdded(cut.ResultChan(), "seen")} {
		select {
		case <-w:
		case <-time.After(long):
			t.Fatal("an event does not arrive at once")
		}
	}
	require.Eventually(t, func() bool {
		select {
		case _, open := <-cut.ResultChan():
			return !open
		default:
			return false
		}
	}, long, tick)
	require.NoError(t, c.Create(ctx, configMap("seen-later")))
	select {
	case <-nextAdded(quiet.ResultChan(), "seen-later"):
	case <-time.After(long):
		t.Fatal("a watch from before the storm was cut")
	}
}

func testIdentities(t *testing.T, cluster, stranger *tmcenvtest.Cluster) {
	t.Helper()
	ctx := t.Context()
	admin := mustClient(t, cluster)
	account := &corev1.ServiceAccount{}
	account.Namespace, account.Name = "default", "robot"
	require.NoError(t, admin.Create(ctx, account))
	token := &authenticationv1.TokenRequest{}
	require.NoError(t, admin.SubResource("token").Create(ctx, account, token))
	byToken := rest.AnonymousClientConfig(cluster.Config())
	byToken.BearerToken = token.Status.Token
	asAnother := cluster.Config()
	asAnother.Impersonate = rest.ImpersonationConfig{UserName: "ada", Groups: []string{"readers"}}
	mistaken := cluster.Config()
	mistaken.CertData, mistaken.KeyData = stranger.Config().CertData, stranger.Config().KeyData
	wrongToken := rest.AnonymousClientConfig(cluster.Config())
	wrongToken.BearerToken = "nonsense"
	both := rest.CopyConfig(byToken)
	both.CertData, both.KeyData = mistaken.CertData, mistaken.KeyData

	clients := map[string]*rest.Config{
		"by certificate": cluster.UserConfig("jane", "viewers", "editors"), "by token": byToken, "as another": asAnother,
		"by another's certificate": mistaken, "by a wrong token": wrongToken, "by token, with another's certificate": both,
		"by nothing": rest.AnonymousClientConfig(cluster.Config()),
	}
	type seen struct {
		user authenticationv1.UserInfo
		err  metav1.StatusReason
	}
	ask := func(config *rest.Config) seen {
		user, err := whoAmI(t, config)
		user.Extra = nil // it tells apart credentials, not people
		return seen{user, apierrors.ReasonForError(err)}
	}
	plain := map[string]seen{}
	for name, config := range clients {
		plain[name] = ask(config)
	}
	require.Equal(t, "jane", plain["by certificate"].user.Username)
	require.Equal(t, "system:serviceaccount:default:robot", plain["by token"].user.Username)

	cluster.Proxy().Storm()
	for name, config := range clients {
		assert.Equal(t, plain[name], ask(config), "%s", name)
	}

	// A server that goes away is not hidden by the relay.
	require.NoError(t, cluster.Stop(ctx))
	_, err := whoAmI(t, cluster.Config())
	require.ErrorContains(t, err, "refused")
	require.NoError(t, cluster.Restart(ctx))
	_, err = whoAmI(t, cluster.Config())
	require.NoError(t, err)
}

// nextAdded is closed when the object of this name has appeared in a watch.
func nextAdded(events <-chan watch.Event, name string) <-chan struct{} {
	seen := make(chan struct{})
	go func() {
		for e := range events {
			if o, ok := e.Object.(client.Object); ok && e.Type == watch.Added && o.GetName() == name {
				close(seen)
				return
			}
		}
	}()
	return seen
}
