package syncer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

// account is a ServiceAccount that mentions Secrets.
func account(name string, secrets ...string) *unstructured.Unstructured {
	u := simObject(accountKind, "default", name)
	list := make([]any, 0, len(secrets))
	for _, secret := range secrets {
		list = append(list, map[string]any{"name": secret})
	}
	u.Object["imagePullSecrets"] = list
	return u
}

// runningAs makes a Deployment that runs as an account.
func (s *scene) runningAs(name, account string) *unstructured.Unstructured {
	d := s.deployment(s.tenant, "default", name)
	pod := at(d.Object, "spec", "template", "spec")
	delete(pod, "volumes")
	pod["serviceAccountName"] = account
	d.SetLabels(nil)
	return d
}

func (s *scene) delete(obj *unstructured.Unstructured) {
	s.t.Helper()
	_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Delete, Kind: obj.GroupVersionKind(), Namespace: obj.GetNamespace(), Name: obj.GetName()})
	require.NoError(s.t, err)
}

// gone notes in which order copies leave a cluster.
func (s *scene) gone(cluster string) *[]string {
	var order []string
	s.cluster(cluster).OnCommit(func(c apisim.Commit) {
		if c.After == nil && c.Before.GetKind() != "Namespace" {
			order = append(order, c.Before.GetKind())
		}
	})
	return &order
}

// A Secret follows the account that mentions it, which follows the Deployment, to one
// cluster after another; both stay while a second Deployment runs as the account, and
// leave after the last, in their order. A restart changes nothing of that.
func TestWhatIsMentionedByWhatIsMentionedFollows(t *testing.T) {
	s := newScene(t)
	secret, sa := s.create(simObject(simSecret, "default", "pull")), s.create(account("runner", "pull"))
	web, db := s.create(s.runningAs("web", "runner")), s.create(s.runningAs("db", "runner"))
	s.place([]string{"east"})
	s.pass(time.Minute)
	for _, obj := range []*unstructured.Unstructured{secret, sa, web, db} {
		require.NotNil(t, s.copyOf("east", obj), obj.GetKind())
		require.Nil(t, s.copyOf("west", obj), obj.GetKind())
	}
	s.place([]string{"east", "west"})
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("west", secret))

	s.delete(web)
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("east", secret), "another needs it")
	s.process.die()
	s.process = s.start()
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("east", secret), "a restart proves nothing")

	order := s.gone("east")
	s.delete(db)
	s.pass(5 * time.Minute)
	require.Equal(t, []string{"Deployment", "ServiceAccount", "Secret"}, *order, "what is needed goes last")
	for _, obj := range []*unstructured.Unstructured{secret, sa} {
		require.Nil(t, s.copyOf("west", obj))
		require.Empty(t, s.tenant.Peek(obj.GroupVersionKind(), "default", obj.GetName()).GetFinalizers(), obj.GetKind())
	}
}

// An account that ceases to mention a Secret has it go, and one that begins to has it
// come, though no workload changed.
func TestAMentionOfWhatStandsBetweenComesAndGoes(t *testing.T) {
	s := newScene(t)
	secret, sa := s.create(simObject(simSecret, "default", "pull")), s.create(account("runner"))
	s.create(s.runningAs("web", "runner"))
	s.place([]string{"east"})
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("east", sa))
	require.Nil(t, s.copyOf("east", secret), "nothing mentions it")
	for _, there := range []bool{true, false} {
		u := s.tenant.Peek(accountKind, "default", "runner").DeepCopy()
		u.Object["imagePullSecrets"] = []any{}
		if there {
			u.Object["imagePullSecrets"] = []any{map[string]any{"name": "pull"}}
		}
		_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Update, Object: u})
		require.NoError(t, err)
		s.pass(2 * time.Minute)
		require.Equal(t, there, s.copyOf("east", secret) != nil)
	}
	s.delete(sa)
	s.pass(time.Minute)
	require.Nil(t, s.copyOf("east", sa))
}

// A ConfigMap that a workload ceased to mention stays while the cluster refuses the
// workload's change: the copy that runs there still mounts it.
func TestWhatACopyStillMentionsStays(t *testing.T) {
	s := newScene(t)
	settings := s.create(simObject(simConfigMap, "default", "settings"))
	s.create(s.mentioning("web"))
	s.place([]string{"east"})
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("east", settings))
	image := func(name string) {
		s.change(func(u *unstructured.Unstructured) {
			pod := at(u.Object, "spec", "template", "spec")
			delete(pod, "volumes")
			elements(pod["containers"])[0]["image"] = name
		})
	}
	image("bad")
	s.pass(20 * time.Minute)
	require.NotNil(t, s.copyOf("east", settings), "the copy runs on with it")
	plan, err := s.process.loop.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, waits(plan), "until no copy on the cluster mentions it")
	image("app:2")
	s.pass(time.Minute)
	require.Nil(t, s.copyOf("east", settings))
	require.Empty(t, s.tenant.Peek(simConfigMap, "default", "settings").GetFinalizers())
}

func waits(p *Plan) (texts []string) {
	for _, step := range p.Steps {
		texts = append(texts, step.Waits)
	}
	return texts
}

