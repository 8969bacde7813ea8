package publish_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kcp-dev/logicalcluster/v3"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// corpus offers the manifests of widely used software to both servers, without
// keeping them: what the cluster takes, kcp takes, and what kcp makes of it, the
// cluster takes again. Fields that either does not know are refused.
func corpus(t *testing.T, kcp *tmcenvtest.KCP, workspace logicalcluster.Path, physical *tmcenvtest.Cluster) {
	t.Helper()
	up, err := kcp.Client(workspace)
	require.NoError(t, err)
	down, err := physical.Client()
	require.NoError(t, err)
	up, down = client.WithFieldValidation(up, metav1.FieldValidationStrict), client.WithFieldValidation(down, metav1.FieldValidationStrict)
	files, err := filepath.Glob("../../transform/testdata/corpus/*.yaml")
	require.NoError(t, err)
	taken := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		obj := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal(data, &obj.Object), file)
		if !slices.Contains(builtIn, obj.GroupVersionKind()) {
			continue
		}
		fresh(obj)
		atCluster := obj.DeepCopy()
		if err := down.Create(t.Context(), atCluster, client.DryRunAll); err != nil {
			// Invalid to the cluster, or its admission wants what is not there.
			require.True(t, apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err), "%s: %v", file, err)
			t.Logf("%s: the cluster does not take it: %v", filepath.Base(file), err)
			continue
		}
		taken++
		inWorkspace := obj.DeepCopy()
		if err := up.Create(t.Context(), inWorkspace, client.DryRunAll); err != nil {
			t.Errorf("%s: the cluster takes it, kcp does not: %v", filepath.Base(file), err)
			continue
		}
		// What is filled in by one is welcome to the other.
		fresh(inWorkspace)
		if err := down.Create(t.Context(), inWorkspace, client.DryRunAll); err != nil {
			t.Errorf("%s: what kcp made of it, the cluster does not take: %v", filepath.Base(file), err)
		}
		fresh(atCluster)
		if err := up.Create(t.Context(), atCluster, client.DryRunAll); err != nil {
			t.Errorf("%s: what the cluster made of it, kcp does not take: %v", filepath.Base(file), err)
		}
	}
	t.Logf("%d manifests are taken by both", taken)
	require.GreaterOrEqual(t, taken, 20)
}

// fresh leaves of the metadata what a new object has. A status is not part of a
// new object.
func fresh(obj *unstructured.Unstructured) {
	metadata := map[string]any{"name": obj.GetName()}
	if obj.GetNamespace() != "" {
		metadata["namespace"] = "default"
	}
	if l := obj.GetLabels(); len(l) > 0 {
		unstructured.SetNestedStringMap(metadata, l, "labels") //nolint:errcheck // a map takes it
	}
	obj.Object["metadata"] = metadata
	delete(obj.Object, "status")
}
