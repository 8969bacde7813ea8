package workspaces

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
)

func TestWithoutManagedFields(t *testing.T) {
	fields := []any{map[string]any{"manager": "kubectl"}}
	for name, tt := range map[string]struct{ obj, want any }{
		"an object": {
			obj:  &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "web", "managedFields": fields}}},
			want: &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "web"}}},
		},
		"one without metadata": {obj: &unstructured.Unstructured{}, want: &unstructured.Unstructured{}},
		"a typed one": {
			obj:  &apisv1alpha1.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "web", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}}},
			want: &apisv1alpha1.APIExport{ObjectMeta: metav1.ObjectMeta{Name: "web"}},
		},
		"what is no object": {obj: "web", want: "web"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := withoutManagedFields(tt.obj)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
