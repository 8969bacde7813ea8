package access_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/cluster/access"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

func ExampleClusterRole() {
	role := access.ClusterRole("tmc", append(access.FleetRules(), access.SyncRules(deployments)...))
	data, _ := yaml.Marshal(role.Rules[1:])
	fmt.Println(string(data))
	// Output:
	// - apiGroups:
	//   - ""
	//   resources:
	//   - nodes
	//   - pods
	//   verbs:
	//   - list
	//   - watch
	// - apiGroups:
	//   - metrics.k8s.io
	//   resources:
	//   - nodes
	//   verbs:
	//   - list
	// - apiGroups:
	//   - ""
	//   resources:
	//   - namespaces
	//   verbs:
	//   - create
	//   - delete
	//   - get
	//   - list
	//   - patch
	//   - watch
	// - apiGroups:
	//   - apps
	//   resources:
	//   - deployments
	//   verbs:
	//   - create
	//   - delete
	//   - get
	//   - list
	//   - patch
	//   - watch
}

func TestMissingPermissionsOnARealCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	physical := tmcenvtest.NewCluster(t, "a")
	admin, err := physical.Client()
	require.NoError(t, err)
	rules := append(access.FleetRules(), access.SyncRules(deployments)...)
	someone := physical.UserConfig("someone")
	missing, err := access.Missing(t.Context(), someone, nil, access.FleetRules())
	require.NoError(t, err)
	var texts []string
	for _, p := range missing {
		texts = append(texts, p.String())
	}
	if diff := cmp.Diff([]string{"get namespaces kube-system", "list namespaces kube-system", "list nodes", "watch nodes", "list pods", "watch pods", "list nodes.metrics.k8s.io"}, texts); diff != "" {
		t.Errorf("missing without a role (-want +got):\n%s", diff)
	}

	role := access.ClusterRole("tmc", rules)
	require.NoError(t, admin.Create(t.Context(), role))
	require.NoError(t, admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "tmc"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tmc"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "someone"}},
	}))
	require.Eventually(t, func() bool {
		missing, err := access.Missing(t.Context(), someone, nil, rules)
		return err == nil && len(missing) == 0
	}, 10*time.Second, 100*time.Millisecond)
	missing, err = access.Missing(t.Context(), someone, nil, access.SyncRules(schema.GroupVersionResource{Resource: "secrets"}))
	require.NoError(t, err)
	require.Equal(t, "create secrets", missing[0].String())
}
