package envtest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequestsAreRead(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, method, url string
		verb, resource      string
	}{
		"list":          {"the plain case", "GET", "/api/v1/namespaces/default/configmaps", "list", "configmaps"},
		"list all":      {"over namespaces", "GET", "/apis/apps/v1/deployments?limit=1", "list", "deployments"},
		"get":           {"an object is named", "GET", "/apis/apps/v1/namespaces/a/deployments/web", "get", "deployments"},
		"watch":         {"a list that lasts", "GET", "/apis/apps/v1/deployments?watch=true&resourceVersion=3", "watch", "deployments"},
		"watch by 1":    {"other clients write it so", "GET", "/api/v1/pods?watch=1", "watch", "pods"},
		"create":        {"of a collection", "POST", "/api/v1/namespaces/default/configmaps", "create", "configmaps"},
		"update":        {"of an object", "PUT", "/api/v1/namespaces/default/configmaps/a", "update", "configmaps"},
		"status":        {"a subresource", "PATCH", "/apis/apps/v1/namespaces/a/deployments/web/status", "patch", "deployments/status"},
		"delete":        {"one", "DELETE", "/api/v1/nodes/n", "delete", "nodes"},
		"delete all":    {"many", "DELETE", "/api/v1/namespaces/default/pods", "deletecollection", "pods"},
		"namespace":     {"a namespace is an object", "GET", "/api/v1/namespaces/default", "get", "namespaces"},
		"namespaces":    {"there are many", "GET", "/api/v1/namespaces", "list", "namespaces"},
		"finalize":      {"a namespace's own subresource", "PUT", "/api/v1/namespaces/a/finalize", "update", "namespaces/finalize"},
		"workspace":     {"of kcp", "GET", "/clusters/root:tenant/api/v1/namespaces/default/configmaps/a", "get", "configmaps"},
		"odd workspace": {"it is called like a path", "POST", "/clusters/api/apis/apps/v1/namespaces/a/deployments", "create", "deployments"},
		"virtual":       {"an export's view of all workspaces", "GET", "/services/apiexport/1abc/tmc/clusters/*/apis/apps/v1/deployments?watch=true", "watch", "deployments"},
		"discovery":     {"no resource", "GET", "/apis/apps/v1", "list", ""},
		"health":        {"not the API at all", "GET", "/readyz", "list", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := readRequest(httptest.NewRequest(tc.method, tc.url, http.NoBody))
			if diff := cmp.Diff([]string{tc.verb, tc.resource}, []string{got.verb, got.resource}); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tc.reason, diff)
			}
		})
	}
}

func FuzzRequest(f *testing.F) {
	for _, path := range []string{"/", "/api/v1/namespaces/a", "/clusters/x", "/clusters/x/apis/g/v/r/n/s/t", "//apis///"} {
		f.Add(path)
	}
	f.Fuzz(func(_ *testing.T, path string) { resourceOf(path) }) // it must not panic
}

func TestStormsRepeatAndKeepTheirShare(t *testing.T) {
	get := request{verb: "get", resource: "configmaps", path: "/api/v1/namespaces/default/configmaps/a"}
	blow := func(seed uint64) (fates []bool, struck int) {
		g := newGale(Storm{Answer: Fail(http.StatusInternalServerError), Share: 0.3, Seed: seed})
		for range 1000 {
			fate := g.strikes(get)
			if fate {
				struck++
			}
			fates = append(fates, fate)
		}
		return fates, struck
	}
	one, struck := blow(7)
	again, _ := blow(7)
	other, _ := blow(8)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("one seed, two storms: %s", diff)
	}
	if cmp.Equal(one, other) {
		t.Error("two seeds, one storm")
	}
	if struck < 200 || struck > 400 {
		t.Errorf("%d of 1000 were struck, of a share of 0.3", struck)
	}
}

func TestStormsChoose(t *testing.T) {
	patch := request{verb: "patch", resource: "deployments/status", path: "/clusters/one/apis/apps/v1/namespaces/a/deployments/web/status"}
	all := Fail(http.StatusInternalServerError)
	for name, tc := range map[string]struct {
		reason string
		storm  Storm
		want   bool
	}{
		"all":            {"no bound is everything", Storm{Answer: all}, true},
		"no answer":      {"the zero answer is the server's", Storm{}, false},
		"verb":           {"one of those named", Storm{Answer: all, Verbs: []string{"get", "patch"}}, true},
		"other verb":     {"none of those named", Storm{Answer: all, Verbs: []string{"get"}}, false},
		"resource":       {"a subresource is named with its object's", Storm{Answer: all, Resources: []string{"deployments/status"}}, true},
		"other resource": {"the object is not its subresource", Storm{Answer: all, Resources: []string{"deployments"}}, false},
		"path":           {"a part of it", Storm{Answer: all, Path: "/clusters/one/"}, true},
		"other path":     {"not a part of it", Storm{Answer: all, Path: "/clusters/two/"}, false},
		"both":           {"all bounds must hold", Storm{Answer: all, Verbs: []string{"patch"}, Path: "/clusters/two/"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newGale(tc.storm).strikes(patch); got != tc.want {
				t.Errorf("%s: got %v", tc.reason, got)
			}
		})
	}
}
