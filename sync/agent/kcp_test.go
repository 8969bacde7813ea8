package agent_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/pull"
)

// One world, for servers are dear; each step stands on the one before.
func TestPullMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "eu-1", "us-1")
	w.register("eu-1")
	w.waitCluster("eu-1", "Reachable", "False", "Unreachable")
	w.join("eu-1")
	pc := w.waitCluster("eu-1", "Reachable", "True", "Renewing")
	w.waitCluster("eu-1", "Ready", "True", "Ready")
	require.NotEmpty(t, pc.Status.ClusterUID)
	require.NotEmpty(t, pc.Status.Version)
	require.NotNil(t, pc.Status.Capacity)
	require.EqualValues(t, 1, pc.Status.Capacity.Nodes)
	require.Equal(t, []string{"deployments.v1.apps"}, pc.Status.APIs)

	t.Run("a tenant's work runs there, and its status comes back", w.workRuns)
	t.Run("what the cluster refuses, the tenant is told", w.refusalIsTold)
	t.Run("the hub stops: copies stay, and are looked after", w.hubStops)
	t.Run("the agent stops: work moves, and is retired once when it returns", w.agentStops)
	t.Run("deletion ends clean", w.deletionEndsClean)
	t.Run("an agent that is revoked can do nothing, and nothing is deleted", w.agentRevoked)
}

func (w *world) workRuns(t *testing.T) {
	w.upstream.reset()
	require.NoError(t, w.tenant.Create(t.Context(), withData(configMapKind, "settings", "data", map[string]any{"key": "value"})))
	require.NoError(t, w.tenant.Create(t.Context(), withData(secretKind, "password", "stringData", map[string]any{"key": "secret"})))
	require.NoError(t, w.tenant.Create(t.Context(), withData(secretKind, "unmentioned", "stringData", map[string]any{"key": "secret"})))
	require.NoError(t, w.tenant.Create(t.Context(), mentioning(deployment("web", 2), "settings", "password")))
	copied := w.waitCopy("eu-1", deploymentKind, "web", field("spec.replicas", 2))
	w.waitCopy("eu-1", configMapKind, "settings", field("data.key", "value"))
	w.waitCopy("eu-1", secretKind, "password")
	w.waitOriginal("web", condition("Synced", "True", "Synced"))
	w.setReady("eu-1", copied, 2)
	w.waitOriginal("web", field("status.readyReplicas", 2), condition("Healthy", "True", "Healthy"))
	none, err := w.copies("eu-1", secretKind, "unmentioned")
	require.NoError(t, err)
	require.Empty(t, none)
	statuses := w.upstream.about("/web/status")
	require.Len(t, w.upstream.about("/web"), 2+len(statuses), "a finalizer and a copy to begin with")
	require.LessOrEqual(t, len(statuses), 6, "two per change of status, of which there are two or three:\n%s", statuses)
}

func (w *world) refusalIsTold(t *testing.T) {
	d := deployment("refused", 1)
	require.NoError(t, unstructured.SetNestedField(d.Object, "Never", "spec", "template", "spec", "restartPolicy"))
	require.NoError(t, w.tenant.Create(t.Context(), d))
	w.waitOriginal("refused", condition("Synced", "False", "Refused"))
	require.NoError(t, w.tenant.Delete(t.Context(), d))
	w.waitNoOriginal("refused")
}

func (w *world) hubStops(t *testing.T) {
	w.stopHub()
	before := w.waitCopy("eu-1", deploymentKind, "web")
	require.NoError(t, w.on("eu-1").Delete(t.Context(), before.DeepCopy()))
	copied := w.waitCopy("eu-1", deploymentKind, "web", func(u *unstructured.Unstructured) error {
		if u.GetUID() == before.GetUID() {
			return errors.New("it is the one that was deleted")
		}
		return nil
	})
	w.setReady("eu-1", copied, 2)
	w.startHub()
	w.waitCluster("eu-1", "Ready", "True", "Ready")
	w.waitOriginal("web", field("status.readyReplicas", 2), condition("Synced", "True", "Synced"))
}

func (w *world) agentStops(t *testing.T) {
	w.register("us-1")
	w.join("us-1")
	w.waitCluster("us-1", "Ready", "True", "Ready")
	w.agents["eu-1"].stop()
	w.waitCluster("eu-1", "Reachable", "False", "Unreachable")
	elsewhere := w.waitCopy("us-1", deploymentKind, "web")
	w.waitCopy("us-1", configMapKind, "settings")
	w.setReady("us-1", elsewhere, 2)
	w.waitCopy("eu-1", deploymentKind, "web") // nobody there to retire it

	w.agents["eu-1"].down.reset()
	w.startAgent("eu-1")
	w.waitCluster("eu-1", "Ready", "True", "Ready")
	w.waitNoCopy("eu-1", deploymentKind, "web")
	w.waitNoCopy("eu-1", configMapKind, "settings")
	w.waitNoCopy("eu-1", secretKind, "password")
	w.waitCopy("us-1", deploymentKind, "web")
	require.Len(t, w.agents["eu-1"].down.about("/deployments/web"), 1, "it is retired once")
}

func (w *world) deletionEndsClean(t *testing.T) {
	w.upstream.reset()
	require.NoError(t, w.tenant.Delete(t.Context(), deployment("web", 2)))
	w.waitNoOriginal("web")
	w.waitNoCopy("us-1", deploymentKind, "web")
	w.waitNoCopy("us-1", configMapKind, "settings")
	require.Len(t, w.upstream.about("/web"), 3, "the copy is deleted, the agent lets it go, and the hub the original")
}

func (w *world) agentRevoked(t *testing.T) {
	require.NoError(t, w.tenant.Create(t.Context(), deployment("stays", 1)))
	var cluster string
	eventually(t, "a copy somewhere", func() error {
		for name := range w.clusters {
			if all, err := w.copies(name, deploymentKind, "stays"); err == nil && len(all) == 1 {
				cluster = name
				return nil
			}
		}
		return errors.New("none yet")
	})
	cfg, err := w.mailboxes.Config(t.Context(), cluster)
	require.NoError(t, err)
	require.NoError(t, pull.Revoke(t.Context(), cfg))
	w.waitCluster(cluster, "Reachable", "False", "Unreachable")
	credentials, err := pull.Resume(t.Context(), w.agents[cluster].store)
	require.NoError(t, err)
	_, err = credentials.Identity(t.Context())
	require.ErrorIs(t, err, pull.ErrRefused)

	// The tenant's deletion reaches the mailbox, and not the agent any more.
	w.agents[cluster].down.reset()
	require.NoError(t, w.tenant.Delete(t.Context(), deployment("stays", 1)))
	admin, err := client.New(cfg, client.Options{})
	require.NoError(t, err)
	eventually(t, "the copy in the mailbox waits for its agent", func() error {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(deploymentKind.GroupVersion().WithKind("DeploymentList"))
		if err := admin.List(t.Context(), list); err != nil {
			return err
		}
		for i := range list.Items {
			if list.Items[i].GetName() == "stays" && list.Items[i].GetDeletionTimestamp() != nil {
				return nil
			}
		}
		return fmt.Errorf("%d copies", len(list.Items))
	})
	time.Sleep(2 * time.Second) // nothing is to happen
	left := w.waitCopy(cluster, deploymentKind, "stays")
	require.Nil(t, left.GetDeletionTimestamp())
	require.Empty(t, w.agents[cluster].down.about("/deployments/stays"))
	require.NotNil(t, w.waitOriginal("stays").GetDeletionTimestamp(), "its owner is told that it waits")
}
