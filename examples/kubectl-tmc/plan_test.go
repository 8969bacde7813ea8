package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	syncer "github.com/tmc-sdk/tmc/sync"
	"github.com/tmc-sdk/tmc/sync/plan"
)

func TestPlanPrintsADiff(t *testing.T) {
	web := plan.Original{Group: "apps", Version: "v1", Kind: "Deployment", Workspace: "2abc", Namespace: "default", Name: "web"}
	many := []plan.Field{{Path: "a", Becomes: "1"}, {Path: "b", Becomes: "2"}, {Path: "c", Becomes: "3"}, {Path: "d", Becomes: "4"}, {Path: "e", Becomes: "5"}, {Path: "f", Becomes: "6"}, {Path: "g", Becomes: "7"}}
	answer := &plan.Answer{
		Unknown:   2,
		Decisions: []plan.Decision{{Workspace: "2abc", Namespace: "default", Name: "default", Before: targets("eu-1"), After: targets("us-1"), Reason: v1alpha1.ReasonPlaced, Changed: true}},
		Changes: []plan.Change{
			{Action: syncer.ActionConfigured, Cause: syncer.CauseChanged, Cluster: "eu-1", Original: web, Copy: "x/web", Fields: []plan.Field{{Path: "spec.replicas", Was: "1", Becomes: "2"}, {Path: "metadata.labels.a", Was: "\"\x1b[31m\""}}},
			{Action: syncer.ActionCreated, Cause: syncer.CausePlaced, Cluster: "us-1", Original: web, Copy: "x/web", Fields: many, Waits: "the installation"},
		},
		Refused: []plan.Refused{{Original: web, Cluster: "me-1", Reason: "TransformFailed", Message: "mend it"}},
	}
	var out bytes.Buffer
	s := &session{out: &out, colour: "never"}
	require.NoError(t, s.print(answerResult(answer, false)))
	require.Equal(t, `WORKSPACE   NAMESPACE   PLACEMENT   BEFORE   AFTER   REASON
2abc        default     default     eu-1     us-1    Placed

configured Deployment default/web in 2abc on eu-1 as x/web (Changed)
  ~ spec.replicas: 1 -> 2
  - metadata.labels.a: " [31m"
created Deployment default/web in 2abc on us-1 as x/web (Placed), waits: the installation
  + a: 1
  + b: 2
  + c: 3
  + d: 4
  + e: 5
  + and 2 more fields, which -o wide shows
refused Deployment default/web in 2abc on me-1: TransformFailed: mend it
1 copies would be created, 1 configured, 0 deleted, 1 refused; 1 decisions would change.
2 copies of workspaces that can't be seen would stay as they are.
`, out.String())
	require.Contains(t, strings.Join(answerResult(answer, true).diff, "\n"), "+ g: 7")
	require.Equal(t, []string{"placement.placement.tmc-sdk.dev/default", "deployment.apps/web", "deployment.apps/web", "deployment.apps/web"}, answerResult(answer, false).names)
	s.colour = "always"
	require.Equal(t, green+"  + a: 1"+reset, s.paintLine("  + a: 1"))
	require.Equal(t, "configured", s.paintLine("configured"))
}

func targets(names ...string) (list []v1alpha1.Target) {
	for _, name := range names {
		list = append(list, v1alpha1.Target{Cluster: name})
	}
	return list
}

func TestObjectsOfAFile(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, in string
		want       []string
		fails      string
	}{
		"several":   {"documents and lists are taken apart; what is empty is none", "---\nkind: A\nmetadata: {name: a}\n---\n---\n{\"kind\": \"List\", \"items\": [{\"kind\": \"B\", \"metadata\": {\"name\": \"b\"}}]}\n", []string{"A/a", "B/b"}, ""},
		"nothing":   {"an empty file has none", "# nothing\n", nil, ""},
		"nonsense":  {"which document it is", "kind: A\n---\n{]", nil, "document 2"},
		"no object": {"a document without a kind is none", "a: b\n", nil, "document 1"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := decodeObjects(strings.NewReader(tt.in))
			if tt.fails != "" {
				require.ErrorContains(t, err, tt.fails, tt.reason)
				return
			}
			require.NoError(t, err, tt.reason)
			var got []string
			for _, o := range objects {
				got = append(got, o.GetKind()+"/"+o.GetName())
			}
			require.Equal(t, tt.want, got, tt.reason)
		})
	}
}

// TestPlanAsksWithItsToken: over TLS, checked or not as the flags say, and to nobody
// in the open.
func TestPlanAsksWithItsToken(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" || r.URL.Path != "/tmc/plan" {
			http.Error(w, r.URL.Path, http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"changes": [{"action": "deleted", "cluster": "eu-1", "original": {"kind": "Job", "name": "a"}}]}`))
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("secret\n"), 0o600))
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		root := newRoot(&session{in: strings.NewReader(""), out: &out, errOut: &out})
		root.SetArgs(append([]string{"plan", "--controller", server.URL + "/tmc"}, args...))
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := run("--controller-token-file", token, "--controller-insecure-skip-tls-verify", "--exit-code")
	require.Equal(t, 2, exitCode(err), "%v", err)
	require.Contains(t, out, "1 deleted")
	_, err = run("--controller-token-file", token, "--controller-insecure-skip-tls-verify", "--exit-code", "--on", "us-1")
	require.NoError(t, err, "nothing would change there")
	for name, tt := range map[string]struct {
		reason string
		args   []string
		says   string
	}{
		"unknown authority": {"its certificate is checked", []string{"--controller-token-file", token}, "certificate"},
		"no token":          {"it says what the controller said", []string{"--controller-insecure-skip-tls-verify"}, "401 Unauthorized"},
		"no such token":     {"a file that is missing is no anonymous call", []string{"--controller-token-file", token + "x"}, "--controller-token-file"},
		"in the open":       {"a token is not sent in the open", []string{"--controller-token-file", token, "--controller", "http://controller.example"}, "over https alone"},
		"no URL":            {"it says what is wanted", []string{"--controller", "controller.example"}, "want a URL"},
		"nothing asked":     {"without a controller there is no plan for now", []string{"--controller", ""}, "name a file"},
		"no placement":      {"workloads need a controller", []string{"--controller", "", "-f", writeFile(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")}, "name the controller"},
		"an empty file":     {"a mistake is not taken for a plan for now", []string{"-f", writeFile(t, "")}, "no object"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := run(tt.args...)
			require.ErrorContains(t, err, tt.says, tt.reason)
		})
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}
