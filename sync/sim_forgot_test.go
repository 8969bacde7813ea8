package syncer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// What the thousand seeds found of things that were remembered for too long, or
// forgotten too soon.

func stripDigest(u *unstructured.Unstructured) { strip(u, transform.AnnotationDigest) }

// Seeds 324 and 390: the namespace waited for a copy that was fought over, and that
// had gone elsewhere meanwhile.
func TestAFightOverACopyThatLeftKeepsNoNamespace(t *testing.T) {
	s, m := newScene(t), &meddler{on: true}
	m.admit(s.cluster("east"), "", stripDigest)
	d := s.deploy("east")
	s.pass(30 * time.Minute)
	s.requireSynced(ReasonContested)
	lane, key := s.process.loop.lane("east"), keyFor(multiclusterName(s.tenant), d)
	for name, todo := range map[string]intent{
		"the truce lasts":         {copied: s.copyOf("east", d)},
		"it is not known to last": {copied: s.copyOf("east", d), refusal: &RefusalError{}},
		"a write is under way":    {awaited: true},
	} {
		lane.settle(key, todo)
		require.True(t, lane.outcome(key).contested, name)
	}
	lane.settle(key, intent{})
	require.False(t, lane.outcome(key).contested, "there is no copy, and none is to be")
	require.Nil(t, lane.outcome(key).refusal)
}

// Seeds 470, 581 and 641: the truce ended while the workspace was out of sight, and
// nobody looked at the copy again.
func TestAFightIsLookedAtAgainWhenTheWorkspaceIsBack(t *testing.T) {
	s, m := newScene(t), &meddler{on: true}
	m.admit(s.cluster("east"), "", stripDigest)
	s.deploy("east")
	s.pass(30 * time.Minute)
	s.requireSynced(ReasonContested)
	m.on = false
	s.process.disengage(s.tenant)
	s.pass(20 * time.Minute)
	s.process.engage(s.tenant)
	s.pass(2 * time.Minute)
	s.requireSynced(ReasonSynced)
}

// Seed 763: while a slow cluster was making a copy, the workspace served empty lists
// for a while, as kcp does when it has just started. What was under way was forgotten,
// the finalizer went, and then the copy came.
func TestACopyThatIsBeingMadeIsNotForgotten(t *testing.T) {
	s := newScene(t)
	slow := true
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if slow && server.name == "east" && r.Verb == apisim.Apply && r.Kind == namespaceKind {
			slow = false
			s.scheduler.pause(15 * time.Second)
		}
		return nil, nil, false
	}
	settings := s.create(simObject(simConfigMap, "default", "settings"))
	s.place([]string{"east"})
	d := s.create(s.mentioning("web"))
	s.pass(3 * time.Second)
	require.False(t, slow, "the namespace is being made")

	loop, key := s.process.loop, keyFor(multiclusterName(s.tenant), settings)
	require.True(t, loop.lane("east").outcome(key).begun)
	loop.reconcileAbsent(t.Context(), key)
	require.True(t, loop.lane("east").outcome(key).begun, "no list of a workspace says what a cluster is about to do")
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("east", settings))

	for _, gone := range []*unstructured.Unstructured{d, settings} {
		_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Object: s.tenant.Peek(gone.GroupVersionKind(), "default", gone.GetName())})
		require.NoError(t, err)
	}
	s.pass(time.Minute)
	require.Nil(t, s.copyOf("east", settings))
	require.Equal(t, outcome{}, loop.lane("east").outcome(key), "nothing is remembered of what is gone")
}

// Seed 376: a lane began to make a copy between the look that found none and the
// write that took the finalizer off.
func TestTheFinalizerStaysWhenACopyIsBegunMeanwhile(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	loop, key := s.process.loop, keyFor(multiclusterName(s.tenant), d)
	original := s.tenant.Peek(simDeployment, "default", "web")
	require.Equal(t, []string{"east"}, loop.begunBy(key))
	require.ErrorIs(t, loop.letGo(t.Context(), key, original, nil), errBegun, "nothing was begun when it was looked")
	require.False(t, loop.releasing(key, original))
	require.Contains(t, s.tenant.Peek(simDeployment, "default", "web").GetFinalizers(), loop.finalizer)
}

