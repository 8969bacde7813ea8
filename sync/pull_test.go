package syncer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/sync/internal/apisim"
	"github.com/tmc-sdk/tmc/transform"
)

func marked(installation string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
	transform.Marks{Installation: installation, Origin: transform.Origin{LogicalCluster: "2x9abc", Namespace: "default", Name: "web", UID: "1"}}.Stamp(u)
	return u
}

func TestHere(t *testing.T) {
	d := Here("prod", "eu-1")
	require.Equal(t, []string{"eu-1"}, d.Decide(marked("prod")))
	require.Empty(t, d.Decide(marked("test")), "another hub's is nobody's business")
	incomplete := marked("prod")
	incomplete.SetAnnotations(nil)
	require.Empty(t, d.Decide(incomplete), "who strips marks moves nothing: what has a copy keeps it")

	o := options{resources: []schema.GroupVersionKind{{Version: "v1", Kind: "Pod"}}, related: []schema.GroupVersionKind{{Version: "v1", Kind: "Secret"}}, workers: 1, lanes: 1, decider: d}
	require.ErrorContains(t, o.validate(), "WithPlacement(here) and Related exclude each other")
}

func TestWhatIsDecidedIsProvenByTheOriginalAlone(t *testing.T) {
	l := &Loop{opts: options{decider: Here("prod", "eu-1")}}
	a, err := l.decided(marked("prod"))
	require.NoError(t, err)
	require.True(t, a.names("eu-1"))
	gone, err := l.noLongerDecided(marked("prod"), "us-1")
	require.NoError(t, err)
	require.True(t, gone)
	_, err = l.noLongerDecided(marked("test"), "eu-1")
	require.ErrorIs(t, err, errUnknown)
}

func TestWhatAnAgentTellsOfACopy(t *testing.T) {
	synced := func(status, reason, message string) []any {
		return []any{map[string]any{"type": "Synced", "status": status, "reason": reason, "message": message}}
	}
	cases := map[string]struct {
		reason     string
		pull       bool
		kind       string
		conditions []any
		refusal    *RefusalError
		pending    bool
	}{
		"Push":         {"a cluster that is reached needs no agent", false, "Deployment", nil, nil, false},
		"NotYet":       {"the agent has not looked at it", true, "Deployment", nil, nil, true},
		"NoConditions": {"of a ConfigMap nothing is told", true, "ConfigMap", nil, nil, false},
		"Synced":       {"all is well", true, "Deployment", synced("True", ReasonSynced, "on eu-1"), nil, false},
		"Refused":      {"the tenant is told, once by which cluster", true, "Deployment", synced("False", ReasonRefused, "eu-1: it is invalid"), &RefusalError{Reason: ReasonRefused, Cluster: "eu-1", Message: "it is invalid"}, false},
		"MadeUp":       {"the set of reasons is closed, whatever an agent says", true, "Deployment", synced("False", "Pwned", "x"), &RefusalError{Reason: ReasonApplyFailed, Cluster: "eu-1", Message: "x"}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := &Loop{installation: "prod", fleet: stillFleet{snapshot: tmccluster.NewSnapshot(&tmccluster.State{Name: "eu-1", Pull: tc.pull})}}
			copied := marked("prod")
			copied.SetKind(tc.kind)
			if tc.kind == "ConfigMap" {
				copied.SetAPIVersion("v1")
			}
			if tc.conditions != nil {
				copied.Object["status"] = map[string]any{"conditions": tc.conditions}
			}
			refusal, pending := (&lane{name: "eu-1", loop: l}).told(copied)
			require.Equal(t, tc.refusal, refusal, tc.reason)
			require.Equal(t, tc.pending, pending, tc.reason)
		})
	}
}

func TestOnlyWhatGoesIntoAMailboxBearsTheAgentsFinalizer(t *testing.T) {
	for pull, want := range map[bool][]string{true: {"tmc-sdk.dev/copies-prod-agent"}, false: nil} {
		l := &Loop{installation: "prod", fleet: stillFleet{snapshot: tmccluster.NewSnapshot(&tmccluster.State{Name: "eu-1", Pull: pull})}}
		rendered := marked("prod")
		require.Equal(t, want, (&lane{name: "eu-1", loop: l}).complete(rendered).GetFinalizers())
		require.Empty(t, rendered.GetFinalizers(), "the rendering is shared")
	}
	require.Equal(t, "tmc-sdk.dev/copies-prod-agent", FinalizerOf(AgentInstallation("prod")))
}

// A mailbox answers though its agent does not: what a tenant deletes is marked for
// deletion there, however long ago it was written, and the agent finds it so when it
// is back.
func TestAMailboxHearsOfADeletionWhileItsAgentIsSilent(t *testing.T) {
	s := newScene(t)
	s.process.die()
	s.cluster("east").pull = true
	s.process = s.start()
	d := s.deploy("east")
	s.pass(10 * time.Minute)
	s.cluster("east").silent = true
	s.pass(10 * time.Minute)
	require.False(t, s.process.states["east"].Reachable)
	s.delete(d)
	s.pass(time.Minute)
	copied := s.copyOf("east", d).DeepCopy()
	require.NotNil(t, copied, "the agent has not let it go")
	require.NotNil(t, copied.GetDeletionTimestamp())
	require.NotNil(t, s.tenant.Peek(simDeployment, "default", "web"), "its owner waits for the agent")

	copied.SetFinalizers(nil)
	_, err := s.do(s.cluster("east"), "agent", &apisim.Request{Verb: apisim.Update, Object: copied})
	require.NoError(t, err)
	s.cluster("east").silent = false
	s.pass(time.Minute)
	require.Nil(t, s.tenant.Peek(simDeployment, "default", "web"))
}
