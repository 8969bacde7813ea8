package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/examples/controller/config"
	"github.com/tmc-sdk/tmc/examples/controller/observe"
)

// described returns what a controller with everything turned on registers.
func described(t *testing.T) map[string]observe.Described {
	t.Helper()
	c, err := config.Load(filepath.Join("deploy", "controller.yaml"), known, func(c *config.Configuration) {
		c.Platform.Kubeconfig = filepath.Join("testdata", "nowhere.kubeconfig")
		c.Serving.Reviewer = nil
		c.LeaderElection.Enabled = new(false)
		c.Audit = &config.Audit{Directory: t.TempDir(), Webhook: &config.AuditWebhook{URL: "https://audit.example"}, OTLP: &config.AuditWebhook{URL: "https://collector.example/v1/logs"}}
		c.Notify = &config.Notify{URL: "https://events.example"}
	})
	require.NoError(t, err)
	_, level, err := newLogger(c.Logging, os.Stderr)
	require.NoError(t, err)
	recorder := &observe.Recorder{Metrics: map[string]observe.Described{}}
	x, err := compose(c, &flags{}, level, recorder)
	require.NoError(t, err)
	require.NoError(t, x.close())
	return recorder.Metrics
}

// TestCatalogueIsTheCode compares the catalogue of metrics with those that all
// rooms register, and what is generated of it with what is in the tree.
func TestCatalogueIsTheCode(t *testing.T) {
	code := described(t)
	catalogue, err := observe.Load()
	require.NoError(t, err)
	require.NoError(t, catalogue.Check(code))
	for _, a := range catalogue.Alerts() {
		require.NotEmpty(t, a.Fires.Series, "%s: what makes it fire?", a.Name)
		require.NotEmpty(t, a.Quiet.Series, "%s: what must not make it fire?", a.Name)
		require.Contains(t, []string{"warning", "critical"}, a.Severity, a.Name)
	}

	rules, err := catalogue.Rules()
	require.NoError(t, err)
	dashboard, err := catalogue.Dashboard()
	require.NoError(t, err)
	for path, want := range map[string][]byte{
		filepath.Join("..", "..", "docs", "metrics.md"):         catalogue.Page(code),
		filepath.Join("deploy", "monitoring", "alerts.yaml"):    rules,
		filepath.Join("deploy", "monitoring", "dashboard.json"): dashboard,
	} {
		if *update {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, want, 0o644))
		}
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(string(want), string(got)), "run go generate ./examples/controller")
	}
}

func TestCatalogueThatIsWrongIsFound(t *testing.T) {
	code := map[string]observe.Described{"tmc_a_total": {Labels: []string{"tenant"}}, "tmc_b_total": {}}
	c := &observe.Catalogue{Labels: map[string]string{"old": "x"}, Groups: []observe.Group{{Metrics: []observe.Metric{{Name: "tmc_a_total"}, {Name: "tmc_c_total", Moves: "x"}}}}}
	err := c.Check(code)
	for _, want := range []string{
		"tmc_a_total: what to do", "tmc_a_total: nothing bounds the label tenant", "tmc_c_total is not in the code",
		"tmc_b_total is not in the catalogue", "label old is used by no metric",
	} {
		require.ErrorContains(t, err, want)
	}
}