// Seeds 65, 72 and 81: after a restart, what a workspace shows was looked at before it
// was known which namespaces of the cluster are ours, and was taken down.
func TestWhatIsShownStaysWhileNamespacesAreNotKnown(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	s.pass(time.Minute)
	copied := s.copyOf("east", d)
	pod := simObject(simPod, copied.GetNamespace(), "web-0")
	s.own(pod, copied)
	_, err := s.do(s.cluster("east"), "controller", &apisim.Request{Verb: apisim.Create, Object: pod})
	require.NoError(t, err)
	s.pass(10 * time.Second)
	shown := s.tenant.Peek(simPod, "default", "web-0")
	require.NotNil(t, shown)
	lane := s.process.loop.lane("east")
	for _, kind := range []schema.GroupVersionKind{namespaceKind, simDeployment} { // nothing in its cache
		delete(lane.cached.(*simCache).informers, kind)
	}
	s.pass(20 * time.Minute)
	lane.queue.Add(errand{born: true, key: Key{Kind: simPod, Workspace: multiclusterName(s.tenant), Namespace: "default", Name: "web-0"}})
	s.pass(time.Minute)
	require.Equal(t, shown, s.tenant.Peek(simPod, "default", "web-0"))
}

// mentioning is a Deployment that mentions the ConfigMap settings.
func (s *scene) mentioning(name string) *unstructured.Unstructured {
	d := s.deployment(s.tenant, "default", name)
	at(d.Object, "spec", "template", "spec")["volumes"] = []any{
		map[string]any{"name": "config", "configMap": map[string]any{"name": "settings"}},
	}
	return d
}

func (s *scene) create(obj *unstructured.Unstructured) *unstructured.Unstructured {
	s.t.Helper()
	s.sign(s.tenant, obj)
	_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Create, Object: obj})
	require.NoError(s.t, err)
	return obj
}

// Seed 1161: after a restart, a ConfigMap was looked at before the workloads of its
// workspace were known. When they were, none mentioned it any more, so none told of
// it, and its copy stayed.
func TestWhatNothingMentionsAnyMoreIsLookedAtAgain(t *testing.T) {
	s := newScene(t)
	settings := s.create(simObject(simConfigMap, "default", "settings"))
	s.place([]string{"east"})
	s.create(s.mentioning("web"))
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("east", settings))
	s.process.spaces[multiclusterName(s.tenant)].synced[simDeployment] = false
	result, err := s.process.loop.Reconcile(t.Context(), keyFor(multiclusterName(s.tenant), settings))
	require.NoError(t, err)
	require.Equal(t, time.Minute, result.RequeueAfter)
}

// Seed 4843: to make the namespace took a cluster so long that it counted as lost and
// the original was let go; then the copy came.
func TestNoCopyIsMadeOfWhatWasLetGoWhileItsNamespaceWasMade(t *testing.T) {
	s := newScene(t)
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if server.name == "east" && r.Verb == apisim.Apply && r.Kind == namespaceKind {
			s.scheduler.pause(10 * time.Second)
		}
		return nil, nil, false
	}
	s.place([]string{"east"})
	d := s.create(s.deployment(s.tenant, "default", "web"))
	s.pass(3 * time.Second)
	key := keyFor(multiclusterName(s.tenant), d)
	require.Equal(t, []string{"east"}, s.process.loop.begunBy(key))
	held := s.tenant.Peek(simDeployment, "default", "web")
	require.NotEmpty(t, held.GetFinalizers())
	s.process.loop.remember(key, record{uid: held.GetUID(), released: held.GetResourceVersion()}) // as letGo does
	s.pass(10 * time.Second)
	require.Nil(t, s.copyOf("east", d))
}

// Seeds 6436 and 8004: a cluster that the decision no longer named, and of which it was
// not known yet what it holds, after a restart or an outage, was not asked before the
// finalizer went.
func TestTheFinalizerStaysUntilAClusterWasAskedWhoseCopiesAreNotKnown(t *testing.T) {
	s := newScene(t)
	s.place([]string{"east", "north"})
	d := s.create(s.deployment(s.tenant, "default", "web"))
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("north", d))
	north := s.process.loop.lane("north")
	north.kinds[simDeployment].knowledge = 0
	s.place([]string{"east"})
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("north", d), "nothing is concluded from what is not known")
	_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Object: s.tenant.Peek(simDeployment, "default", "web")})
	require.NoError(t, err)
	s.pass(time.Minute)
	require.Nil(t, s.copyOf("north", d))
	require.Nil(t, s.tenant.Peek(simDeployment, "default", "web"))
}

