package follow

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

func TestWhatProvesThatAnObjectIsGone(t *testing.T) {
	gr := schema.GroupResource{Group: v1alpha1.Group, Resource: "physicalclusters"}
	cases := map[string]struct {
		reason string
		err    error
		want   bool
	}{
		"not found":      {"the server knows the kind, and has no such object", apierrors.NewNotFound(gr, "a"), true},
		"another":        {"something else was not found", apierrors.NewNotFound(gr, "b"), false},
		"another kind":   {"something else was not found", apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "a"), false},
		"no such path":   {"the API is gone, or the workspace", apierrors.NewGenericServerResponse(404, "GET", gr, "a", "404 page not found", 0, true), false},
		"forbidden":      {"not to be told is not to know", apierrors.NewForbidden(gr, "a", nil), false},
		"anything":       {"an error proves nothing", errors.New("not found"), false},
		"without detail": {"it does not say what was not found", &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonNotFound, Code: 404}}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, IsGone(tc.err, "physicalclusters", "a"), tc.reason)
		})
	}
}

func TestLists(t *testing.T) {
	accepts := Lists("secrets")
	for path, want := range map[string]bool{
		"/clusters/root:p/api/v1/namespaces/default/secrets":      true,
		"/clusters/root:p/api/v1/namespaces/default/secrets/eu-1": false,
		"/clusters/root:p/api/v1/namespaces/secrets/pods":         false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://kcp.example.com"+path, nil)
		require.NoError(t, err)
		require.Equal(t, want, accepts(req), path)
	}
}
