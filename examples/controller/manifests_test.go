package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	require.Equal(t, config.ModeHub, c.Mode)
	a, err := config.Load(filepath.Join("deploy", "agent", "agent.yaml"), known, nil)
	require.NoError(t, err)
	require.Equal(t, c.Installation, a.Installation)
	require.ElementsMatch(t, append(c.Resources, c.Related...), a.Resources, "what goes into a mailbox comes out of it")
	for path, objects := range map[string][]runtime.Object{
		filepath.Join("deploy", "cluster", "role.yaml"): {access.ClusterRole("tmc", c.ClusterRules())},
		filepath.Join("deploy", "platform", "role.yaml"): {
			access.ClusterRole("tmc-controller", c.PlatformRules()),
			access.Role("clusters", "tmc-controller", access.SecretRules()),
			access.Role(c.LeaderElection.Namespace, "tmc-controller-lease", c.LeaseRules()),
		},
		filepath.Join("deploy", "platform", "mailboxes.yaml"): {
			access.ClusterRole("tmc-controller-mailboxes", c.MailboxRules()), binding("tmc-controller-mailboxes", "tmc-controller"),
		},
		filepath.Join("deploy", "agent", "role.yaml"): {
			access.ClusterRole("tmc-agent", append(a.ClusterRules(), access.ReviewRules()...)),
			access.Role(a.Agent.Namespace, "tmc-agent", a.AgentRules()),
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

// binding gives a user of the platform's workspace a role.
func binding(role, user string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}
