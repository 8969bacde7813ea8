package audit

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	written  prometheus.Counter
	failures prometheus.Counter
	lost     *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tmc_audit_events_total", Help: "Events that were given a place in the audit chain.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tmc_audit_write_failures_total", Help: "Writes to the audit file that failed, each try counted.",
		}),
		lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_audit_lost_total", Help: "Events that a sink of the audit log did not take, by sink; file for the files.",
		}, []string{"sink"}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.written, m.failures, m.lost} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("audit: register metrics: %w", err)
		}
	}
	return m, nil
}
