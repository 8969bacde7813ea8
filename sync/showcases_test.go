package syncer

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
)

func TestShownNames(t *testing.T) {
	long := strings.Repeat("a", 250)
	tests := map[string]struct {
		reason, kind, source, cluster, want string
	}{
		"plain":            {"controllers make names unique", "Pod", "web-x7", "east", "web-x7"},
		"of every cluster": {"the Endpoints of a Service have its name everywhere", "Endpoints", "web", "east", "web.east"},
		"dotted cluster":   {"web.a on b, and web on a.b, are two", "Endpoints", "web", "a.b", "web.a.b-5de577d4f6"},
		"too long":         {"cut, with a hash", "Endpoints", long, "east", long[:242] + "-"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rule := (&options{}).upsyncOf(schema.GroupVersionKind{Version: "v1", Kind: tc.kind})
			got := rule.nameOf(tc.source, tc.cluster)
			if name == "too long" || name == "dotted cluster" {
				require.Regexp(t, "^"+regexp.QuoteMeta(strings.TrimSuffix(tc.want, "-5de577d4f6"))+"-?[0-9a-f]{10}$", got, tc.reason)
				return
			}
			require.Equal(t, tc.want, got, tc.reason)
		})
	}
}

// Names are valid, and of two clusters or sources never the same.
func TestShownNamesAreUniqueAndValid(t *testing.T) {
	name := rapid.StringMatching(`[a-z]([a-z0-9.]{0,3}[a-z0-9]){0,60}`).Filter(func(s string) bool { return len(validation.IsDNS1123Subdomain(s)) == 0 })
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"Pod", "Service"}).Draw(t, "kind")
		rule := (&options{}).upsyncOf(schema.GroupVersionKind{Version: "v1", Kind: kind})
		UpsyncClusterInName(true)(rule)
		source, cluster := name.Draw(t, "source"), name.Draw(t, "cluster")
		other, elsewhere := name.Draw(t, "other"), name.Draw(t, "elsewhere")
		got := rule.nameOf(source, cluster)
		if problems := validation.IsDNS1123Subdomain(got); len(problems) > 0 {
			t.Fatalf("%q: %v", got, problems)
		}
		if kind == "Service" && len(validation.IsDNS1123Label(got)) > 0 {
			t.Fatalf("%q is no label", got)
		}
		if (source != other || cluster != elsewhere) && rule.nameOf(other, elsewhere) == got {
			t.Fatalf("%s on %s and %s on %s are both %q", source, cluster, other, elsewhere, got)
		}
	})
}

