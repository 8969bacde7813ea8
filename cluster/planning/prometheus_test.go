package planning_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	tmccluster "github.com/tmc-sdk/tmc/cluster"
	"github.com/tmc-sdk/tmc/cluster/planning"
)

func TestHistoryFromPrometheus(t *testing.T) {
	var queries []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.PostFormValue("query")
		queries = append(queries, query)
		require.Equal(t, "/api/v1/query_range", r.URL.Path)
		require.Equal(t, "3600", r.PostFormValue("step"))
		result := ""
		switch {
		case strings.Contains(query, "allocated_cpu_cores"):
			result = `{"metric":{"cluster":"eu-1"},"values":[[3600,"1.5"],[7200,"NaN"],[10800,"2.5"]]},{"metric":{},"values":[[3600,"9"]]}`
		case strings.Contains(query, "allocatable_cpu_cores"):
			result = `{"metric":{"cluster":"eu-1"},"values":[[3600,"4"],[7200,"4"],[10800,"4"]]}`
		}
		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[%s]}}`, result)
	}))
	defer server.Close()
	h := planning.NewHistory()
	p := &planning.Prometheus{Address: server.URL + "/", Matchers: `namespace="tmc"`}
	require.NoError(t, p.Load(t.Context(), h, time.Unix(10800, 0), 3*time.Hour, time.Hour))
	require.Contains(t, queries, `max by (cluster) (tmc_cluster_allocated_cpu_cores{namespace="tmc"})`)
	require.Equal(t, []string{"eu-1"}, h.Clusters())
	series := h.Series("eu-1")
	require.Len(t, series, 3)
	require.Equal(t, planning.Sample{At: time.Unix(3600, 0), Allocatable: cores(4), Allocated: cores(1.5)}, series[0])
	require.Equal(t, cores(2.5), series[2].Allocated)

	require.Error(t, p.Load(t.Context(), h, time.Unix(0, 0), time.Hour, 0))
}

func TestARefusalOfPrometheusIsTold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"parse error"}`)
	}))
	defer server.Close()
	err := (&planning.Prometheus{Address: server.URL}).Load(t.Context(), planning.NewHistory(), time.Now(), time.Hour, time.Minute)
	require.ErrorContains(t, err, "400 Bad Request: parse error")
}

// TestTheMetricsAreThoseOfTheFleet asks a fleet for the metrics that are read
// back.
func TestTheMetricsAreThoseOfTheFleet(t *testing.T) {
	registry := prometheus.NewRegistry()
	_, err := tmccluster.NewFleet(tmccluster.WithMetrics(registry))
	require.NoError(t, err)
	for _, name := range []string{"allocatable_cpu_cores", "allocated_cpu_cores", "allocatable_memory_bytes", "allocated_memory_bytes", "allocatable_pods", "allocated_pods"} {
		gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tmc_cluster_" + name, Help: "x"}, []string{"other"})
		require.Error(t, registry.Register(gauge), "the fleet exports %s", name)
	}
}
