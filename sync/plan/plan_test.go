package plan_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	placementcontroller "github.com/tmc-sdk/tmc/placement/controller"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/plan"
)

// oracle is a loop and a placement controller that remember what they were asked.
type oracle struct {
	before placementcontroller.Supposition
	then   syncer.Supposition
	err    error
}

func (o *oracle) Plan(context.Context) (*syncer.Plan, error) {
	return &syncer.Plan{Unknown: 3, Steps: []syncer.Step{step(syncer.ActionDeleted, "an operator")}}, o.err
}

func (o *oracle) PlanFor(_ context.Context, s syncer.Supposition) (*syncer.Plan, error) {
	o.then = s
	return &syncer.Plan{
		Steps:   []syncer.Step{step(syncer.ActionConfigured, "")},
		Refused: []syncer.Refused{{Original: web, Cluster: "us-1", Reason: "TransformFailed", Message: "mend it"}},
	}, o.err
}

func (o *oracle) Foresee(_ context.Context, s placementcontroller.Supposition) ([]placementcontroller.Foreseen, error) {
	o.before = s
	after := &v1alpha1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "default"}}
	after.Status.Targets = []v1alpha1.Target{{Cluster: "eu-1"}}
	after.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionPlaced, Reason: "Placed", Message: "The work goes to eu-1."}}
	return []placementcontroller.Foreseen{{After: after}}, nil
}

var web = syncer.Key{Kind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Workspace: "2abc", Namespace: "default", Name: "web"}

func step(action syncer.Action, waits string) syncer.Step {
	return syncer.Step{
		Action: action, Cause: syncer.CauseChanged, Cluster: "eu-1", Original: web, Waits: waits,
		Copy:        client.ObjectKey{Namespace: "default-x", Name: "web"},
		Differences: []syncer.Difference{{Path: "spec.replicas", Was: "1", Becomes: "2"}},
	}
}

func object(apiVersion, kind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	o.SetNamespace("default")
	o.SetName(name)
	return o
}

