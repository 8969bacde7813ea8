package syncer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/sync/internal/apisim"
)

// scene is a simulated world in which only what a test does happens, and
// kubelets.
type scene struct {
	*simWorld
	t       *testing.T
	process *process
	tenant  *simServer
}

func newScene(t *testing.T) *scene {
	t.Helper()
	w := newSimWorld(1, nil)
	s := &scene{simWorld: w, t: t, process: w.start(), tenant: w.tenants[0]}
	t.Cleanup(func() {
		for _, task := range append([]*task(nil), w.scheduler.tasks...) {
			task.stop()
		}
	})
	for _, c := range w.clusters {
		w.scheduler.spawn(nil, "kubelet "+c.name, func() { w.kubelet(c) })
	}
	w.ensureNamespace(s.tenant, "default")
	return s
}

// pass lets time pass.
func (s *scene) pass(d time.Duration) {
	s.t.Helper()
	s.scheduler.run(s.scheduler.now.Add(d), s.broken)
	require.Empty(s.t, s.checker.violations)
}

// place decides: clusters in good standing, and then those that are left.
func (s *scene) place(staying []string, leaving ...string) {
	s.t.Helper()
	one := int64(1)
	var targets []v1alpha1.Target
	for _, name := range staying {
		targets = append(targets, v1alpha1.Target{Cluster: name, Share: &one})
	}
	for _, name := range leaving {
		targets = append(targets, v1alpha1.Target{Cluster: name, Leaving: true})
	}
	s.decide(s.tenant, "default", targets)
}

func (s *scene) copyOf(cluster string, original *unstructured.Unstructured) *unstructured.Unstructured {
	ns, name := s.where(s.tenant.name, original)
	return s.cluster(cluster).Peek(original.GroupVersionKind(), ns, name)
}

// deploy makes a Deployment that runs on a cluster.
func (s *scene) deploy(cluster string) *unstructured.Unstructured {
	s.t.Helper()
	d, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: s.deployment(s.tenant, "default", "web")})
	require.NoError(s.t, err)
	s.place([]string{cluster})
	s.pass(time.Minute)
	require.NotNil(s.t, s.copyOf(cluster, d))
	return d
}

// Seeds 279 and 850: a repair that a server failed counted as a round in a fight
// with a rival, and the truce that followed was waited for by nobody.
func TestAServerThatIsUnwellIsNoRival(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	failing := 5
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if server.name == "east" && r.Verb == apisim.Apply && failing > 0 {
			failing--
			return nil, apierrors.NewInternalError(errors.New("storage is unwell")), true
		}
		return nil, nil, false
	}
	copied := s.copyOf("east", d).DeepCopy()
	wanted, _ := replicasOf(copied)
	copied.Object["spec"].(map[string]any)["replicas"] = int64(7)
	_, err := s.do(s.cluster("east"), "vandal", &apisim.Request{Verb: apisim.Update, Object: copied})
	require.NoError(t, err)
	s.pass(time.Minute)
	require.Zero(t, failing)
	n, _ := replicasOf(s.copyOf("east", d))
	require.Equal(t, wanted, n, "the drift is repaired when the server is well again")
	synced := conditionOf(s.tenant.Peek(simDeployment, "default", "web"), ConditionSynced)
	require.Equal(t, "True", string(synced.Status), synced.Message)
}

// Seed 903: the cache still showed the healthy copy of an earlier original of
// the name, and the new one's only copy went.
func TestACopyOfAnEarlierOriginalIsNoReasonToLeave(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	where := &assignment{targets: map[string]v1alpha1.Target{"east": {Cluster: "east"}, "north": {Cluster: "north", Leaving: true}}}
	key := keyFor(multiclusterName(s.tenant), d)
	loop := s.process.loop
	require.True(t, loop.mayLeave(context.Background(), key, d.GetUID(), where), "the copy on east is healthy")
	require.False(t, loop.mayLeave(context.Background(), key, "of-a-later-one", where))
}

// Seeds 447 and 755: a replica that came to lead made a copy from what its cache
// still showed, after the one before it had let the original go.
func TestAFinalizerThatACacheShowsIsConfirmedBeforeACopyIsMade(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	s.process.die()
	s.process = s.start()
	s.pass(time.Minute)

	gone := true
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if gone && server == s.tenant && r.Verb == apisim.Get && r.Kind == simDeployment {
			return nil, apierrors.NewNotFound(schema.GroupResource{Group: "apps", Resource: "deployments"}, r.Name), true
		}
		return nil, nil, false
	}
	s.place([]string{"east", "north"})
	s.pass(time.Minute)
	require.Nil(t, s.copyOf("north", d), "the cache shows the finalizer, the server does not")

	gone = false
	there := s.tenant.Peek(simDeployment, "default", "web").DeepCopy()
	annotate(there, "note/a", "x")
	_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Update, Object: there})
	require.NoError(t, err)
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("north", d))

	reads := 0
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if server == s.tenant && r.Verb == apisim.Get && r.Kind == simDeployment {
			reads++
		}
		return nil, nil, false
	}
	s.place([]string{"east", "north", "west"})
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("west", d))
	require.Zero(t, reads, "it is confirmed once")
}
