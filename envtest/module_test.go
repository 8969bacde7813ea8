package envtest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// foreignTest is a test in somebody else's project, which uses a cluster.
const foreignTest = `package foreign

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

func TestOnARealCluster(t *testing.T) {
	cluster := tmcenvtest.NewCluster(t, "foreign")
	c, err := cluster.Client()
	if err != nil {
		t.Fatal(err)
	}
	var namespaces corev1.NamespaceList
	if err := c.List(t.Context(), &namespaces); err != nil {
		t.Fatal(err)
	}
	if len(namespaces.Items) == 0 {
		t.Fatal("a cluster without namespaces")
	}
}
`

// TestAnotherModuleCanUseThisPackage builds and runs a module of its own. It
// takes some seconds for linking, and a minute or two where nothing has been
// compiled before.
func TestAnotherModuleCanUseThisPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a module of its own")
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)

	// What it requires is what we require, as go mod tidy would find.
	_, requires, found := bytes.Cut(ours, []byte("require ("))
	require.True(t, found)
	mod := "module example.org/foreign\n\ngo 1.26.3\n\nrequire github.com/tmc-sdk/tmc v0.0.0\n" +
		"replace github.com/tmc-sdk/tmc => " + root + "\n\nrequire (" + string(requires)
	dir := t.TempDir()
	for name, content := range map[string]string{"go.mod": mod, "go.sum": string(sums), "foreign_test.go": foreignTest} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}

	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestOnARealCluster")
}
