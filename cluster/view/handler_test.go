package view_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/view"
)

// kcp answers access reviews: the token "alice" may list in t0, the token
// "platform" in root:platform.
func kcp(t *testing.T) (cfg *rest.Config, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		workspace := strings.Split(r.URL.Path, "/")[2]
		w.Header().Set("Content-Type", "application/json")
		switch {
		case token == "broken":
			w.WriteHeader(http.StatusInternalServerError)
		case token != "alice" && token != "platform":
			w.WriteHeader(http.StatusUnauthorized)
		case token == "alice" && workspace == "t1":
			w.WriteHeader(http.StatusForbidden) // not a member
		default:
			allowed := token == "alice" && workspace == "t0" && strings.Contains(string(body), "placements") ||
				token == "platform" && workspace == "root:platform" && strings.Contains(string(body), "physicalclusters")
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprintf(w, `{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","status":{"allowed":%t}}`, allowed)
		}
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL + "/clusters/root:elsewhere", BearerToken: "our-own"}, asked
}

func serve(t *testing.T, v *view.View) (get func(token, path string) (int, map[string]any), asked *atomic.Int32) {
	t.Helper()
	cfg, asked := kcp(t)
	h := view.NewHandler(v, view.Delegated(cfg, "root:platform"))
	return func(token, path string) (int, map[string]any) {
		t.Helper()
		req := httptest.NewRequest(http.MethodGet, path, nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		body := map[string]any{}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
		}
		return w.Code, body
	}, asked
}

func someView(t *testing.T) *view.View {
	t.Helper()
	v := view.New()
	for i := range 5 {
		v.Set("t0", view.Object{Kind: deployment, KindName: "Deployment.apps", Name: fmt.Sprint("web-", i), Health: view.Healthy, Clusters: []string{"eu-1"}})
	}
	v.Set("t1", view.Object{Kind: deployment, KindName: "Deployment.apps", Name: "secret-project", Health: view.Healthy})
	return v
}

func TestWhoSeesWhat(t *testing.T) {
	get, _ := serve(t, someView(t))
	cases := map[string]struct {
		reason, token, path string
		want                int
	}{
		"nobody":                   {"who are you?", "", "/tenants/t0", 401},
		"a stranger":               {"kcp does not know the token", "mallory", "/tenants/t0", 401},
		"own":                      {"a tenant sees its own", "alice", "/tenants/t0", 200},
		"own objects":              {"a tenant sees its own", "alice", "/tenants/t0/objects", 200},
		"another's":                {"no member of the workspace", "alice", "/tenants/t1", 403},
		"another's objects":        {"no member of the workspace", "alice", "/tenants/t1/objects", 403},
		"nobody's":                 {"whether there is such a tenant is not said", "alice", "/tenants/t9", 403},
		"everything":               {"a tenant is not the platform", "alice", "/fleet", 403},
		"all tenants":              {"a tenant is not the platform", "alice", "/tenants", 403},
		"the platform":             {"it may list physicalclusters", "platform", "/fleet", 200},
		"the platform, tenants":    {"likewise", "platform", "/tenants", 200},
		"the platform, one tenant": {"that is for the workspace to allow", "platform", "/tenants/t0", 403},
		"kcp is broken":            {"nobody is let in because kcp does not answer", "broken", "/tenants/t0", 503},
		"a path for a name":        {"names go into the path of a question", "alice", "/tenants/t0%2F..%2Ft1", 403},
		"every workspace":          {"names go into the path of a question", "alice", "/tenants/*", 403},
		"no such page":             {"there is nothing", "alice", "/tenants/t0/secrets", 404},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			status, body := get(tc.token, tc.path)
			require.Equal(t, tc.want, status, tc.reason)
			if status != 200 {
				require.NotContains(t, fmt.Sprint(body), "secret-project")
			}
		})
	}
}

func TestAnswersAreRemembered(t *testing.T) {
	get, asked := serve(t, someView(t))
	for range 5 {
		status, _ := get("alice", "/tenants/t0")
		require.Equal(t, 200, status)
		status, _ = get("alice", "/tenants/t1")
		require.Equal(t, 403, status)
	}
	require.EqualValues(t, 2, asked.Load())
	for range 3 {
		status, _ := get("broken", "/tenants/t0")
		require.Equal(t, 503, status)
	}
	require.Greater(t, asked.Load(), int32(4), "that kcp does not answer is not remembered")
}

func TestObjectsComeInPages(t *testing.T) {
	get, _ := serve(t, someView(t))
	var names []string
	path := "/tenants/t0/objects?limit=2"
	for next := ""; ; {
		status, body := get("alice", path+next)
		require.Equal(t, 200, status)
		for _, item := range body["items"].([]any) {
			names = append(names, item.(map[string]any)["name"].(string))
		}
		require.InDelta(t, 5, body["total"], 0)
		token, more := body["continue"].(string)
		if !more {
			break
		}
		next = "&continue=" + token
	}
	require.Equal(t, []string{"web-0", "web-1", "web-2", "web-3", "web-4"}, names)
	for _, bad := range []string{"limit=0", "limit=1001", "limit=x", "continue=-1"} {
		status, _ := get("alice", "/tenants/t0/objects?"+bad)
		require.Equal(t, 400, status, bad)
	}
	status, body := get("alice", "/tenants/t0/objects?continue=99")
	require.Equal(t, 200, status)
	require.Empty(t, body["items"])
}

func TestTheFleetIsSummarised(t *testing.T) {
	v := someView(t)
	_, err := view.NewFeed(v, nil, nil)
	require.ErrorContains(t, err, "are needed")
	fleet := tmccluster.NewSnapshot(
		&tmccluster.State{Name: "a", Ready: true, Version: "v1.36.3", Region: "eu", CapacityKnown: true, Allocatable: tmccluster.Resources{MilliCPU: 4000}, Allocated: tmccluster.Resources{MilliCPU: 1000}},
		&tmccluster.State{Name: "b", Ready: true, Unschedulable: true, Version: "v1.36.3", Region: "us", Concerns: []tmccluster.Concern{{Reason: tmccluster.ReasonVersionSkew}}},
		&tmccluster.State{Name: "c", Reason: tmccluster.ReasonUnreachable},
	)
	_, err = view.NewFeed(v, noWorkspaces{}, snapshots{fleet}, deployment)
	require.NoError(t, err)
	get, _ := serve(t, v)
	_, body := get("platform", "/fleet")
	text, err := json.Marshal(body)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"tenants": 2, "objects": 6, "byKind": {"Deployment.apps": 6}, "byHealth": {"Healthy": 6}, "byCluster": {"eu-1": 5},
		"clusters": {
			"total": 3, "ready": 2, "schedulable": 1, "notReady": {"Unreachable": 1}, "concerns": {"VersionSkew": 1},
			"byVersion": {"v1.36.3": 2}, "byRegion": {"eu": 1, "us": 1},
			"allocatable": {"milliCPU": 4000, "memory": 0, "pods": 0}, "allocated": {"milliCPU": 1000, "memory": 0, "pods": 0}
		}}`, string(text))
}
