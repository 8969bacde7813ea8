package publish_test

import (
	"strings"
	"testing"

	"github.com/kcp-dev/logicalcluster/v3"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/publish"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// workloadGroups have the kinds that tenants write.
var workloadGroups = map[string]bool{"": true, "apps": true, "batch": true, "autoscaling": true, "policy": true, "networking.k8s.io": true}

// everyKind imports every kind of the groups that a cluster serves, and asks
// kcp whether it would take its schema, without keeping it.
func everyKind(t *testing.T, kcp *tmcenvtest.KCP, workspace logicalcluster.Path, physical *tmcenvtest.Cluster) {
	t.Helper()
	served, err := discovery.NewDiscoveryClientForConfig(physical.Config())
	require.NoError(t, err)
	lists, err := served.ServerPreferredResources()
	require.NoError(t, err)
	importer, err := publish.NewImporter(physical.Config(), nil)
	require.NoError(t, err)
	c, err := kcp.Client(workspace)
	require.NoError(t, err)
	taken := map[string]bool{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(t, err)
		for _, r := range list.APIResources {
			if !workloadGroups[gv.Group] || strings.Contains(r.Name, "/") || !strings.Contains(strings.Join(r.Verbs, " "), "watch") {
				continue // one that is not stored, ComponentStatus for one
			}
			imported, err := importer.Import(t.Context(), gv.WithKind(r.Kind))
			if err != nil {
				t.Errorf("import %s: %v", gv.WithKind(r.Kind), err)
				continue
			}
			object, err := imported.APIResourceSchema()
			require.NoError(t, err)
			if err := c.Create(t.Context(), object, client.DryRunAll); client.IgnoreAlreadyExists(err) != nil {
				t.Errorf("kcp does not take the schema of %s: %v", gv.WithKind(r.Kind), err)
				continue
			}
			taken[r.Kind] = true
		}
	}
	t.Logf("kcp takes the schemas of %d kinds", len(taken))
	for _, kind := range []string{
		"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision", "Job", "CronJob", "Pod", "Service", "PersistentVolumeClaim",
		"ServiceAccount", "Ingress", "NetworkPolicy", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap", "Secret",
	} {
		require.True(t, taken[kind], kind)
	}
}
