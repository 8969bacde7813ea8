package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tmc-sdk/tmc/cluster/planning"
)

// A cluster of 8 cores of which a tenth of a core more is taken every hour.
func TestTrendsAreReadFromPrometheus(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.FormValue("query")
		var values []string
		for h := range 48 {
			at, v := now.Add(time.Duration(h-48)*time.Hour).Unix(), 8.0
			switch {
			case strings.Contains(query, "allocated_cpu"):
				v = 1 + float64(h)/10
			case !strings.Contains(query, "allocatable_cpu"):
				v = 1000
			}
			values = append(values, fmt.Sprintf(`[%d,"%g"]`, at, v))
		}
		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"cluster":"eu-1"},"values":[%s]}]}}`, strings.Join(values, ","))
	}))
	defer server.Close()
	forecasts, err := trends(t.Context(), &planning.Prometheus{Address: server.URL}, now, 48*time.Hour)
	require.NoError(t, err)
	require.NotEmpty(t, forecasts)
	text := strings.Join((&capacityReport{Trends: forecasts}).result().notes, "\n")
	require.Contains(t, text, "eu-1")
	require.Contains(t, text, "cpu")
	server.Close()
	_, err = trends(t.Context(), &planning.Prometheus{Address: server.URL}, now, 48*time.Hour)
	require.Error(t, err)
}
