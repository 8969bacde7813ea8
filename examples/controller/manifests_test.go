package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/cluster/access"
	"github.com/tmc-sdk/tmc/examples/controller/config"
)

var update = flag.Bool("update", false, "write the roles in deploy/ anew")

// TestRolesAreLeastPrivilege keeps the roles in deploy/ what the SDK says that
// the configuration there needs, no more and no less.
func TestRolesAreLeastPrivilege(t *testing.T) {
	c, err := config.Load(filepath.Join("deploy", "controller.yaml"), known, nil)
	require.NoError(t, err)
	require.Nil(t, c.Export.Binders, "who may bind is said in deploy/platform")
	for path, objects := range map[string][]runtime.Object{
		filepath.Join("deploy", "cluster", "role.yaml"): {access.ClusterRole("tmc", c.ClusterRules())},
		filepath.Join("deploy", "platform", "role.yaml"): {
			access.ClusterRole("tmc-controller", access.PlatformRules(c.Export.Name)),
			access.Role("clusters", "tmc-controller", access.SecretRules()),
			access.Role(c.LeaderElection.Namespace, "tmc-controller-lease", access.LeaseRules(c.LeaderElection.Name)),
		},
	} {
		want := []byte("# Generated: go test ./examples/controller -run TestRoles -update\n")
		for _, obj := range objects {
			text, err := yaml.Marshal(obj)
			require.NoError(t, err)
			want = append(append(want, "---\n"...), text...)
		}
		if *update {
			require.NoError(t, os.WriteFile(path, want, 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err, "run this test with -update")
		require.Empty(t, cmp.Diff(string(want), string(got)), "run this test with -update")
		require.False(t, bytes.Contains(got, []byte("impersonate")) || bytes.Contains(got, []byte("escalate")))
	}
}
