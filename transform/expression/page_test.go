package expression_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/tmc-sdk/tmc/transform/expression"
)

var rule = regexp.MustCompile("(?s)```cel (merge|patch)\n(.*?)```\n\n```yaml in\n(.*?)```\n\n```yaml out\n(.*?)```")

// TestThisPage runs the rules of docs/transform-without-go.md.
func TestThisPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/transform-without-go.md")
	require.NoError(t, err)
	rules := rule.FindAllStringSubmatch(string(page), -1)
	require.Len(t, rules, 5)
	for _, r := range rules {
		form, text, in, out := r[1], r[2], r[3], r[4]
		make := expression.Merge
		if form == "patch" {
			make = expression.Patch
		}
		step, err := make("rule", text)
		require.NoError(t, err)
		obj := parse("apiVersion: v1\nkind: X\n" + in)
		require.NoError(t, step.Transform(t.Context(), europe, obj), text)
		var want map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(out), &want))
		delete(obj.Object, "apiVersion")
		delete(obj.Object, "kind")
		got, err := yaml.Marshal(obj.Object)
		require.NoError(t, err)
		wanted, err := yaml.Marshal(want)
		require.NoError(t, err)
		if diff := cmp.Diff(string(wanted), string(got)); diff != "" {
			t.Errorf("%s(-want +got):\n%s", text, diff)
		}
	}
}
