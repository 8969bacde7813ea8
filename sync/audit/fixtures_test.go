package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/tmc-sdk/tmc/sync/audit"
)

var (
	deployment = appsv1.SchemeGroupVersion.WithKind("Deployment")
	secret     = corev1.SchemeGroupVersion.WithKind("Secret")
)

func entry(n int) audit.Entry {
	return audit.Entry{
		Verb: audit.VerbPatch, Workspace: "ws", Cluster: "eu-1", Cause: "Drift", Message: fmt.Sprintf("entry %d", n),
		Object:   audit.Object{Kind: deployment, Namespace: "default-x", Name: "web"},
		Original: audit.Object{Kind: deployment, Namespace: "default", Name: "web", UID: "u1"},
		Before:   "aa", After: "bb",
	}
}

func open(t *testing.T, dir, writer string, opts ...audit.Option) *audit.Log {
	t.Helper()
	log, err := audit.Open(append([]audit.Option{audit.Writer(writer), audit.Directory(dir, audit.Rotation{})}, opts...)...)
	require.NoError(t, err)
	return log
}

func record(t *testing.T, log *audit.Log, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		require.NoError(t, log.Record(t.Context(), entry(n)))
	}
}

// written opens, records n entries and closes.
func written(t *testing.T, dir, writer string, n int, opts ...audit.Option) {
	t.Helper()
	log := open(t, dir, writer, opts...)
	record(t, log, 1, n)
	require.NoError(t, log.Close())
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	slices.Sort(names)
	return names
}

func linesOf(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
}

func put(t *testing.T, file string, lines []string) {
	t.Helper()
	text := strings.Join(lines, "")
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func source(lines ...[]byte) audit.Source {
	return audit.Source{Name: "lines", Reader: bytes.NewReader(append(bytes.Join(lines, []byte{'\n'}), '\n'))}
}

// clock is a time that a test sets.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time { return c.now }

// counted returns the sum of a metric.
func counted(t *testing.T, g prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
