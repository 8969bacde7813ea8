package builtin_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform"
	"github.com/tmc-sdk/tmc/transform/builtin"
)

// forCorpus are those transformers whose rules must name what manifests have, in
// the place of those of the same name in all.
func forCorpus(t *testing.T) []transform.Transformer {
	t.Helper()
	mirror, err := transform.Registries(transform.Mirror{From: "docker.io", To: "mirror.example/hub"}, transform.Mirror{From: "quay.io", To: "mirror.example/quay"})
	require.NoError(t, err)
	classes := func(names ...string) builtin.Classes {
		c := builtin.Classes{Map: map[string]string{}, Default: "platform"}
		for _, name := range names {
			c.Map[name] = "platform-" + name
		}
		return c
	}
	special := []transform.Transformer{
		mirror,
		builtin.Must(builtin.Digests(map[string]string{"postgres:17.2": "sha256:0d1e4c8f2b7a6953e0d1c4b8a7f6e5d4c3b2a1908f7e6d5c4b3a29180f7e6d5c"})),
		builtin.StorageClasses(classes("fast-ssd", "standard")),
		builtin.IngressClasses(classes("nginx", "public")),
		builtin.GatewayClasses(classes("public")),
		builtin.PriorityClasses(classes("high")),
		builtin.Must(builtin.Hosts(map[string]string{"example.com": "${cluster.region}.example.net", "example.org": "${cluster.region}.example.net", "example": "${cluster.region}.example.net"})),
		builtin.Must(builtin.References(builtin.ReferenceRules{})),
		builtin.Autoscalers(),
		builtin.DisruptionBudgets(),
		builtin.JobParts(),
	}
	own := map[string]bool{}
	for _, step := range special {
		own[step.Name()] = true
	}
	for _, step := range all() {
		if !own[step.Name()] {
			special = append(special, step)
		}
	}
	return special
}

// Every transformer on manifests as widely used software ships them: what it
// changes stands in testdata/corpus, for the first three that it is for. go test
// ./transform/builtin -run TestCorpus -update writes it.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("../testdata/corpus/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, step := range forCorpus(t) {
		t.Run(step.Name(), func(t *testing.T) {
			var got strings.Builder
			for shown, i := 0, 0; shown < 3 && i < len(files); i++ {
				diff := change(t, step, files[i])
				if diff != "" {
					shown++
				}
				got.WriteString(diff)
			}
			require.NotEmpty(t, got.String(), "nothing in the corpus is for it")
			golden := "testdata/corpus/" + step.Name() + ".diff"
			if flag.Lookup("update").Value.String() == "true" {
				require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o750))
				require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o600))
				return
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
}

func read(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return parse(string(data))
}

// change returns the difference that a transformer makes to a manifest.
func change(t *testing.T, step transform.Transformer, file string) string {
	t.Helper()
	obj := read(t, file)
	if m, ok := step.(transform.Matcher); ok && !m.Matches(europe, obj) {
		return ""
	}
	before, err := yaml.Marshal(obj.Object)
	require.NoError(t, err)
	name := filepath.Base(file)
	if err := step.Transform(t.Context(), europe, obj); err != nil {
		return "--- " + name + "\n# refused: " + err.Error() + "\n"
	}
	after, err := yaml.Marshal(obj.Object)
	require.NoError(t, err)
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(string(before)), B: difflib.SplitLines(string(after)), FromFile: name, ToFile: "on eu-1", Context: 2,
	})
	require.NoError(t, err)
	return diff
}
