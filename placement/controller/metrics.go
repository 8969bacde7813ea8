package controller

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the controller. They count also where no one gathers them.
type metrics struct {
	decisions *prometheus.CounterVec
	duration  prometheus.Histogram
	writes    *prometheus.CounterVec
	moves     *prometheus.CounterVec
	deferred  *prometheus.CounterVec
	copies    prometheus.Counter
}

func newMetrics(r prometheus.Registerer, idx *index, l *ledger) (*metrics, error) {
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_placement_decisions_total",
			Help: "Decisions made, by the reason of the condition Placed that they led to.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tmc_placement_decision_duration_seconds",
			Help:    "Time that the engine took for a decision.",
			Buckets: prometheus.ExponentialBuckets(0.00001, 4, 10),
		}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_placement_writes_total",
			Help: "Writes to workspaces, by kind of write.",
		}, []string{"write"}),
		moves: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_placement_moves_total",
			Help: "Clusters that decisions ceased to name, by cause.",
		}, []string{"cause"}),
		deferred: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tmc_placement_moves_deferred_total",
			Help: "Times that a limiter put moves off, by its reason.",
		}, []string{"reason"}),
		copies: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tmc_placement_copies_unknown_total",
			Help: "Times that it was not known whether a cluster that work is leaving still holds copies.",
		}),
	}
	if r == nil {
		return m, nil
	}
	known := func(name, help string, count func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(count()) })
	}
	err := errors.Join(
		r.Register(m.decisions), r.Register(m.duration), r.Register(m.writes), r.Register(m.moves), r.Register(m.deferred), r.Register(m.copies),
		r.Register(known("tmc_placement_known_placements", "Placements decided on.", func() int { all, _ := idx.counts(); return all })),
		r.Register(known("tmc_placement_waiting_placements", "Placements that would take another cluster if one fitted.", func() int { _, waiting := idx.counts(); return waiting })),
		r.Register(known("tmc_placement_reserving_placements", "Placements of which something counts as used that no cluster reports yet.", l.owners)),
	)
	if err != nil {
		return nil, fmt.Errorf("placement controller: register metrics: %w", err)
	}
	return m, nil
}