// Seeds 54 and 137: two clusters had a Pod of one name. When the one that was shown
// went, nobody looked at the other; nor when a tenant's own went.
func TestWhatStoodInTheWayMakesRoomWhenItGoes(t *testing.T) {
	s := newScene(t)
	s.place([]string{"east", "north"})
	d := s.create(s.deployment(s.tenant, "default", "web"))
	mine := simObject(simPod, "default", "web-1")
	mine.Object["spec"] = map[string]any{"mine": "yes"}
	s.create(mine)
	s.pass(time.Minute)
	for _, born := range []struct{ cluster, name string }{{"east", "web-0"}, {"north", "web-0"}, {"north", "web-1"}} {
		copied := s.copyOf(born.cluster, d)
		pod := simObject(simPod, copied.GetNamespace(), born.name)
		s.own(pod, copied)
		_, err := s.do(s.cluster(born.cluster), "controller", &apisim.Request{Verb: apisim.Create, Object: pod})
		require.NoError(t, err)
		s.pass(10 * time.Second)
	}
	from := func(name string) string {
		cluster, _ := sourceOf(s.tenant.Peek(simPod, "default", name))
		return cluster
	}
	require.Equal(t, "east", from("web-0"))
	require.Empty(t, from("web-1"))

	_, err := s.do(s.cluster("east"), "kubelet", &apisim.Request{Verb: apisim.Delete, Kind: simPod, Namespace: s.copyOf("east", d).GetNamespace(), Name: "web-0"})
	require.NoError(t, err)
	s.pass(10 * time.Second)
	require.Equal(t, "north", from("web-0"))

	_, err = s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: simPod, Namespace: "default", Name: "web-1"})
	require.NoError(t, err)
	s.pass(overseeEvery + time.Minute)
	require.Equal(t, "north", from("web-1"))
}

// Seeds 7789 and 8281: a tenant deleted what one cluster's Pod was shown as, and before
// it was shown anew another cluster had a Pod of that name, which took its place. Nobody
// was told of the first.
func TestWhoseNameIsTakenMeanwhileIsTold(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	s.place([]string{"east", "west"})
	s.pass(time.Minute)
	bear := func(cluster string) *unstructured.Unstructured {
		copied := s.copyOf(cluster, d)
		pod := simObject(simPod, copied.GetNamespace(), "web-0")
		s.own(pod, copied)
		_, err := s.do(s.cluster(cluster), "controller", &apisim.Request{Verb: apisim.Create, Object: pod})
		require.NoError(t, err)
		s.pass(10 * time.Second)
		return s.tenant.Peek(simPod, "default", "web-0")
	}
	first := bear("east")
	require.NotNil(t, first)
	_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Object: first})
	require.NoError(t, err)
	second := bear("west")
	require.Contains(t, second.GetAnnotations()[AnnotationSource], "west/")
	require.Contains(t, s.events[second.GetUID()], ReasonConflict)
}

// Seed 9949: an Event came before the loop knew that its namespace is one of copies,
// and when it did, the workspace was out of sight. So nobody read what was born there
// meanwhile, then or later.
func TestWhatIsBornIsReadThoughItsWorkspaceIsOutOfSight(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	namespace, lane := s.copyOf("east", d).GetNamespace(), s.process.loop.lane("east")
	s.process.disengage(s.tenant)
	event := simObject(simEvent, namespace, "web.1")
	event.Object["involvedObject"] = map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": d.GetName(), "namespace": namespace, "uid": string(s.copyOf("east", d).GetUID())}
	_, err := s.do(s.cluster("east"), "kubelet", &apisim.Request{Verb: apisim.Create, Object: event})
	require.NoError(t, err)
	s.pass(10 * time.Second)
	// As it would be, had the watch told of it before it told of the namespace.
	_, known := lane.nurseries[simEvent].remove(types.NamespacedName{Namespace: namespace, Name: "web.1"})
	require.True(t, known)
	lane.lookAroundLater(namespace)
	s.pass(time.Minute)
	s.process.engage(s.tenant)
	s.pass(time.Minute)
	require.NotNil(t, s.tenant.Peek(simEvent, "default", simShownAs(event, s.cluster("east"))))
}

// Seeds 83, 132 and 183, where ConfigMaps are only to be made: a write whose answer was
// lost is tried again while the cache is behind, and changed what was there by then.
func TestWhatIsOnlyToBeMadeIsNotChangedWhileItIsNotSeen(t *testing.T) {
	s := newScene(t)
	s.process.die()
	s.createOnly = true
	s.process = s.start()
	settings := s.create(simObject(simConfigMap, "default", "settings"))
	s.place([]string{"east"})
	s.create(s.mentioning("web"))
	s.pass(time.Minute)
	loop, key := s.process.loop, keyFor("ws-a", settings)
	lane := loop.lane("east")
	before := s.copyOf("east", settings)
	require.NotNil(t, before)

	s.scheduler.spawn(s.process, "late", func() {
		original := s.tenant.Peek(simConfigMap, "default", "settings")
		where, err := loop.place(s.process.ctx, key, original)
		assert.NoError(t, err)
		rendered, refusal := loop.render(s.process.ctx, "east", key, original, where)
		assert.Nil(t, refusal)
		unstructured.RemoveNestedField(rendered.Object, "data")
		applied, err := lane.applyCopy(s.process.ctx, key, original, intent{action: apply, rendered: rendered, digest: digestOf(rendered)})
		assert.NoError(t, err)
		assert.Nil(t, applied)
	})
	s.pass(time.Minute)
	require.Equal(t, before, s.copyOf("east", settings))
}
