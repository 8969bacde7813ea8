package syncer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
)

// slowSettings has the first apply of a ConfigMap to the cluster east take so long, or
// fail, and returns what is applied there.
func (s *scene) slowSettings(takes time.Duration, refused bool) *[]string {
	applied := &[]string{}
	first := true
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if server.name != "east" || r.Verb != apisim.Apply {
			return nil, nil, false
		}
		if r.Kind == simConfigMap && first {
			first = false
			s.scheduler.pause(takes)
		}
		*applied = append(*applied, r.Kind.Kind)
		if r.Kind == simConfigMap && refused {
			return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, r.Name, errors.New("by a policy")), true
		}
		return nil, nil, false
	}
	return applied
}

func TestWhatIsMentionedGoesFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		takes   time.Duration
		refused bool
		after   time.Duration // when the workload is there, and not before
		order   []string
	}{
		"at once":        {reason: "nothing is waited for that is there", after: 2 * time.Second, order: []string{"ConfigMap", "Deployment"}},
		"slowly":         {reason: "a Pod would start without its settings", takes: 6 * time.Second, after: 6 * time.Second, order: []string{"ConfigMap", "Deployment"}},
		"not for long":   {reason: "a Pod waits by itself, too", takes: 20 * time.Second, after: mentionPatience, order: []string{"Deployment", "ConfigMap"}},
		"it was refused": {reason: "it is told of, and may be meant so", takes: 4 * time.Second, refused: true, after: 4 * time.Second, order: []string{"ConfigMap", "Deployment"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.lanes = 3 // one is slow, and one waits to tidy the namespace that is written to
			s.process.die()
			s.process = s.start()
			applied := s.slowSettings(tc.takes, tc.refused)
			settings := s.create(simObject(simConfigMap, "default", "settings"))
			d := s.create(s.mentioning("web"))
			s.pass(5 * time.Second) // both are known
			s.place([]string{"east"})
			if early := tc.after - time.Second; tc.takes > 0 {
				s.pass(early)
				require.Nil(t, s.copyOf("east", d), tc.reason)
			}
			s.pass(4 * time.Second)
			require.NotNil(t, s.copyOf("east", d), tc.reason)
			s.pass(30 * time.Second)
			require.Equal(t, !tc.refused, s.copyOf("east", settings) != nil)
			var order []string
			for _, kind := range *applied {
				if kind != "Namespace" && !slices.Contains(order, kind) {
					order = append(order, kind)
				}
			}
			require.Equal(t, tc.order, order, tc.reason)
			lane := s.process.loop.lane("east")
			require.Equal(t, newOrder(), lane.order, "nobody waits any more")
		})
	}
}

func TestAWorkloadThatChangesWaitsForWhatItMentionsNow(t *testing.T) {
	s := newScene(t)
	d := s.deploy("east")
	pod := func(u *unstructured.Unstructured) map[string]any { return at(u.Object, "spec", "template", "spec") }
	s.change(func(u *unstructured.Unstructured) {
		delete(pod(u), "volumes")
		delete(pod(u), "serviceAccountName")
	})
	s.pass(time.Minute)
	s.slowSettings(5*time.Second, false)
	settings := s.create(simObject(simConfigMap, "default", "settings"))
	s.pass(5 * time.Second)
	s.change(func(u *unstructured.Unstructured) { pod(u)["volumes"] = pod(s.mentioning("web"))["volumes"] })
	s.pass(4 * time.Second)
	require.Nil(t, s.copyOf("east", settings))
	require.Empty(t, mentionsOf(s.copyOf("east", d)))
	s.pass(4 * time.Second)
	require.Equal(t, []mention{{"ConfigMap", "settings"}}, mentionsOf(s.copyOf("east", d)))
}

func TestWhatIsNotInTheWorkspaceIsNotWaitedFor(t *testing.T) {
	s := newScene(t)
	d := s.create(s.mentioning("web"))
	s.place([]string{"east"})
	s.pass(2 * time.Second)
	require.NotNil(t, s.copyOf("east", d))
}

func TestCopiesThatMentionEachOtherDoNotWaitInACircle(t *testing.T) {
	a, b, c := Key{Name: "a"}, Key{Name: "b"}, Key{Name: "c"}
	o := newOrder()
	began := time.Now()
	o.wait(a, []Key{b}, began)
	o.wait(b, []Key{c}, began)
	require.True(t, o.reaches(a, c), "c does not wait for a")
	require.False(t, o.reaches(c, a))
	require.Equal(t, began, o.wait(a, []Key{c}, began.Add(time.Second)), "it is one wait")
	require.Equal(t, []Key{b, a}, o.wanted[c])
	o.end(b)
	o.end(a)
	o.end(a)
	require.Equal(t, newOrder(), o)
}