func serve(t *testing.T, o *oracle, placer plan.Placer, opts ...plan.Option) string {
	t.Helper()
	h, err := plan.NewHandler(o, placer, opts...)
	require.NoError(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestAskTellsWhatWouldBeDone(t *testing.T) {
	o := &oracle{}
	url := serve(t, o, o)
	now, err := plan.Ask(t.Context(), http.DefaultClient, url, nil)
	require.NoError(t, err)
	original := plan.Original{Group: "apps", Version: "v1", Kind: "Deployment", Workspace: "2abc", Namespace: "default", Name: "web"}
	change := plan.Change{
		Action: syncer.ActionDeleted, Cause: syncer.CauseChanged, Cluster: "eu-1", Original: original, Copy: "default-x/web", Waits: "an operator",
		Fields: []plan.Field{{Path: "spec.replicas", Was: "1", Becomes: "2"}},
	}
	if diff := cmp.Diff(&plan.Answer{Changes: []plan.Change{change}, Unknown: 3}, now); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
	require.False(t, now.Empty())

	then, err := plan.Ask(t.Context(), http.DefaultClient, url, &plan.Request{Workspace: "2abc", Objects: []*unstructured.Unstructured{
		object("apps/v1", "Deployment", "web"), object("v1", "ConfigMap", "settings"), object("placement.tmc-sdk.dev/v1alpha1", "Placement", "default"),
	}})
	require.NoError(t, err)
	change.Action, change.Waits = syncer.ActionConfigured, ""
	want := &plan.Answer{
		Decisions: []plan.Decision{{
			Workspace: "2abc", Namespace: "default", Name: "default", After: []v1alpha1.Target{{Cluster: "eu-1"}},
			Reason: "Placed", Message: "The work goes to eu-1.", Changed: true,
		}},
		Changes: []plan.Change{change},
		Refused: []plan.Refused{{Original: original, Cluster: "us-1", Reason: "TransformFailed", Message: "mend it"}},
	}
	if diff := cmp.Diff(want, then); diff != "" {
		t.Errorf("then (-want +got):\n%s", diff)
	}
	require.Len(t, o.before.Placements, 1)
	require.Len(t, o.before.Objects, 2)
	require.Len(t, o.then.Originals, 2)
	require.Equal(t, "eu-1", o.then.Placements[0].Status.Targets[0].Cluster, "the loop is told the decision that would follow")
}

func TestWhatCannotBeToldIsRefused(t *testing.T) {
	one := `{"workspace": "2abc", "objects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]}`
	for name, tt := range map[string]struct {
		reason       string
		method, body string
		err          error
		agent        bool
		opts         []plan.Option
		code         int
		says         string
	}{
		"standby":         {"it knows nothing that it could plan with", "GET", "", nil, false, []plan.Option{plan.OnlyIf(func(*http.Request) error { return errors.New("no leader") })}, 503, "ask the one that leads"},
		"not seen":        {"caches fill, or another replica has the workspace", "POST", one, syncer.ErrUnknown, false, nil, 503, "not known yet"},
		"gone":            {"the workspace is nobody's here", "POST", one, multicluster.ErrClusterNotFound, false, nil, 503, "not found"},
		"no kind of ours": {"the loop says what to do", "POST", one, errors.New("list it"), false, nil, 422, "list it"},
		"agent":           {"it places nothing", "POST", one, nil, true, nil, 501, "the controller that places"},
		"no workspace":    {"paths are not guessed", "POST", `{"objects": []}`, nil, false, nil, 400, "name the workspace"},
		"no object":       {"an object without a kind is none", "POST", `{"workspace": "a", "objects": [{"a": "b"}]}`, nil, false, nil, 400, "read the request"},
		"no name":         {"an object without a name is none", "POST", `{"workspace": "a", "objects": [{"apiVersion": "v1", "kind": "ConfigMap"}]}`, nil, false, nil, 400, "has no name"},
		"no placement":    {"a Placement that is none is refused", "POST", strings.ReplaceAll(strings.ReplaceAll(one, `"v1"`, `"placement.tmc-sdk.dev/v1alpha1"`), `"metadata"`, `"spec": 1, "metadata"`), nil, false, nil, 400, "read ConfigMap a"},
		"method":          {"nothing is changed here", "PUT", "", nil, false, nil, 405, "PUT is not served"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &oracle{err: tt.err}
			var placer plan.Placer = o
			if tt.agent {
				placer = nil
			}
			req, err := http.NewRequestWithContext(t.Context(), tt.method, serve(t, o, placer, tt.opts...), strings.NewReader(tt.body))
			require.NoError(t, err)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close() //nolint:errcheck // it is read below
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, tt.code, resp.StatusCode, "%s: %s", tt.reason, body)
			require.Contains(t, string(body), tt.says, tt.reason)
		})
	}
	_, err := plan.NewHandler(nil, nil)
	require.ErrorContains(t, err, "a loop is needed")
	_, err = plan.Ask(t.Context(), http.DefaultClient, serve(t, &oracle{err: syncer.ErrUnknown}, nil), nil)
	require.ErrorContains(t, err, "503 Service Unavailable: not known yet")
}

func TestAnAnswerIsEmptyWhereNothingWouldChange(t *testing.T) {
	share := func(n int64) []v1alpha1.Target { return []v1alpha1.Target{{Cluster: "eu-1", Share: &n}} }
	require.True(t, (&plan.Answer{Decisions: []plan.Decision{{Before: share(1), After: share(1)}}}).Empty())
	require.False(t, (&plan.Answer{Decisions: []plan.Decision{{Changed: true}}}).Empty())
	require.False(t, (&plan.Answer{Refused: []plan.Refused{{}}}).Empty())
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"workspace": "2abc", "objects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]}`))
	f.Add([]byte(`{"workspace": "2abc", "objects": [null]}`))
	f.Add([]byte(`{"workspace": "2abc", "objects": [{"apiVersion": "placement.tmc-sdk.dev/v1alpha1", "kind": "Placement", "metadata": {"name": "a"}, "spec": {"count": {"max": -1}}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o := &oracle{}
		h, err := plan.NewHandler(o, o)
		require.NoError(t, err)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/plan", strings.NewReader(string(body))))
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}
