package builtin_test

import (
	"strings"
	"testing"

	"github.com/tmc-sdk/tmc/transform/builtin"
)

// FuzzExpand: no text makes it panic, text without ${ stays, and what
// CheckTemplate accepts fails for nothing but a value that the target lacks.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"", "plain", "${cluster.name}", "$${x}", "${", "${}", "$$${cluster.region}}", "${cluster.labels.a.b/c}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := builtin.Expand(europe, text)
		if !strings.Contains(text, "${") && (err != nil || out != text) {
			t.Errorf("%q became %q, %v", text, out, err)
		}
		if builtin.CheckTemplate(text) == nil && err != nil && !strings.Contains(err.Error(), " has no ") && !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%q was accepted, and then: %v", text, err)
		}
	})
}
