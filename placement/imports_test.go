package placement_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImports keeps the engine free of clients and controllers: who embeds it, in
// a command or a webhook, should not have to take those along.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for pkg := range strings.Lines(string(out)) {
		for _, unwanted := range []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "sigs.k8s.io/multicluster-runtime", "github.com/kcp-dev"} {
			require.False(t, strings.HasPrefix(pkg, unwanted), "placement imports %s", pkg)
		}
	}
}
