package transform_test

import (
	"strings"
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
		"official":         {"no registry, no path: docker.io/library; the longest mirror", "nginx:1", "mirror.example/official/nginx:1"},
		"user":             {"no registry: docker.io", "grafana/grafana", "mirror.example/hub/grafana/grafana"},
		"registry":         {"as it stands", "quay.example/team/app:v1", "mirror.example/team/app:v1"},
		"digest":           {"digests stay", "quay.example/team/app" + digest, "mirror.example/team/app" + digest},
		"another team":     {"a prefix ends at a slash", "quay.example/teammate/app", "quay.example/teammate/app"},
		"other registry":   {"not listed", "registry.example:5000/a/b", "registry.example:5000/a/b"},
		"mirrored":         {"twice is once", "mirror.example/hub/a/b", "mirror.example/hub/a/b"},
		"by its full name": {"the library is where it is, whoever writes it out", "docker.io/nginx:1", "mirror.example/official/nginx:1"},
		"by its old name":  {"the same registry, which is no way around a mirror", "index.docker.io/grafana/grafana", "mirror.example/hub/grafana/grafana"},
		"upper case":       {"runtimes take it for a registry", "MyRegistry/x", "MyRegistry/x"},
		"localhost":        {"a registry of its own", "localhost/x", "localhost/x"},
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
	step, err := transform.Registries(mirrors...)
	require.NoError(t, err)
	out := render(t, pipeline(t, transform.With(step)), &transform.Target{}, object(t, deployment, with([]any{
		"nonsense", map[string]any{"name": "m", "image": map[string]any{"reference": "models/llm:1"}},
	}, "spec", "template", "spec", "volumes")))
	require.Equal(t, "mirror.example/hub/models/llm:1", at(out, "spec", "template", "spec", "volumes").([]any)[1].(map[string]any)["image"].(map[string]any)["reference"], "a volume may be an image")
}

// A slip in a mirror would be one that never matches, or makes images of nothing.
func TestMirrorsThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		mirrors []transform.Mirror
		want    string
	}{
		"no To":     {"", []transform.Mirror{{From: "docker.io"}}, `mirrors[0].To "": it is needed`},
		"no From":   {"", []transform.Mirror{{From: "docker.io", To: "x"}, {To: "x"}}, `mirrors[1].From "": it is needed`},
		"slash":     {"there are no two slashes in an image", []transform.Mirror{{From: "docker.io/", To: "x"}}, "slash"},
		"scheme":    {"as people copy it from a browser", []transform.Mirror{{From: "docker.io", To: "https://mirror.example"}}, "no scheme"},
		"blank":     {"", []transform.Mirror{{From: "docker.io ", To: "x"}}, "blanks"},
		"no domain": {"images without a registry are of docker.io", []transform.Mirror{{From: "library/nginx", To: "x"}}, "as in docker.io/library/nginx"},
		"twice":     {"which of them?", []transform.Mirror{{From: "docker.io", To: "x"}, {From: "docker.io", To: "y"}}, "another mirror"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := transform.Registries(tc.mirrors...)
			require.ErrorContains(t, err, tc.want, tc.reason)
		})
	}
}

// FuzzRegistries: whatever an image is, it is rewritten once, and ends as it did.
func FuzzRegistries(f *testing.F) {
	for _, image := range []string{"nginx", "docker.io/nginx:1", "index.docker.io/a/b", "localhost/x", "a:5000/b@sha256:0", "/", "//", "docker.io/", "mirror.example/hub/x"} {
		f.Add(image)
	}
	step, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example/hub"}, transform.Mirror{From: "a:5000/b", To: "c:5000"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, image string) {
		container := map[string]any{"image": image}
		obj := object(t, deployment, with([]any{container}, "spec", "template", "spec", "containers"))
		rewritten := func() string {
			require.NoError(t, step.Transform(t.Context(), &transform.Target{}, obj))
			return transform.PodSpec(obj)["containers"].([]any)[0].(map[string]any)["image"].(string)
		}
		once := rewritten()
		require.Equal(t, once, rewritten())
		if i := strings.LastIndexByte(image, '/'); i >= 0 && !strings.HasPrefix(image, "a:5000/b") {
			require.True(t, strings.HasSuffix(once, image[i+1:]), "%q became %q", image, once)
		}
	})
}