func TestUpsyncOptionsAreChecked(t *testing.T) {
	pod := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	tests := map[string]struct {
		reason string
		opts   []Option
		want   string
	}{
		"fine":          {"labelled, and what belongs to copies, of one kind", []Option{Upsync(pod), UpsyncOf(pod)}, ""},
		"two versions":  {"", []Option{Upsync(pod), UpsyncOf(schema.GroupVersionKind{Version: "v2", Kind: "Pod"})}, "kind Pod is shown upstream in two versions"},
		"no version":    {"", []Option{UpsyncOf(schema.GroupVersionKind{Kind: "Pod"})}, "is incomplete"},
		"none":          {"", []Option{UpsyncOf(pod, UpsyncMost(0))}, "UpsyncMost(0) of Pod: must be at least 1"},
		"of namespaces": {"", []Option{Upsync(namespaceKind)}, "Namespace can't be shown upstream"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			o := defaults()
			Resources(simDeployment)(&o)
			for _, opt := range tc.opts {
				opt(&o)
			}
			err := o.validate()
			if tc.want == "" {
				require.NoError(t, err, tc.reason)
				return
			}
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// A cluster full of Pods: what is not ours costs nothing, one namespace shows no more
// than it may, in no more writes than it may, is told so once, and fills up as others
// leave.
func TestAFloodOfPodsIsBounded(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	s.pass(time.Minute)
	east, copied, rule := s.cluster("east"), s.copyOf("east", d), s.process.loop.shownRule(simPod)
	rule.most = 120
	make := func(namespace string, i int, owner *unstructured.Unstructured) {
		pod := simObject(simPod, namespace, fmt.Sprintf("p-%04d", i))
		if owner != nil {
			s.own(pod, owner)
		}
		_, err := s.do(east, "controller", &apisim.Request{Verb: apisim.Create, Object: pod})
		require.NoError(t, err)
	}
	s.ensureNamespace(east, "others")
	for i := range 300 {
		make("others", i, nil)
		make(copied.GetNamespace(), i, copied)
	}
	writes := s.writes
	s.pass(3 * time.Second)
	require.LessOrEqual(t, s.writes-writes, int(paceOfObjects.burst)+20, "a burst, and what may follow in three seconds")
	s.pass(5 * time.Minute)
	require.Len(t, s.tenant.All(simPod), 120)
	n := s.process.loop.lane("east").nurseries[simPod]
	require.Len(t, n.born, 1, "of namespaces of others nothing is kept")
	require.Len(t, n.born[copied.GetNamespace()].names, 300)
	placement := s.tenant.Peek(placementKind, "default", "default")
	require.Equal(t, []string{ReasonNotAllShown}, s.events[placement.GetUID()], "told once")

	for _, shown := range s.tenant.All(simPod)[:50] {
		_, err := s.do(east, "controller", &apisim.Request{Verb: apisim.Delete, Kind: simPod, Namespace: copied.GetNamespace(), Name: shown.GetName()})
		require.NoError(t, err)
	}
	s.pass(2 * time.Minute)
	require.Len(t, s.tenant.All(simPod), 120, "others took their places")
	for _, pod := range east.All(simPod) {
		if metav1.GetControllerOf(pod) != nil {
			_, err := s.do(east, "controller", &apisim.Request{Verb: apisim.Delete, Kind: simPod, Namespace: copied.GetNamespace(), Name: pod.GetName()})
			require.NoError(t, err)
		}
	}
	s.pass(15 * time.Minute)
	require.Empty(t, s.tenant.All(simPod))
	require.Empty(t, n.born)
	require.Empty(t, s.process.loop.showcases.by, "nothing is remembered of what is gone")
}

// An Event that happens again and again costs one write in five minutes.
func TestAnEventThatRepeatsCostsFewWrites(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	s.pass(time.Minute)
	east, copied := s.cluster("east"), s.copyOf("east", d)
	e := simObject(simEvent, copied.GetNamespace(), "web.1")
	e.Object["involvedObject"] = map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": copied.GetNamespace(), "uid": string(copied.GetUID())}
	e.Object["reason"], e.Object["count"] = "BackOff", int64(1)
	_, err := s.do(east, "kubelet", &apisim.Request{Verb: apisim.Create, Object: e})
	require.NoError(t, err)
	s.pass(10 * time.Second)
	shown := func() map[string]any { return s.tenant.Peek(simEvent, "default", "web.1.east").Object }
	require.Equal(t, map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "default", "uid": string(d.GetUID())}, shown()["involvedObject"])
	writes := s.writes
	for i := range 120 {
		u := east.Peek(simEvent, copied.GetNamespace(), "web.1").DeepCopy()
		u.Object["count"] = int64(i + 2)
		_, err := s.do(east, "kubelet", &apisim.Request{Verb: apisim.Update, Object: u})
		require.NoError(t, err)
		s.pass(5 * time.Second)
	}
	require.LessOrEqual(t, s.writes-writes, 2, "in ten minutes")
	s.pass(6 * time.Minute)
	require.EqualValues(t, 121, shown()["count"])
}

// What was born on a cluster leaves when that was removed from the fleet; while it
// merely does not answer, it stays.
func TestWhatIsShownLeavesWithItsCluster(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	s.pass(time.Minute)
	east, copied := s.cluster("east"), s.copyOf("east", d)
	pod := simObject(simPod, copied.GetNamespace(), "web-0")
	s.own(pod, copied)
	_, err := s.do(east, "controller", &apisim.Request{Verb: apisim.Create, Object: pod})
	require.NoError(t, err)
	s.pass(10 * time.Second)
	require.NotNil(t, s.tenant.Peek(simPod, "default", "web-0"))
	east.cut = s.scheduler.now.Add(time.Hour)
	s.pass(30 * time.Minute)
	require.NotNil(t, s.tenant.Peek(simPod, "default", "web-0"), "it may be there")
	s.lostAfter, s.process.loop.opts.lostAfter = time.Minute, time.Minute
	s.pass(15 * time.Minute)
	require.Nil(t, s.tenant.Peek(simPod, "default", "web-0"), "by policy")
	east.cut = time.Time{}
	s.pass(5 * time.Minute)
	require.NotNil(t, s.tenant.Peek(simPod, "default", "web-0"), "it is there")
	require.False(t, s.process.loop.abandoned("east"))
	require.True(t, s.process.loop.abandoned("nowhere"), "removed from the fleet")
}

// Seed 395: west's Pod went, whose place in the workspace a tenant had emptied, and it
// was forgotten that east's of the same name waited for that place.
func TestWhatWaitsForANameIsNotForgottenWhenAnotherLeaves(t *testing.T) {
	s := &showcases{by: map[showcaseKey]*showcase{}}
	key := showcaseKey{simPod, namespaceKey{"ws-a", "team"}}
	there := simObject(simPod, "team", "db-0")
	there.SetUID("shown")
	east, west := birthplace{"east", "db-0"}, birthplace{"west", "db-0"}
	require.True(t, s.taken(key, there, east))
	s.left(key, "db-0", west)
	at := types.NamespacedName{Namespace: "team", Name: "db-0"}
	require.Equal(t, map[types.NamespacedName]birthplace{at: east}, s.missing("ws-a", simPod, nil))
	s.left(key, "db-0", east)
	require.Empty(t, s.missing("ws-a", simPod, nil))
}
