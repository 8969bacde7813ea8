package syncer

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the loop. With no registerer they are counted and shown nowhere.
type metrics struct {
	applies     *prometheus.CounterVec
	retires     *prometheus.CounterVec
	upstream    *prometheus.CounterVec
	stalled     prometheus.Gauge
	concurrency *prometheus.GaugeVec
	withheld    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		applies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_sync_applies_total",
			Help: "Copies applied to physical clusters, by cluster and result: ok, or the reason of the refusal.",
		}, []string{"cluster", "result"}),
		retires: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_sync_retires_total",
			Help: "Copies deleted from physical clusters, by cluster.",
		}, []string{"cluster"}),
		upstream: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_sync_upstream_writes_total",
			Help: "Writes to workspaces, by what is written (finalizer, status) and result (ok, error).",
		}, []string{"what", "result"}),
		concurrency: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tmc_sync_concurrency",
			Help: "Errands that may be under way to a cluster at once: less than WithWorkers allows while the cluster asks for less.",
		}, []string{"cluster"}),
		withheld: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_sync_upsync_withheld_total",
			Help: "Times that an object that was born on a cluster was not shown since its namespace shows as much as it may, by kind.",
		}, []string{"kind"}),
		stalled: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tmc_sync_stalled_originals",
			Help: "Originals whose copies have not become healthy within their deadline.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.applies, m.retires, m.upstream, m.stalled, m.concurrency, m.withheld} {
		if err := r.Register(c); err != nil {
			if already := (prometheus.AlreadyRegisteredError{}); errors.As(err, &already) {
				return nil, fmt.Errorf("syncer: metrics are registered already: give each loop a registerer of its own: %w", err)
			}
			return nil, fmt.Errorf("syncer: register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) applied(cluster string, refusal *RefusalError) {
	result := "ok"
	if refusal != nil {
		result = refusal.Reason
	}
	m.applies.WithLabelValues(cluster, result).Inc()
}

func (m *metrics) retired(cluster string) { m.retires.WithLabelValues(cluster).Inc() }

func (m *metrics) wroteUpstream(what string, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.upstream.WithLabelValues(what, result).Inc()
}
