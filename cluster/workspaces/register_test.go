package workspaces

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

func TestRegisterConcludesOnlyFromProof(t *testing.T) {
	const (
		absent  = `404 {"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not found","details":{"group":"core.kcp.io","kind":"logicalclusters","name":"cluster"}}`
		present = `200 {"kind":"LogicalCluster","apiVersion":"core.kcp.io/v1alpha1","metadata":{"name":"cluster"}}`
		refused = `403 {"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"access denied","details":{"group":"core.kcp.io","kind":"logicalclusters","name":"cluster"}}`
		noAPI   = `404 404 page not found`
		broken  = `500 oops`
	)
	type answers map[string]string // by logical cluster
	tests := map[string]struct {
		reason string
		shards []answers
		gone   bool
		err    string
	}{
		"gone":                         {reason: "the shard has the control and not the workspace", shards: []answers{{"ws": absent, "control": present}}, gone: true},
		"there":                        {reason: "it exists", shards: []answers{{"ws": present, "control": present}}},
		"there on the second shard":    {reason: "every shard is asked", shards: []answers{{"ws": absent, "control": present}, {"ws": present, "control": absent}}},
		"gone from both":               {reason: "the control is on one of them", shards: []answers{{"ws": absent, "control": absent}, {"ws": absent, "control": present}}, gone: true},
		"refused":                      {reason: "kcp refuses what it does not know", shards: []answers{{"ws": refused, "control": present}}, err: "access denied"},
		"no such API":                  {reason: "some other server answers", shards: []answers{{"ws": noAPI, "control": noAPI}}, err: "could not find"},
		"an empty kcp":                 {reason: "it has neither", shards: []answers{{"ws": absent, "control": absent}}, err: "another kcp"},
		"a shard fails":                {reason: "it may have the workspace", shards: []answers{{"ws": absent, "control": present}, {"ws": broken, "control": absent}}, err: "oops"},
		"the control can't be told of": {reason: "then nothing can", shards: []answers{{"ws": absent, "control": refused}}, err: "access denied"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var configs []*rest.Config
			for _, answers := range tc.shards {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ws, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/clusters/"), "/")
					code, body, _ := strings.Cut(answers[ws], " ")
					if strings.HasPrefix(body, "{") {
						w.Header().Set("Content-Type", "application/json")
					}
					w.WriteHeader(map[string]int{"200": 200, "403": 403, "404": 404, "500": 500}[code])
					_, _ = w.Write([]byte(body))
				}))
				t.Cleanup(s.Close)
				configs = append(configs, &rest.Config{Host: s.URL + "/clusters/root"})
			}
			register, err := NewRegister("control", configs...)
			require.NoError(t, err)
			gone, err := register.Gone(t.Context(), "ws")
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err, tc.reason)
			} else {
				require.NoError(t, err, tc.reason)
			}
			require.Equal(t, tc.gone, gone, tc.reason)
		})
	}
}

func TestARegisterNeedsAControlAndShards(t *testing.T) {
	_, err := NewRegister("", &rest.Config{})
	require.Error(t, err)
	_, err = NewRegister("control")
	require.Error(t, err)
	register, err := NewRegister("control", &rest.Config{Host: "localhost"})
	require.NoError(t, err)
	_, err = register.Gone(t.Context(), "a/../b")
	require.ErrorContains(t, err, "no name of a logical cluster")
}
