package syncer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/kcp-dev/logicalcluster/v3"
	tenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	syncer "github.com/tmc-sdk/tmc/sync"
)

// Law 1: what can't be seen is not gone; what kcp itself says is deleted, is.
func TestCopiesOfADeletedWorkspaceAreCollectedOnProof(t *testing.T) {
	w := newWorld(t, 2)
	w.spoiled = true
	w.start()
	d := deployment("web", 1)
	for i := range w.tenants {
		require.NoError(t, w.tenant(i).Create(t.Context(), d.DeepCopy()))
		w.decide(i, target("east", 1))
		w.waitCopy("east", i, d)
	}
	w.stopLoop()

	// Somebody takes our finalizer off and deletes the workspace, while we are
	// not there; another workspace unbinds.
	require.NoError(t, w.tenant(0).Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
	parent, err := servers.kcp.Client(logicalcluster.NewPath("root"))
	require.NoError(t, err)
	ws := object(tenancyv1alpha1.SchemeGroupVersion.WithKind("Workspace"), "", w.tenants[0].Path.Base())
	require.NoError(t, parent.Delete(t.Context(), ws))
	eventually(t, "the workspace is gone", func() error {
		err := parent.Get(t.Context(), client.ObjectKeyFromObject(ws), ws)
		if err == nil {
			return fmt.Errorf("finalizers %v, status %v", ws.GetFinalizers(), ws.Object["status"])
		}
		return client.IgnoreNotFound(err)
	})

	register, err := workspaces.NewRegister(multicluster.ClusterName(w.platform.Cluster), servers.kcp.UserConfig(logicalcluster.NewPath("root"), "register", "system:kcp:logical-cluster-admin"))
	require.NoError(t, err)
	eventually(t, "kcp proves that it is gone", func() error {
		gone, err := register.Gone(t.Context(), multicluster.ClusterName(w.tenants[0].Cluster))
		if err == nil && !gone {
			err = fmt.Errorf("%s is there", w.tenants[0].Cluster)
		}
		return err
	})
	gone, err := register.Gone(t.Context(), multicluster.ClusterName(w.tenants[1].Cluster))
	require.NoError(t, err)
	require.False(t, gone)

	j := &journal{}
	w.start(syncer.CollectGone(register, 3*time.Second), syncer.WithAudit(j))
	w.waitNoCopy("east", 0, d)
	j.wait(w, "Deployment", "deleted WorkspaceGone east")
	j.wait(w, "Namespace", "deleted Empty east")
	w.waitCopy("east", 1, d)
	require.Len(t, j.lines("Deployment"), 1)
}
