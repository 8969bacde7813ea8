package transform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/transform"
)

func TestRegistries(t *testing.T) {
	mirrors := []transform.Mirror{
		{From: "docker.io", To: "mirror.example/hub"},
		{From: "docker.io/library", To: "mirror.example/official"},
		{From: "quay.example/team", To: "mirror.example/team"},
	}
	digest := "@sha256:0123456789012345678901234567890123456789012345678901234567890123"
	for name, tc := range map[string]struct{ reason, image, want string }{
		"official":       {"no registry, no path: docker.io/library; the longest mirror", "nginx:1", "mirror.example/official/nginx:1"},
		"user":           {"no registry: docker.io", "grafana/grafana", "mirror.example/hub/grafana/grafana"},
		"registry":       {"as it stands", "quay.example/team/app:v1", "mirror.example/team/app:v1"},
		"digest":         {"digests stay", "quay.example/team/app" + digest, "mirror.example/team/app" + digest},
		"another team":   {"a prefix ends at a slash", "quay.example/teammate/app", "quay.example/teammate/app"},
		"other registry": {"not listed", "registry.example:5000/a/b", "registry.example:5000/a/b"},
		"mirrored":       {"twice is once", "mirror.example/hub/a/b", "mirror.example/hub/a/b"},
		"localhost":      {"a registry of its own", "localhost/x", "localhost/x"},
	} {
		t.Run(name, func(t *testing.T) {
			step, err := transform.Registries(mirrors...)
			require.NoError(t, err)
			container := []any{map[string]any{"name": "c", "image": tc.image}}
			out := render(t, pipeline(t, transform.With(step)), &transform.Target{}, object(t, deployment,
				with(container, "spec", "template", "spec", "containers"), with(container, "spec", "template", "spec", "initContainers")))
			for _, list := range []string{"containers", "initContainers"} {
				if diff := cmp.Diff([]any{map[string]any{"name": "c", "image": tc.want}}, at(out, "spec", "template", "spec", list)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
				}
			}
		})
	}
	_, err := transform.Registries(transform.Mirror{From: "x"})
	require.ErrorContains(t, err, "mirror 0")
}
