package cluster

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

func TestProbe(t *testing.T) {
	type answer struct {
		status int
		body   string
	}
	const path, list = "/api/v1/namespaces/kube-system", "/api/v1/namespaces?fieldSelector=metadata.name%3Dkube-system"
	ok, here := answer{200, "ok"}, answer{200, `{"metadata":{"uid":"u","resourceVersion":"7"}}`}
	type found struct {
		UID, Err, Denied, Identity string
		Revision                   uint64
	}
	cases := map[string]struct {
		reason  string
		answers map[string]answer
		want    found
	}{
		"ready":               {"all is well", map[string]answer{"/readyz": ok, path: here}, found{UID: "u"}},
		"no readyz":           {"an older API server is asked in another way", map[string]answer{"/healthz": ok, path: here}, found{UID: "u"}},
		"readyz forbidden":    {"whoever may not ask is answered nevertheless", map[string]answer{"/readyz": {403, ""}, "/version": ok, path: here}, found{UID: "u"}},
		"not ready":           {"an API server that lost its etcd is of no use", map[string]answer{"/readyz": {500, "etcd failed"}}, found{Err: "GET /readyz: 500 Internal Server Error"}},
		"credentials expired": {"it answers, so it is reachable", map[string]answer{"/readyz": {401, `{"message":"Unauthorized"}`}}, found{Denied: "GET /readyz: 401 Unauthorized: Unauthorized"}},
		"anonymous readyz":    {"readyz may be open to all, the identity is not", map[string]answer{"/readyz": ok, path: {401, ""}}, found{Denied: "GET /api/v1/namespaces/kube-system: 401 Unauthorized"}},
		"revision":            {"a list says how far the storage has counted", map[string]answer{"/readyz": ok, list: {200, `{"metadata":{"resourceVersion":"41"},"items":[{"metadata":{"uid":"u","resourceVersion":"7"}}]}`}}, found{UID: "u", Revision: 41}},
		"no list":             {"whoever may get alone is told who it is", map[string]answer{"/readyz": ok, list: {403, ""}, path: here}, found{UID: "u"}},
		"odd revision":        {"what is no number says nothing", map[string]answer{"/readyz": ok, list: {200, `{"metadata":{"resourceVersion":"x"},"items":[{"metadata":{"uid":"u"}}]}`}}, found{UID: "u"}},
		"empty list":          {"an API server that has not made its namespaces yet", map[string]answer{"/readyz": ok, list: {200, `{"metadata":{"resourceVersion":"1"},"items":[]}`}}, found{Revision: 1, Identity: "namespace kube-system has no UID: is this a Kubernetes API server?"}},
		"list, then lost":     {"an API server that cannot read is of no use", map[string]answer{"/readyz": ok, list: {503, ""}}, found{Err: "GET " + list + ": 503 Service Unavailable"}},
		"identity forbidden":  {"the message says what to allow", map[string]answer{"/readyz": ok, path: {403, ""}}, found{Identity: "credentials do not allow get on namespace kube-system: allow it, the UID of that namespace is the cluster's identity"}},
		"not Kubernetes":      {"something else answers", map[string]answer{"/readyz": ok, path: {200, "<html>"}}, found{Identity: "decode namespace kube-system: invalid character '<' looking for beginning of value"}},
		"no UID":              {"something else answers", map[string]answer{"/readyz": ok, path: {200, "{}"}}, found{Identity: "namespace kube-system has no UID: is this a Kubernetes API server?"}},
		"storage fails":       {"an API server that cannot read is of no use", map[string]answer{"/readyz": ok, path: {503, ""}}, found{Err: "GET /api/v1/namespaces/kube-system: 503 Service Unavailable"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a, ok := tc.answers[r.URL.RequestURI()]
				if !ok {
					a.status = http.StatusNotFound
				}
				w.WriteHeader(a.status)
				_, _ = w.Write([]byte(a.body))
			}))
			defer server.Close()
			l, err := newLink(&rest.Config{Host: server.URL})
			require.NoError(t, err)
			defer l.hangUp()
			r := probe(t.Context(), l)
			got := found{UID: string(r.uid), Err: describe(r.err), Denied: describe(r.denied), Identity: describe(r.identityErr), Revision: r.revision}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFailuresReadTheSameEachTime(t *testing.T) {
	l, err := newLink(&rest.Config{Host: "http://127.0.0.1:1"})
	require.NoError(t, err)
	require.Equal(t, "dial 127.0.0.1:1: connect: connection refused", describe(probe(t.Context(), l).err))

	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	l, err = newLink(&rest.Config{Host: silent.URL})
	require.NoError(t, err)
	defer l.hangUp()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Equal(t, "no answer in time", describe(probe(ctx, l).err))
}
