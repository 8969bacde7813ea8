package cluster

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Option changes how a Fleet works.
type Option func(*options)

type options struct {
	sources  []Source
	policy   ProbePolicy
	grace    time.Duration
	coalesce time.Duration
	refresh  time.Duration
	wanted   map[schema.GroupVersionKind]bool
	registry prometheus.Registerer
	probe    prober
	read     reader
}

func defaultOptions() options {
	return options{
		policy:   DefaultProbePolicy(),
		grace:    5 * time.Minute,
		coalesce: 100 * time.Millisecond,
		refresh:  5 * time.Minute,
		probe:    probe,
		read:     readAll,
	}
}

// WithSource adds a source of clusters. Where several sources register one
// name, the one added first wins.
func WithSource(s Source) Option {
	return func(o *options) { o.sources = append(o.sources, s) }
}

// WithProbe sets how often clusters are probed and what the results mean.
// Fields that are zero keep their default.
func WithProbe(p ProbePolicy) Option {
	return func(o *options) { o.policy = p.orDefault() }
}

// WithGrace sets how long a cluster may be unreachable before the taint
// v1alpha1.TaintUnreachable takes the effect NoExecute, so that its work is
// placed elsewhere. The default is five minutes.
func WithGrace(d time.Duration) Option {
	return func(o *options) { o.grace = max(0, d) }
}

// WithAPIs sets the kinds that the fleet looks for on the clusters. By
// default State.APIs has all that a cluster serves.
func WithAPIs(kinds ...schema.GroupVersionKind) Option {
	return func(o *options) {
		if o.wanted == nil {
			o.wanted = make(map[schema.GroupVersionKind]bool, len(kinds))
		}
		for _, k := range kinds {
			o.wanted[k] = true
		}
	}
}

// WithMetrics registers the fleet's metrics.
func WithMetrics(r prometheus.Registerer) Option {
	return func(o *options) { o.registry = r }
}
