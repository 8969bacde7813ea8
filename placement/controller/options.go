package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/cluster/workspaces"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Option configures a Controller.
type Option func(*options)

// DefaultsFunc returns the spec of the Placement that is created in a namespace
// whose work no other covers; with an empty namespace, of the ClusterPlacement.
// Nil means the zero spec: the work goes to the one cluster that suits it best.
type DefaultsFunc func(ctx context.Context, workspace multicluster.ClusterName, namespace string) (*v1alpha1.PlacementSpec, error)

type options struct {
	resources  []schema.GroupVersionKind
	sources    []workspaces.Kinds
	servedAs   func(schema.GroupVersionKind) []schema.GroupVersionKind
	copies     Copies
	defaults   DefaultsFunc
	layers     []Layer
	limiter    Limiter
	decided    []func(context.Context, Decided)
	scores     []ScoreSource
	scoreAge   time.Duration
	reserve    time.Duration
	decisions  *DecisionOptions
	registerer prometheus.Registerer
	tracing    trace.TracerProvider
	now        func() time.Time
	workers    int
	settle     time.Duration
	knownAfter time.Duration
	beat       time.Duration
	slowBeat   time.Duration
	poll       time.Duration
	refresh    time.Duration
}

func defaultOptions() options {
	return options{
		defaults: func(context.Context, multicluster.ClusterName, string) (*v1alpha1.PlacementSpec, error) {
			return nil, nil
		},
		limiter: NewBudget(BudgetOptions{}),
		reserve: 2 * time.Minute,
		now:     time.Now,
		workers: 4, settle: 5 * time.Second, knownAfter: 30 * time.Second,
		beat: 100 * time.Millisecond, slowBeat: 5 * time.Second, poll: 5 * time.Second, refresh: time.Minute,
	}
}

// Resources are the kinds whose objects need a place, in the version that the
// workspaces serve: the same as the sync loop's. At least one is needed, or
// ResourcesFrom.
func Resources(kinds ...schema.GroupVersionKind) Option {
	return func(o *options) { o.resources = append(o.resources, kinds...) }
}

// ResourcesFrom are kinds as those of Resources that change while the controller
// runs, as those that an APIExport exports (workspaces.NewExportedKinds). What is
// placed of a kind that leaves stays where it is. Kinds of Placements are left out,
// and those that Resources lists.
func ResourcesFrom(sources ...workspaces.Kinds) Option {
	return func(o *options) { o.sources = append(o.sources, sources...) }
}

// ServedAs says what the objects of a kind are on clusters, where that is another
// kind or version: a cluster fits that serves one of them. It is KindsOn of the
// pipeline of the sync loop (transform.Pipeline). Default: what they are in
// workspaces.
func ServedAs(kinds func(schema.GroupVersionKind) []schema.GroupVersionKind) Option {
	return func(o *options) { o.servedAs = kinds }
}

// WithCopies says who knows whether copies are left on a cluster that work is
// leaving. Default: no one knows, and such a cluster stays on record until it
// leaves the fleet.
func WithCopies(copies Copies) Option {
	return func(o *options) { o.copies = copies }
}

// WithDefaults gives the Placements that the controller creates a spec.
// Default: the zero spec.
func WithDefaults(defaults DefaultsFunc) Option {
	return func(o *options) { o.defaults = defaults }
}

// WithLayers sets the levels of policy above the Placements of tenants, the
// outermost first. Default: none.
func WithLayers(layers ...Layer) Option {
	return func(o *options) { o.layers = append(o.layers, layers...) }
}

// WithLimiter bounds how much work moves at once. Default: a Budget without
// bounds on the rate, which protects against partial outages.
func WithLimiter(limiter Limiter) Option {
	return func(o *options) { o.limiter = limiter }
}

// WithReservations sets for how long what was decided counts as used, at most,
// while the cluster does not report it as used yet. Default: 2 minutes; with
// zero nothing is reserved.
func WithReservations(atMost time.Duration) Option {
	return func(o *options) { o.reserve = atMost }
}

// WithScores has scores from outside count, while they are no older than an
// age. Default: none.
func WithScores(maxAge time.Duration, sources ...ScoreSource) Option {
	return func(o *options) { o.scoreAge, o.scores = maxAge, append(o.scores, sources...) }
}

// WithPlacementDecisions exchanges decisions with other tools as
// PlacementDecisions of sig-multicluster: ours are published beside each
// Placement, and those of a scheduler that a Placement names in spec.scheduler
// are followed. The export must serve their kind, as
// cluster-inventory-api v0.1.2 has it. Default: no exchange.
func WithPlacementDecisions(opts DecisionOptions) Option {
	return func(o *options) { o.decisions = &opts }
}

// WithMetrics registers the metrics tmc_placement_* of the controller.
func WithMetrics(r prometheus.Registerer) Option {
	return func(o *options) { o.registerer = r }
}

// WithClock tells the time by another clock. Default: time.Now.
func WithClock(now func() time.Time) Option {
	return func(o *options) { o.now = now }
}

// WithWorkers sets how many Placements are decided at once. Default: 4.
func WithWorkers(n int) Option {
	return func(o *options) { o.workers = n }
}

// WithSettling sets how long a new Placement that covers nothing is given to
// find its objects before it is told so: what is applied together arrives in
// any order, and one write is better than two. Default: 5 seconds.
func WithSettling(d time.Duration) Option {
	return func(o *options) { o.settle = d }
}

func (o *options) validate() error {
	if len(o.resources) == 0 && len(o.sources) == 0 {
		return errors.New("placement controller: no kinds to place: pass controller.Resources or controller.ResourcesFrom, the same kinds as the sync loop's")
	}
	seen := map[schema.GroupKind]bool{}
	for _, kind := range o.resources {
		switch gk := kind.GroupKind(); {
		case kind.Kind == "" || kind.Version == "":
			return fmt.Errorf("placement controller: kind %q is incomplete: version and kind are needed", kind.String())
		case seen[gk]:
			return fmt.Errorf("placement controller: kind %s is listed twice: one version of a kind is placed", gk)
		case kind.Group == v1alpha1.Group:
			return fmt.Errorf("placement controller: kind %s decides and can't be placed itself", gk)
		default:
			seen[gk] = true
		}
	}
	switch {
	case o.defaults == nil || o.limiter == nil || o.now == nil:
		return errors.New("placement controller: WithDefaults, WithLimiter and WithClock take no nil: leave them out for the default")
	case slices.Contains(o.layers, nil):
		return errors.New("placement controller: WithLayers takes no nil")
	case slices.Contains(o.scores, nil) || len(o.scores) > 0 && o.scoreAge <= 0:
		return errors.New("placement controller: WithScores takes a positive age and no nil")
	case o.workers < 1:
		return fmt.Errorf("placement controller: WithWorkers(%d): at least 1 is needed", o.workers)
	}
	return nil
}
