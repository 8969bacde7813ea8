package envtest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// fakeGo puts a go command on PATH that runs script instead of building. The
// script sees its arguments, the file to make as $out.
func fakeGo(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	content := `#!/bin/sh
for a in "$@"; do [ "$last" = -o ] && out=$a; last=$a; done
mkdir -p "$(dirname "$out")"
` + script
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte(content), 0o755)) //nolint:gosec // it is run
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// noAssets makes a test independent of what its caller has set.
func noAssets(t *testing.T) {
	t.Helper()
	t.Setenv(tmcenvtest.EnvAssets, "")
	for _, s := range tmcenvtest.Servers() {
		t.Setenv(s.EnvVar(), "")
	}
}

const install = `echo x >> "$(dirname "$0")/builds"; echo binary > "$out"; chmod +x "$out"`

func TestABinaryIsFoundBeforeItIsBuilt(t *testing.T) {
	noAssets(t)
	own := filepath.Join(t.TempDir(), "my-kcp")
	folder := t.TempDir()
	for _, path := range []string{own, filepath.Join(folder, "kcp"), filepath.Join(folder, "etcd")} {
		require.NoError(t, os.WriteFile(path, nil, 0o755)) //nolint:gosec // it stands for a binary
	}
	fakeGo(t, install)
	t.Setenv("TMC_ENVTEST_KCP", own)
	t.Setenv("TMC_ENVTEST_ASSETS", folder)
	cache := t.TempDir()

	assets, err := tmcenvtest.Builder{Dir: cache, Progress: &bytes.Buffer{}}.
		Ensure(t.Context(), tmcenvtest.ServerKCP, tmcenvtest.ServerEtcd, tmcenvtest.ServerKwok)

	require.NoError(t, err)
	assert.Equal(t, own, assets[tmcenvtest.ServerKCP], "the server's own variable wins")
	assert.Equal(t, filepath.Join(folder, "etcd"), assets[tmcenvtest.ServerEtcd], "then the folder")
	assert.True(t, strings.HasPrefix(assets[tmcenvtest.ServerKwok], cache), "what the folder lacks is built")
}

func TestAWrongVariableIsAnErrorThatNamesIt(t *testing.T) {
	noAssets(t)
	for variable, value := range map[string]string{
		"TMC_ENVTEST_ETCD":   filepath.Join(t.TempDir(), "missing"),
		"TMC_ENVTEST_ASSETS": filepath.Join(t.TempDir(), "missing"),
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, value)
			_, err := tmcenvtest.Builder{Dir: t.TempDir()}.Ensure(t.Context(), tmcenvtest.ServerEtcd)
			require.ErrorContains(t, err, variable)
		})
	}
	_, err := tmcenvtest.Ensure(t.Context(), "kubelet")
	require.ErrorContains(t, err, "kubelet")
}

func TestABuildHappensOnceForAll(t *testing.T) {
	noAssets(t)
	fakeGo(t, "sleep 0.3; "+install)
	cache := t.TempDir()
	var wg sync.WaitGroup
	paths := make([]string, 4)
	for i := range paths {
		wg.Go(func() {
			// Each call locks as another process would.
			assets, err := tmcenvtest.Builder{Dir: cache, Progress: &bytes.Buffer{}}.Ensure(t.Context(), tmcenvtest.ServerEtcd)
			assert.NoError(t, err)
			paths[i] = assets[tmcenvtest.ServerEtcd]
		})
	}
	wg.Wait()
	goDir, _, _ := strings.Cut(os.Getenv("PATH"), string(os.PathListSeparator))
	builds, err := os.ReadFile(filepath.Join(goDir, "builds"))
	require.NoError(t, err)
	assert.Equal(t, "x\n", string(builds))
	assert.Equal(t, []string{paths[0], paths[0], paths[0], paths[0]}, paths)
}

func TestAFailedBuildShowsItsLogAndTheRemedy(t *testing.T) {
	noAssets(t)
	fakeGo(t, `echo "verifying module: checksum mismatch" >&2; exit 1`)
	cache := t.TempDir()

	_, err := tmcenvtest.Builder{Dir: cache, Progress: &bytes.Buffer{}}.Ensure(t.Context(), tmcenvtest.ServerKwok)

	var failure *tmcenvtest.BuildError
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, tmcenvtest.ServerKwok, failure.Server)
	assert.Contains(t, failure.Log, "checksum mismatch")
	assert.ErrorContains(t, err, "TMC_ENVTEST_KWOK")
	left, _ := filepath.Glob(filepath.Join(cache, "*kwok*"))
	assert.Empty(t, left, "nothing half built stays in the cache")
}

func TestABuildEndsWithItsContext(t *testing.T) {
	noAssets(t)
	fakeGo(t, "sleep 600")
	stop := errors.New("the caller has lost interest")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, stop)
	defer cancel()
	_, err := tmcenvtest.Builder{Dir: t.TempDir(), Progress: &bytes.Buffer{}}.Ensure(ctx, tmcenvtest.ServerEtcd)
	require.ErrorIs(t, err, stop)
}

func TestProgressIsPlainLinesOffATerminal(t *testing.T) {
	noAssets(t)
	fakeGo(t, install)
	var out bytes.Buffer
	builder := tmcenvtest.Builder{Dir: t.TempDir(), Progress: &out}
	_, err := builder.Ensure(t.Context(), tmcenvtest.ServerEtcd)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	assert.Len(t, lines, 2)
	assert.Contains(t, lines[0], "etcd v3.6.8: building")
	assert.Contains(t, lines[1], "etcd v3.6.8: built")
	assert.NotContains(t, out.String(), "\r")

	out.Reset()
	_, err = builder.Ensure(t.Context(), tmcenvtest.ServerEtcd)
	require.NoError(t, err)
	assert.Empty(t, out.String(), "nothing is said about what is there")
}
