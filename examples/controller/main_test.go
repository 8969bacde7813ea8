package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/examples/controller/config"
)

const example = `
apiVersion: config.tmc-sdk.dev/v1alpha1
kind: ControllerConfiguration
installation: prod
logging: {level: debug}
resources: [{group: apps, version: v1, kind: Deployment}]
`

func TestEffectiveConfigurationIsPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.yaml")
	require.NoError(t, os.WriteFile(path, []byte(example), 0o600))
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"--config", path, "--address", ":9443", "--print-config"}, &out))
	c, err := config.Decode(out.Bytes())
	require.NoError(t, err)
	require.Equal(t, ":9443", c.Serving.Address, "flags override")
	require.Equal(t, "debug", c.Logging.Level, "the file counts")
	require.Equal(t, 8, c.Sync.Workers, "defaults are shown")
}

// TestProgramIsStatic: nothing that the program is made of needs C.
func TestProgramIsStatic(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if or .CgoFiles .DepsErrors}}{{.ImportPath}}{{end}}", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, strings.TrimSpace(string(out)))
}

func TestMistakesEndTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "controller.yaml")
	require.NoError(t, os.WriteFile(path, []byte(example), 0o600))
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no file":      {[]string{"--config", path + "x"}, "read configuration"},
		"argument":     {[]string{"start"}, `unexpected argument "start"`},
		"level":        {[]string{"--config", path, "--log-level", "loud"}, "logging.level"},
		"no server":    {[]string{"--config", path}, "name one with --kubeconfig"},
		"missing file": {[]string{"--config", path, "--kubeconfig", path + "x"}, "platform: kubeconfig"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, run(t.Context(), tt.args, os.Stdout), tt.want)
		})
	}
}
