package cluster

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of a fleet. They count whether they are registered or not.
type metrics struct {
	probeSeconds      prometheus.Histogram
	probeFailures     *prometheus.CounterVec
	certificateExpiry *prometheus.GaugeVec
	identityChanges   *prometheus.CounterVec
	restores          *prometheus.CounterVec
	readErrors        *prometheus.CounterVec
	sourceErrors      *prometheus.CounterVec
	publications      prometheus.Counter
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &metrics{
		probeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tmc_cluster_probe_duration_seconds", Help: "Time that readiness probes of physical clusters took, failed ones included.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2.5, 10),
		}),
		probeFailures:   counter("tmc_cluster_probe_failures_total", "Probes of a physical cluster that failed.", "cluster"),
		identityChanges: counter("tmc_cluster_identity_changes_total", "Times that another cluster answered under the name of a physical cluster.", "cluster"),
		restores:        counter("tmc_cluster_restores_total", "Times that a physical cluster was found to have gone back in time, as after a restore of its etcd.", "cluster"),
		readErrors:      counter("tmc_cluster_read_errors_total", "Failures to read the capacity or the APIs of a physical cluster.", "cluster", "what"),
		sourceErrors:    counter("tmc_cluster_source_failures_total", "Times that a source of clusters ended and was run again.", "source"),
		certificateExpiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tmc_cluster_certificate_expiry_timestamp_seconds", Help: "When the certificate of a physical cluster's API server expires.",
		}, []string{"cluster"}),
		publications: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tmc_cluster_publications_total", Help: "Snapshots of the fleet that were published.",
		}),
	}
}

func (m *metrics) register(r prometheus.Registerer, f *Fleet) error {
	for _, c := range []prometheus.Collector{
		m.probeSeconds, m.probeFailures, m.certificateExpiry, m.identityChanges, m.restores,
		m.readErrors, m.sourceErrors, m.publications,
		fleetCollector{f},
	} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) probed(name string, r probeResult) {
	if r.latency > 0 {
		m.probeSeconds.Observe(r.latency.Seconds())
	}
	if r.err != nil {
		m.probeFailures.WithLabelValues(name).Inc()
	}
	if !r.certificateExpiry.IsZero() {
		m.certificateExpiry.WithLabelValues(name).Set(float64(r.certificateExpiry.Unix()))
	}
}

// forget drops the series of a cluster that left.
func (m *metrics) forget(name string) {
	by := prometheus.Labels{"cluster": name}
	m.probeFailures.DeletePartialMatch(by)
	m.certificateExpiry.DeletePartialMatch(by)
	m.identityChanges.DeletePartialMatch(by)
	m.restores.DeletePartialMatch(by)
	m.readErrors.DeletePartialMatch(by)
}

// fleetCollector reads the snapshot when it is asked.
type fleetCollector struct{ fleet *Fleet }

var (
	clustersDesc = prometheus.NewDesc("tmc_cluster_fleet_clusters", "Physical clusters in the fleet, by condition.", []string{"condition"}, nil)
	silentDesc   = prometheus.NewDesc("tmc_cluster_unreachable_seconds", "Time since a physical cluster ceased to answer.", []string{"cluster"}, nil)
)

// capacityMetrics are the amounts of a cluster that are exported. Package
// planning reads them back as history.
var capacityMetrics = []struct {
	desc *prometheus.Desc
	of   func(*State) float64
	// used says that the amount is known only where metrics-server tells.
	used bool
}{
	{capacityDesc("allocatable_cpu_cores", "CPU that the nodes of a physical cluster offer."), func(s *State) float64 { return float64(s.Allocatable.MilliCPU) / 1000 }, false},
	{capacityDesc("allocated_cpu_cores", "CPU that the pods of a physical cluster request."), func(s *State) float64 { return float64(s.Allocated.MilliCPU) / 1000 }, false},
	{capacityDesc("allocatable_memory_bytes", "Memory that the nodes of a physical cluster offer."), func(s *State) float64 { return float64(s.Allocatable.Memory) }, false},
	{capacityDesc("allocated_memory_bytes", "Memory that the pods of a physical cluster request."), func(s *State) float64 { return float64(s.Allocated.Memory) }, false},
	{capacityDesc("used_cpu_cores", "CPU that the nodes of a physical cluster use, where metrics-server tells."), func(s *State) float64 { return float64(s.Used.MilliCPU) / 1000 }, true},
	{capacityDesc("used_memory_bytes", "Memory that the nodes of a physical cluster use, where metrics-server tells."), func(s *State) float64 { return float64(s.Used.Memory) }, true},
	{capacityDesc("allocatable_pods", "Pods that the nodes of a physical cluster have places for."), func(s *State) float64 { return float64(s.Allocatable.Pods) }, false},
	{capacityDesc("allocated_pods", "Pods on the nodes of a physical cluster."), func(s *State) float64 { return float64(s.Allocated.Pods) }, false},
}

func capacityDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("tmc_cluster_"+name, help, []string{"cluster"}, nil)
}

var _ prometheus.Collector = fleetCollector{}

// Describe implements prometheus.Collector.
func (fleetCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- clustersDesc
	ch <- silentDesc
	for _, m := range capacityMetrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c fleetCollector) Collect(ch chan<- prometheus.Metric) {
	var ready, notReady, unreachable float64
	for st := range c.fleet.Snapshot().All() {
		switch {
		case st.Ready:
			ready++
		case st.Reachable:
			notReady++
		default:
			unreachable++
		}
		if st.CapacityKnown && st.Reachable {
			for _, m := range capacityMetrics {
				if m.used && st.UsedAt.IsZero() {
					continue
				}
				ch <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, m.of(st), st.Name)
			}
		}
		if !st.UnreachableSince.IsZero() {
			ch <- prometheus.MustNewConstMetric(silentDesc, prometheus.GaugeValue, time.Since(st.UnreachableSince).Seconds(), st.Name)
		}
	}
	for condition, n := range map[string]float64{"ready": ready, "not_ready": notReady, "unreachable": unreachable} {
		ch <- prometheus.MustNewConstMetric(clustersDesc, prometheus.GaugeValue, n, condition)
	}
}
