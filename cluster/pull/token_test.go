package pull_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster/pull"
)

// TestWaysThatAreRefused are kubeconfigs that would have an agent read files, run
// programs or trust anybody. What a mailbox in kcp does with tokens is tested in
// package agent, where servers are.
func TestWaysThatAreRefused(t *testing.T) {
	const kubeconfig = `
apiVersion: v1
kind: Config
current-context: %s
contexts: [{name: mailbox, context: {cluster: eu-1, user: agent}}]
clusters: [{name: eu-1, cluster: {%s}}]
users: [{name: agent, user: {%s}}]
`
	const good = "server: https://kcp.example.com/clusters/a"
	for name, tt := range map[string]struct{ reason, context, cluster, user, want string }{
		"good":       {"", "mailbox", good, "token: t", ""},
		"no context": {"which of them?", "other", good, "token: t", `current-context "other" is not among the contexts`},
		"no server":  {"", "mailbox", "", "token: t", "clusters: the context's cluster has no server"},
		"plain http": {"the token would be read on the way", "mailbox", "server: http://kcp.example.com", "token: t", "must be reached by https"},
		"unverified": {"anybody could be the server", "mailbox", good + ", insecure-skip-tls-verify: true", "token: t", "must be reached by https, and verified"},
		"ca file":    {"files of the agent's pod are not to be named", "mailbox", good + ", certificate-authority: /etc/passwd", "token: t", "give certificate-authority-data, not a file"},
		"no token":   {"", "mailbox", good, "", "the context's user has no token"},
		"token file": {"", "mailbox", good, "tokenFile: /etc/passwd", "the context's user has no token"},
		"exec":       {"", "mailbox", good, "exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never}", "the context's user has no token"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := pull.ParseWay(fmt.Appendf(nil, kubeconfig, tt.context, tt.cluster, tt.user))
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want, tt.reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "eu-1", w.Cluster)
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", w, w, w), `"t"`)
		})
	}
}

func FuzzParseWay(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: https://k}}]\nusers: [{name: u, user: {token: t}}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := pull.ParseWay(data)
		if err != nil {
			return
		}
		again, err := w.Kubeconfig()
		require.NoError(t, err)
		same, err := pull.ParseWay(again)
		require.NoError(t, err)
		require.Equal(t, w, same)
	})
}