// Related objects that mention each other end: they come with the workload and go with
// it.
func TestACircleOfMentionsEnds(t *testing.T) {
	s := newScene(t)
	Mention(simConfigMap.GroupKind(), "ServiceAccount", transform.MustPath("data.account"))(&s.process.loop.opts)
	Mention(accountKind.GroupKind(), "ConfigMap", transform.MustPath("metadata.annotations.config"))(&s.process.loop.opts)
	sa := account("runner")
	annotate(sa, "config", "settings")
	settings := simObject(simConfigMap, "default", "settings")
	settings.Object["data"] = map[string]any{"account": "runner"}
	s.create(sa)
	s.create(settings)
	web := s.mentioning("web")
	at(web.Object, "spec", "template", "spec")["serviceAccountName"] = "runner"
	s.create(web)
	s.place([]string{"east"})
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("east", settings))
	s.delete(web)
	s.pass(5 * time.Minute)
	require.Nil(t, s.copyOf("east", sa))
	require.Nil(t, s.copyOf("east", settings))
}

// Where the accounts of a workspace are not known yet, what a workload mentions itself
// goes down all the same, and nothing is retired. When they are known, and there is none,
// no event tells.
func TestWhatIsNotKnownYetHoldsUpNothingThatIs(t *testing.T) {
	s := newScene(t)
	s.pass(time.Minute)
	known := s.process.spaces[multiclusterName(s.tenant)].synced
	known[accountKind] = false
	settings, other := s.create(simObject(simConfigMap, "default", "settings")), s.create(s.mentioning("web"))
	s.place([]string{"east"})
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("east", settings))
	s.place([]string{"west"}, "east")
	s.pass(time.Minute)
	require.NotNil(t, s.copyOf("west", settings))
	s.place([]string{"west"})
	s.pass(5 * time.Minute)
	require.Nil(t, s.copyOf("east", other))
	require.NotNil(t, s.copyOf("east", settings), "an account may need it there")
	known[accountKind] = true
	s.pass(2 * time.Minute)
	require.Nil(t, s.copyOf("east", settings))
	require.NotNil(t, s.copyOf("west", settings))
}

// The first of a chain of related objects is wanted, and the last mentioned by a
// Deployment.
func TestHowFarMentionsAreFollowed(t *testing.T) {
	kind := schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Link"}
	pipeline, err := transform.NewPipeline("test")
	require.NoError(t, err)
	l := &Loop{pipeline: pipeline}
	l.set.Store(&kindSet{resources: []schema.GroupVersionKind{simDeployment}, related: []schema.GroupVersionKind{kind}})
	Mention(kind.GroupKind(), "Link.example.org", transform.MustPath("spec.next"))(&l.opts)
	Mention(simDeployment.GroupKind(), "Link.example.org", transform.MustPath("spec.link"))(&l.opts)
	for name, tc := range map[string]struct {
		reason   string
		mentions int
		found    bool
	}{
		"one":      {"the workload mentions it itself", 1, true},
		"the most": {"as far as is promised", mostMentions, true},
		"too many": {"it has to end somewhere, and the same everywhere", mostMentions + 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			links := make([]unstructured.Unstructured, tc.mentions)
			for i := range links {
				links[i] = *simObject(kind, "default", string(rune('a'+i)))
				if i > 0 {
					links[i].Object["spec"] = map[string]any{"next": links[i-1].GetName()}
				}
			}
			links[0].Object["spec"] = map[string]any{"next": links[len(links)-1].GetName()} // and a circle
			web := simObject(simDeployment, "default", "web")
			web.Object["spec"] = map[string]any{"link": links[len(links)-1].GetName()}
			list := func(k schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
				if k == kind {
					return links, nil
				}
				return []unstructured.Unstructured{*web}, nil
			}
			needing, err := l.needing(mentionOf(kind, "a"), l.mentioning(), list)
			require.NoError(t, err)
			require.Equal(t, tc.found, len(l.placed(needing)) == 1, tc.reason)
		})
	}
	_, err = l.needing(mentionOf(kind, "a"), l.mentioning(), func(schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
		return nil, errUnknown
	})
	require.ErrorIs(t, err, errUnknown)
}

// The proof that nothing needs an object holds only if what stands between was the same
// before and after what mentions it was read.
func TestAProofThatChangesUnderTheReaderIsNone(t *testing.T) {
	s := newScene(t)
	secret, sa := s.create(simObject(simSecret, "default", "pull")), s.create(account("runner", "pull"))
	web := s.create(s.runningAs("web", "runner"))
	s.place([]string{"east"})
	s.pass(time.Minute)
	s.delete(web)
	lists := 0
	s.sabotage.before = func(_ *process, server *simServer, r *apisim.Request) (*apisim.Response, error, bool) {
		if server == s.tenant && r.Verb == apisim.List && r.Kind == simDeployment && lists < 5 {
			lists++
			u := s.tenant.Peek(accountKind, "default", "runner").DeepCopy()
			annotate(u, "note", time.Duration(lists).String())
			_, err := s.do(s.tenant, "tenant", &apisim.Request{Verb: apisim.Update, Object: u})
			require.NoError(t, err)
		}
		return nil, nil, false
	}
	s.pass(5 * time.Minute)
	require.Equal(t, 5, lists)
	require.Nil(t, s.copyOf("east", sa))
	require.Nil(t, s.copyOf("east", secret), "when it is quiet, it is proven")
}
