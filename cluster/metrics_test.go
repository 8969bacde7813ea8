package cluster

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	f, err := NewFleet(WithMetrics(registry))
	require.NoError(t, err)
	series := func() map[string]int {
		families, err := registry.Gather()
		require.NoError(t, err)
		problems, err := promlint.NewWithMetricFamilies(families).Lint()
		require.NoError(t, err)
		require.Empty(t, problems)
		n := map[string]int{}
		for _, family := range families {
			require.True(t, strings.HasPrefix(family.GetName(), "tmc_cluster_"), family.GetName())
			n[family.GetName()] = len(family.GetMetric())
		}
		return n
	}
	f.metrics.probed("a", probeResult{err: errors.New("x"), latency: 1})
	require.Equal(t, 1, series()["tmc_cluster_probe_failures_total"])
	require.Equal(t, 3, series()["tmc_cluster_fleet_clusters"])
	f.metrics.forget("a")
	require.Zero(t, series()["tmc_cluster_probe_failures_total"], "a cluster that left has no series")

	_, err = NewFleet(WithMetrics(registry))
	require.ErrorContains(t, err, "register metrics")
}
